"""Winograd's algorithm: exact matrices, values, error bound, numbers that are not finite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import product
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.grad import conv2d_input

from convitro.engine.cpu.blocking import Block, Sliding
from convitro.engine.cpu.choice import impossible
from convitro.engine.cpu.convolve import Convolution, convolution
from convitro.engine.cpu.finish import Epilogue
from convitro.engine.cpu.gradient_source import GradientSource
from convitro.engine.cpu.isa import isa, supported
from convitro.engine.cpu.jit import assembly
from convitro.engine.cpu.layer import Form
from convitro.engine.cpu.multiply import Tile, best_tile
from convitro.engine.cpu.parameter_gradients import ParameterRequest, Wanted
from convitro.engine.cpu.source import TensorSource
from convitro.engine.cpu.winograd import narrow
from convitro.engine.cpu.winograd_layout import split_rows, winograd_layout, winograd_reasons
from convitro.engine.cpu.winograd_transforms import TRANSFORMS, TWO, Transform, cook_toom, transform_of
from tests.engine.calls import Setting, convolved

ACCURACY = {
    (2, 5): (330, 3.2),
    (3, 4): (537, 1.9),
    (3, 2): (64, 0.7),
    (4, 3): (793, 1.4),
    (5, 2): (1156, 1.2),
}
"""By rows of the kernel and of a tile's results: amplification, and rms error over the direct sum's."""
SQUARES = list(ACCURACY)
GOOD = Sliding(8, 56, 56, 64, 64, 1, (3, 3), (1, 1), (1, 1), 1, 1, 56, 56)
CASES = st.fixed_dictionaries(
    {
        "images": st.integers(1, 5),
        "channels": st.sampled_from([1, 3, 8, 19]),
        "filters": st.sampled_from([1, 7, 16, 33]),
        "groups": st.integers(1, 3),
        "size": st.tuples(st.integers(5, 17), st.integers(5, 17)),
        "square": st.sampled_from(SQUARES),
        "padding": st.tuples(st.integers(0, 2), st.integers(0, 2)),
    }
)


def problem(
    images: int,
    channels: int,
    filters: int,
    groups: int,
    size: tuple[int, int],
    dtype: torch.dtype,
    taps: int = 3,
) -> tuple[Tensor, Tensor, Tensor]:
    input = torch.randn(images, channels * groups, *size, dtype=dtype)
    weight = torch.randn(filters * groups, channels, taps, taps, dtype=dtype)
    bias = torch.randn(filters * groups, dtype=dtype)
    return input.to(memory_format=torch.channels_last), weight, bias


def exact(input: Tensor, weight: Tensor, bias: Tensor, setting: Setting) -> Tensor:
    return F.conv2d(
        input.double(), weight.double(), bias.double(), padding=setting.padding, groups=setting.groups
    )


def bound(input: Tensor, weight: Tensor, outputs: int) -> float:
    """The stated one, with all tiles taken as one; ungrouped."""
    channels = weight.shape[1]
    largest = input.abs().amax((0, 2, 3)).double() @ weight.abs().amax((0, 2, 3)).double()
    amplification = transform_of(weight.shape[2], outputs).amplification
    return (channels + 40) * torch.finfo(input.dtype).eps / 2 * amplification * float(largest)


@pytest.mark.parametrize(
    "transform",
    [*TRANSFORMS.values(), TWO, cook_toom([Fraction(0), Fraction(2), Fraction(-2)], [Fraction(1)] * 3)],
)
def test_matrices_are_exact(transform: Transform) -> None:
    """One number and one weight at a time: 1 where they meet in a result, else 0."""
    for number, weight in product(range(transform.size), range(transform.taps)):
        terms = [
            row[number] * other[weight] for row, other in zip(transform.input, transform.weight, strict=True)
        ]
        results = [sum(a * t for a, t in zip(row, terms, strict=True)) for row in transform.output]
        assert results == [int(i + weight == number) for i in range(transform.outputs)]


def test_kernels_share_the_transform_of_numbers() -> None:
    assert [transform.outputs for transform in TRANSFORMS.values()] == [7 - taps for taps in TRANSFORMS]
    assert {transform.size for transform in TRANSFORMS.values()} == {6}
    assert len({transform.input for transform in TRANSFORMS.values()}) == 1


@settings(max_examples=25, deadline=None)
@given(case=CASES, dtype=st.sampled_from([torch.float32, torch.float64]))
def test_values(case: dict[str, Any], dtype: torch.dtype) -> None:
    sizes = {name: value for name, value in case.items() if name not in ("padding", "square")}
    taps, outputs = case["square"]
    input, weight, bias = problem(**sizes, dtype=dtype, taps=taps)
    setting = Setting(padding=case["padding"], groups=case["groups"], outputs=outputs)
    outcome = convolved(input, weight, bias, setting)
    tolerance = 100 * taps * torch.finfo(dtype).eps * case["channels"] ** 0.5
    torch.testing.assert_close(
        outcome.output.double(), exact(input, weight, bias, setting), rtol=0.0, atol=tolerance
    )
    assert not outcome.flag


@pytest.mark.parametrize("block", [Block(1, 8, 28), Block(1, 5, 9), Block(2, 28, 28), Block(3, 28, 28)])
@pytest.mark.parametrize(("taps", "outputs"), [(3, 4), (3, 2), (5, 2)])
def test_any_block_gives_the_same_numbers(block: Block, taps: int, outputs: int) -> None:
    input, weight, bias = problem(3, 16, 24, 1, (28, 28), torch.float32, taps)
    padding = (taps // 2, taps // 2)
    whole, parts = (
        convolved(input, weight, bias, Setting(padding=padding, block=cut, outputs=outputs))
        for cut in (Block(1, 28, 28), block)
    )
    torch.testing.assert_close(whole.output, parts.output, rtol=0.0, atol=1e-4)


@pytest.mark.parametrize("name", ["x86-64", "avx2", "avx512"])
@pytest.mark.parametrize(("taps", "outputs"), [(3, 4), (3, 2), (5, 2)])
def test_every_instruction_set(name: str, taps: int, outputs: int) -> None:
    if name not in supported():
        pytest.skip(f"this processor has no {name}")
    input, weight, bias = problem(2, 9, 70, 1, (9, 13), torch.float32, taps)
    setting = Setting(isa=name, outputs=outputs)
    outcome = convolved(input, weight, bias, setting)
    torch.testing.assert_close(
        outcome.output.double(), exact(input, weight, bias, setting), rtol=0.0, atol=1e-4
    )


def test_threads_share_the_work_and_change_nothing() -> None:
    input, weight, bias = problem(4, 20, 40, 1, (15, 15), torch.float32)
    alone, together = (convolved(input, weight, bias, Setting(team=team)) for team in (1, 2))
    torch.testing.assert_close(alone.output, together.output, rtol=0.0, atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(4, 90),
    columns=st.integers(4, 90),
    channels=st.sampled_from([16, 256]),
    pool=st.integers(1, 3),
    threads=st.integers(1, 4),
    square=st.sampled_from(SQUARES),
)
def test_threads_cannot_disagree_about_a_bit(
    rows: int, columns: int, channels: int, pool: int, threads: int, square: tuple[int, int]
) -> None:
    """What the last block of an axis shares with the one before lies in the same tiles of both."""
    target = isa("avx2")
    (taps, outputs), sliding = square, replace(GOOD, kernel=(square[0],) * 2, channels=channels)
    sliding = replace(sliding, rows=rows, columns=columns, pool=(pool, pool), pool_stride=(2, 1))
    layout = winograd_layout(sliding, best_tile(target, 8), target, 4, threads, [transform_of(taps, outputs)])
    sides = zip((layout.block.rows, layout.block.columns), sliding.pooled, sliding.pool_stride, strict=True)
    for size, total, stride in sides:
        shared = -total % size  # results of the last block that the one before has too
        assert shared == 0 or (size - shared) * stride % outputs == 0


@pytest.mark.parametrize(("pool", "stride"), [(2, 2), (3, 2), (2, 1)])
@pytest.mark.parametrize(("taps", "outputs"), [(3, 4), (3, 2), (5, 2)])
def test_pooling_with_switches(pool: int, stride: int, taps: int, outputs: int) -> None:
    input, weight, bias = problem(2, 8, 12, 1, (14, 15), torch.float64, taps)
    setting = Setting(
        padding=(taps // 2, taps // 2),
        epilogue=Epilogue("none", (pool, pool), (stride, stride), switches=True),
        outputs=outputs,
    )
    outcome = convolved(input, weight, bias, setting)
    expected, index = F.max_pool2d(exact(input, weight, bias, setting), pool, stride, return_indices=True)
    torch.testing.assert_close(outcome.output, expected, rtol=0.0, atol=1e-11)
    rows, columns = torch.meshgrid(*(torch.arange(n) * stride for n in expected.shape[2:]), indexing="ij")
    switch = (index // 15 - rows) * pool + index % 15 - columns
    torch.testing.assert_close(outcome.switches.long(), switch)


@pytest.mark.parametrize(("taps", "outputs"), SQUARES)
def test_turned_weights_give_the_input_gradient(taps: int, outputs: int) -> None:
    input, weight, _ = problem(2, 6, 10, 2, (11, 9), torch.float64, taps)
    gradient = torch.randn(2, 20, 14 - taps, 12 - taps, dtype=torch.float64).to(
        memory_format=torch.channels_last
    )
    setting = Setting(padding=(taps - 2, taps - 2), groups=2, turned=True, outputs=outputs)
    outcome = convolved(gradient, weight, None, setting)
    expected = conv2d_input(input.shape, weight, gradient, padding=1, groups=2)
    torch.testing.assert_close(outcome.output, expected, rtol=0.0, atol=1e-11)


def test_weights_in_any_strides() -> None:
    input, weight, bias = problem(1, 5, 9, 1, (8, 8), torch.float64)
    expected = exact(input, weight, bias, Setting())
    views = [
        weight.to(memory_format=torch.channels_last),
        weight.permute(3, 1, 0, 2).contiguous().permute(2, 1, 3, 0),
        torch.stack([weight, weight], dim=-1)[..., 0],
    ]
    for view in views:
        result = convolved(input, view, bias, Setting()).output
        torch.testing.assert_close(result, expected, rtol=0.0, atol=1e-11)


def normal(channels: int, taps: int) -> tuple[Tensor, Tensor]:
    input, weight, _ = problem(2, channels, 16, 1, (16, 16), torch.float32, taps)
    return input, weight


def one_large_number(channels: int, taps: int) -> tuple[Tensor, Tensor]:
    input, weight = normal(channels, taps)
    input[:, :, 5, 6] = 1e6
    return input, weight


def cancelling(channels: int, taps: int) -> tuple[Tensor, Tensor]:
    """Filters whose weights sum to zero over a nearly constant input."""
    input, weight = normal(channels, taps)
    return input + 1e4, weight - weight.mean((1, 2, 3), keepdim=True)


def alternating(channels: int, taps: int) -> tuple[Tensor, Tensor]:
    """The largest terms in the transformed domain, for numbers up to 0.7."""
    input, weight = normal(channels, taps)
    return 0.7 * input.sign(), weight.sign()


@pytest.mark.parametrize("channels", [3, 64])
@pytest.mark.parametrize("square", SQUARES)
@pytest.mark.parametrize("make", [normal, one_large_number, cancelling, alternating])
def test_error_bound(
    make: Callable[[int, int], tuple[Tensor, Tensor]], channels: int, square: tuple[int, int]
) -> None:
    (taps, outputs), setting = square, Setting(outputs=square[1])
    input, weight = make(channels, taps)
    bias = torch.zeros(weight.shape[0])
    error = convolved(input, weight, None, setting).output - exact(input, weight, bias, setting)
    assert 0.0 < error.abs().max() <= bound(input, weight, outputs)


@pytest.mark.parametrize("square", SQUARES)
def test_stated_amplifications(square: tuple[int, int]) -> None:
    assert round(transform_of(*square).amplification) == ACCURACY[square][0]


@pytest.mark.parametrize("square", SQUARES)
def test_rms_error_compared_with_that_of_the_direct_algorithm(square: tuple[int, int]) -> None:
    taps, outputs = square
    input, weight = normal(32, taps)
    expected = exact(input, weight, torch.zeros(16), Setting())
    winograd, direct = (
        (convolved(input, weight, None, setting).output - expected).square().mean().sqrt()
        for setting in (Setting(outputs=outputs), Setting("direct"))
    )
    assert 0.7 * ACCURACY[square][1] * direct < winograd < 1.4 * ACCURACY[square][1] * direct


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), 3e38])
@pytest.mark.parametrize("place", ["input", "weight"])
@pytest.mark.parametrize(("taps", "outputs"), [(2, 5), (3, 4), (3, 2), (5, 2)])
def test_flag_tells_of_numbers_that_are_not_finite(value: float, place: str, taps: int, outputs: int) -> None:
    input, weight, bias = problem(2, 5, 20, 1, (9, 10), torch.float32, taps)
    setting = Setting(outputs=outputs)
    assert not convolved(input, weight, bias, setting).flag
    if place == "input":
        input[1, 3, 8, 9] = value
    else:
        weight[19, 4, taps - 1, 1] = value
    assert convolved(input, weight, bias, setting).flag


def test_infinite_bias_needs_no_other_algorithm() -> None:
    input, weight, bias = problem(1, 5, 3, 1, (9, 10), torch.float32)
    bias[1] = float("inf")
    outcome = convolved(input, weight, bias, Setting())
    assert not outcome.flag
    assert outcome.output[:, 1].isposinf().all()
    assert outcome.output[:, ::2].isfinite().all()


@pytest.mark.parametrize("rows", [6, 8, 14])
def test_register_tiles_meet_all_but_small_numbers_exactly(rows: int) -> None:
    tile = Tile(rows, 2)
    for tiles in range(1, 300):
        wide, padded = split_rows(tiles, tile)
        assert wide % rows == 0
        assert (padded - wide) % narrow(tile).rows == 0
        assert tiles <= padded < tiles + rows
        assert padded == tiles or tiles < rows * rows


@pytest.mark.parametrize(
    ("images", "size", "channels", "outputs"),
    [(1, 7, 512, 2), (1, 14, 512, 4), (8, 7, 512, 4), (1, 5, 64, 2), (8, 56, 64, 4)],
)
def test_few_tiles_of_many_weights_are_small(images: int, size: int, channels: int, outputs: int) -> None:
    """There the smaller weights save more time than the additional products take."""
    sliding = Sliding(images, size, size, channels, channels, 1, (3, 3), (1, 1), (1, 1), 1, 1, size, size)
    target = isa("avx512")
    layout = winograd_layout(sliding, best_tile(target, channels // 16), target, 4, 1)
    assert layout.sizes["tile_outputs"] == outputs


@pytest.mark.parametrize("name", ["avx512", "neon"])
def test_code_for_processors_that_are_not_here(name: str) -> None:
    target = isa(name)
    kernel = Convolution(
        "float32", TensorSource("float32", "channels"), "winograd", best_tile(target, 4), 64, Epilogue("relu")
    )
    text = assembly(convolution(kernel, target), target)
    assert text.count({"avx512": "zmm", "neon": "fmla"}[name]) > 200


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"kernel": (3, 5)}, "3 x 5"),
        ({"kernel": (6, 6)}, "6 x 6"),
        ({"stride": (1, 2)}, "stride"),
        ({"dilation": (2, 1)}, "dilation"),
        ({"channels": 1}, "channels"),
        ({"images": 1, "rows": 1, "columns": 2}, "results"),
    ],
)
@pytest.mark.parametrize("taps", [2, 3, 4, 5])
def test_reasons_against_it(change: dict[str, Any], reason: str, taps: int) -> None:
    good = replace(GOOD, kernel=(taps, taps))
    assert winograd_reasons(good, "float32") == []
    found = winograd_reasons(replace(good, **change), "float32")
    assert len(found) == 1
    assert reason in found[0]


@pytest.mark.parametrize("change", [{"kernel": (3, 5)}, {"kernel": (1, 1)}, {"stride": (1, 2)}])
def test_what_is_impossible(change: dict[str, Any]) -> None:
    assert all(not impossible("winograd", replace(GOOD, kernel=(taps, taps))) for taps in TRANSFORMS)
    assert "winograd's algorithm is for" in impossible("winograd", replace(GOOD, **change))[0]


@pytest.mark.parametrize("taps", TRANSFORMS)
def test_gradients_of_other_weights_are_direct_sums(taps: int) -> None:
    sliding, form = replace(GOOD, kernel=(taps, taps)), Form((8, 64, 56, 56), (1, 1, 1, 1), "float32")
    request = ParameterRequest(
        sliding, form, form, GradientSource("float32", "none", (1, 1), (1, 1)), Wanted(True, True), "winograd"
    )
    assert request.winograd == (taps == 3)
