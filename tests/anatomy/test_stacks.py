"""Stacks of convolutions side by side: their numbers in closed form, their times only where they differ."""

from __future__ import annotations

import json

import pytest

import convitro
from convitro.anatomy import compare_stacks
from convitro.anatomy.costs.stacks import Timing, time_beside
from convitro.errors import ArgumentError


def test_two_3x3_see_as_much_as_one_5x5_for_less() -> None:
    found = compare_stacks((5,), (3, 3), channels=16, input_size=(12, 10), runs=0)
    five, threes = found.stacks
    assert five.field == threes.field == (5, 5)
    assert (five.parameters, threes.parameters) == (25 * 256 + 16, 2 * (9 * 256 + 16))
    assert (five.macs, threes.macs) == (25 * 256 * 120, 18 * 256 * 120)
    assert threes.flops == 2 * threes.macs
    assert five.shift == threes.shift == (0, 0)
    assert found.findings() == ["two 3x3 see as much as 5x5: 72% of the parameters, 72% of the MACs"]


def test_three_3x3_see_as_much_as_one_7x7() -> None:
    seven, threes = compare_stacks((7,), (3, 3, 3), runs=0).stacks
    assert seven.field == threes.field == (7, 7)
    assert threes.macs * 49 == seven.macs * 27
    assert threes.name == "three 3x3"


def test_even_kernels_are_shifted_by_half_a_pixel_each() -> None:
    found = compare_stacks((2,), (2, 2), (4,), (3,), runs=0)
    assert [stack.shift for stack in found.stacks] == [(0.5, 0.5), (1, 1), (0.5, 0.5), (0, 0)]


def test_rows_columns_channels_and_no_padding() -> None:
    (found,) = compare_stacks(
        [(1, 3), (3, 1)], channels=(3, 8), input_size=10, padding="valid", runs=0
    ).stacks
    assert (found.name, found.field, found.kernel_sizes) == ("1x3, 3x1", (3, 3), ((1, 3), (3, 1)))
    assert found.parameters == 3 * 8 * 3 + 8 + 3 * 64 + 8
    assert found.macs == 3 * 8 * 3 * 10 * 8 + 3 * 64 * 8 * 8


def test_the_classic_ones_and_our_layer() -> None:
    found = compare_stacks(channels=2, input_size=8, layer=convitro.Conv2d, runs=2)
    assert [stack.name for stack in found.stacks] == ["5x5", "two 3x3", "7x7", "three 3x3", "1x1", "2x2"]
    for stack in found.stacks:
        assert stack.time is not None
        assert 0 < stack.time.low_ms <= stack.time.median_ms <= stack.time.high_ms
    text = str(found)
    assert max(map(len, text.splitlines())) <= 80
    assert "median of 2 interleaved runs" in text
    json.dumps(found.to_dict(), allow_nan=False)
    assert "<table>" in found._repr_html_()


def test_time_is_only_compared_where_it_differs() -> None:
    slow, fast, wide = Timing(4.0, 3.0, 5.0), Timing(1.0, 0.9, 1.1), Timing(2.0, 1.0, 6.0)
    assert time_beside(fast, slow) == "25% of the time"
    assert time_beside(wide, slow) == "no clear difference in time"


@pytest.mark.parametrize("runs", [0, 1])
def test_bars(runs: int) -> None:
    axes = compare_stacks((5,), (3, 3), channels=2, input_size=8, runs=runs).plot()
    assert len(axes.patches) == 2 * (2 + runs)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["5x5\nsees 5x5", "two 3x3\nsees 5x5"]
    widths = [patch.get_extents().width for patch in axes.patches[:2]]
    assert widths[1] / widths[0] == pytest.approx(2 * (36 + 2) / (100 + 2))


@pytest.mark.parametrize(
    ("stacks", "options", "message"),
    [
        ((5,), {}, r"a stack is a sequence(.|\n)*received: 5"),
        (((),), {}, "a stack is a sequence"),
        (((0,),), {}, "a kernel size is too small"),
        (((3,),), {"padding": "full"}, "unknown padding"),
        (((3,),), {"runs": -1}, "`runs` is negative"),
        (((3,),), {"channels": "many"}, "`channels` is not one or two integers"),
    ],
)
def test_wrong_arguments(stacks: tuple[object, ...], options: dict[str, object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        compare_stacks(*stacks, **options)  # type: ignore[arg-type]
