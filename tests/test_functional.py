"""What functional refuses, and the block against PyTorch's three layers."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from convitro import functional
from convitro.errors import ArgumentError, ConvitroError, DtypeError, ShapeError, UnsupportedError

INPUT, WEIGHT = torch.zeros(1, 3, 8, 8), torch.zeros(4, 3, 3, 3)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"input": torch.zeros(1, 8, 8, 3)}, ShapeError, r"input\.permute\(0, 3, 1, 2\)"),
        ({"input": torch.zeros(1, 5, 8, 8)}, ShapeError, r"expected: input \(N, 3, H, W\)"),
        ({"input": torch.zeros(8, 8)}, ShapeError, "does not fit `weight`"),
        ({"input": torch.zeros(1, 3, 2, 8)}, ShapeError, "at least 3 x 3 pixels"),
        ({"weight": torch.zeros(4, 3, 3)}, ShapeError, "not the weight of a 2-D convolution"),
        ({"weight": torch.zeros(4, 0, 3, 3)}, ShapeError, "every size at least 1"),
        ({"bias": torch.zeros(3)}, ShapeError, r"expected: bias \(4,\)"),
        ({"input": INPUT.double()}, DtypeError, "differ in dtype"),
        (
            {"input": INPUT.int(), "weight": WEIGHT.int(), "aggregation": "max"},
            DtypeError,
            "needs floating point",
        ),
        ({"stride": 0}, ArgumentError, "`stride` is too small"),
        ({"stride": (1, 2, 3)}, ArgumentError, "one or two integers"),
        ({"stride": 1.5}, ArgumentError, "one or two integers"),
        ({"dilation": -1}, ArgumentError, "`dilation` is too small"),
        ({"padding": -1}, ArgumentError, "`padding` is too small"),
        ({"padding": "full"}, ArgumentError, "unknown padding"),
        ({"padding": "same", "stride": 2}, ArgumentError, "needs stride 1"),
        ({"groups": 3}, ShapeError, "does not divide the filters"),
        ({"groups": 0}, ArgumentError, "`groups` is too small"),
        ({"groups": 2}, ShapeError, r"expected: input \(N, 6, H, W\)"),
        ({"aggregation": "maximum"}, ArgumentError, "unknown aggregation"),
        ({"window": "maximum"}, ArgumentError, "unknown window"),
        ({"combine": "multiplied"}, ArgumentError, 'did you mean "multiply"'),
        ({"combine": 3}, ArgumentError, "`combine` is not a name"),
        ({"algorithm": "winograd9"}, ArgumentError, "unknown algorithm"),
        ({"algorithm": "aten", "aggregation": "max"}, UnsupportedError, 'aggregation="max" is not linear'),
        ({"padding_mode": "mirror"}, ArgumentError, "unknown padding_mode"),
        ({"padding_mode": "reflect", "padding": 8}, ShapeError, "reaches beyond the image"),
    ],
)
def test_bad_arguments(change: dict[str, Any], error: type[ConvitroError], message: str) -> None:
    arguments: dict[str, Any] = {"input": INPUT, "weight": WEIGHT} | change
    with pytest.raises(error, match=message):
        functional.conv2d(**arguments)


def test_an_error_says_what_was_expected_received_and_a_hint() -> None:
    with pytest.raises(ShapeError) as caught:
        functional.conv2d(torch.zeros(1, 8, 8, 3), WEIGHT)
    assert str(caught.value).splitlines() == [
        "conv2d: `input` does not fit `weight`.",
        "  expected: input (N, 3, H, W) or (3, H, W)",
        "  received: input (1, 8, 8, 3), weight (4, 3, 3, 3)",
        "  hint:     channels come first; for NHWC data call `input.permute(0, 3, 1, 2)`",
    ]


@pytest.mark.parametrize("activation", functional.ACTIVATIONS)
@pytest.mark.parametrize(("pool", "step"), [(2, None), (3, 2), ((2, 3), (1, 2)), (None, None)])
def test_block_is_pytorchs_three_layers(activation: str, pool: Any, step: Any) -> None:
    input, weight, bias = torch.randn(2, 3, 9, 8), torch.randn(4, 3, 3, 3), torch.randn(4)
    maps, switches = functional.conv_block(
        input,
        weight,
        bias,
        padding=1,
        activation=activation,
        pool=pool,
        pool_stride=step,
        return_switches=True,
    )
    expected = functional.ACTIVATIONS[activation]()(F.conv2d(input, weight, bias, padding=1))
    if pool is None:
        assert switches is None
        torch.testing.assert_close(maps, expected)
        return
    kh, kw = (pool, pool) if isinstance(pool, int) else pool
    sy, sx = (kh, kw) if step is None else (step, step) if isinstance(step, int) else step
    windows = expected.unfold(2, kh, sy).unfold(3, kw, sx).flatten(-2)  # (N, C, H, W, KH * KW)
    torch.testing.assert_close(maps, F.max_pool2d(expected, pool, step))
    assert switches is not None
    assert switches.dtype == torch.uint8
    torch.testing.assert_close(windows.gather(-1, switches.long().unsqueeze(-1)).squeeze(-1), maps)
    assert switches.max() < kh * kw


def test_the_first_of_equal_pixels_wins() -> None:
    maps, switches = functional.conv_block(
        torch.ones(1, 1, 4, 4), torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1), return_switches=True
    )
    assert maps[0, :, 0, 0].tolist() == [1.0, 0.0]
    assert switches is not None
    assert not switches.any()


def test_block_refuses() -> None:
    with pytest.raises(ArgumentError, match='did you mean "relu"'):
        functional.conv_block(INPUT, WEIGHT, activation="rely")
    with pytest.raises(ArgumentError, match="`pool` is too small"):
        functional.conv_block(INPUT, WEIGHT, pool=0)
    with pytest.raises(ShapeError, match="the pooling window is larger than the maps"):
        functional.conv_block(INPUT, WEIGHT, pool=7)
    with pytest.raises(UnsupportedError, match="at most 256 pixels"):
        functional.conv_block(torch.zeros(1, 3, 30, 30), WEIGHT, pool=17, return_switches=True)


def test_the_sum_of_integers_and_complex_numbers_is_pytorchs() -> None:
    for dtype in (torch.int64, torch.complex64):
        input = (torch.randn(1, 3, 6, 6) * 9).to(dtype)
        weight = (torch.randn(2, 3, 3, 3) * 9).to(dtype)
        torch.testing.assert_close(functional.conv2d(input, weight), F.conv2d(input, weight))
