"""Direct kernels: read in place or packed, finished in registers or in memory, in lanes, at every border."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from convitro import functional
from convitro.engine.cpu.isa import forced, supported
from convitro.engine.cpu.layer import STREAMED_BYTES


@dataclass(frozen=True)
class Layer:
    """Sizes of a layer, as PyTorch's arguments."""

    input: tuple[int, int, int, int]
    weight: tuple[int, int, int, int]
    stride: int | tuple[int, int] = 1
    padding: int | tuple[int, int] = 0
    dilation: int | tuple[int, int] = 1
    groups: int = 1
    pool: int | None = None
    pool_stride: int | None = None


LAYERS = {
    "first layer": Layer((2, 3, 21, 35), (32, 3, 3, 3), 1, 1, 1, 1, 2, 2),
    "filters that fill no vector": Layer((1, 3, 14, 18), (6, 3, 5, 5), 1, 0, 1, 1, 2, 2),
    "one window": Layer((3, 3, 5, 5), (40, 3, 5, 5), 1, 0, 1, 1, None, None),
    "few channels in groups": Layer((2, 6, 14, 15), (20, 3, 3, 3), 2, 0, 1, 2, None, None),
    "rows dilated only": Layer((1, 2, 17, 16), (48, 2, 3, 3), (1, 2), 1, (2, 1), 1, 2, 2),
    "pools that overlap": Layer((1, 4, 23, 23), (24, 4, 7, 7), 2, 3, 1, 1, 3, 2),
    "pools with gaps between": Layer((1, 4, 17, 19), (16, 4, 3, 3), 1, 1, 1, 1, 2, 3),
    "one by one": Layer((2, 40, 9, 7), (48, 40, 1, 1), 1, 0, 1, 1, None, None),
    "one by one with stride": Layer((2, 16, 9, 7), (20, 16, 1, 1), 2, 0, 1, 1, None, None),
    "unpadded": Layer((1, 12, 11, 13), (32, 12, 3, 3), 1, 0, 1, 1, None, None),
    "unpadded columns only": Layer((1, 12, 11, 13), (32, 12, 3, 3), 1, (1, 0), 1, 1, None, None),
    "several passes": Layer((1, 96, 8, 9), (32, 96, 5, 5), 1, 2, 1, 1, None, None),
    "dilated": Layer((1, 8, 15, 15), (16, 8, 3, 3), 1, 2, 2, 1, None, None),
    "groups": Layer((2, 24, 9, 9), (48, 8, 3, 3), 1, 1, 1, 3, 2, 2),
    "groups one by one": Layer((2, 24, 9, 9), (48, 8, 1, 1), 1, 0, 1, 3, None, None),
    "depthwise": Layer((2, 20, 9, 11), (20, 1, 3, 3), 1, 1, 1, 20, None, None),
    "depthwise unpadded": Layer((2, 32, 9, 11), (32, 1, 3, 3), 2, 0, 1, 32, 2, 2),
    "depthwise, dilated with stride": Layer((1, 35, 12, 25), (35, 1, 3, 3), 2, 2, 2, 35, None, None),
    "depthwise, kernel beyond the input": Layer((3, 48, 2, 3), (48, 1, 7, 7), 1, 3, 1, 48, None, None),
    "depthwise, overlapping pools": Layer((1, 64, 13, 19), (64, 1, 3, 3), 1, 1, 1, 64, 3, 2),
    "two channels beside": Layer((1, 12, 9, 11), (12, 2, 3, 3), 1, 1, 1, 6, 2, 2),
    "four channels beside": Layer((2, 24, 9, 11), (24, 4, 3, 5), 2, 1, 1, 6, None, None),
    "four channels beside, unpadded": Layer((1, 32, 9, 11), (32, 4, 3, 3), 1, 0, 2, 8, None, None),
    "long rows of four channels beside": Layer((1, 16, 5, 30), (16, 4, 1, 11), 1, 0, 1, 4, None, None),
}


def computed(
    name: str, dtype: torch.dtype, layout: torch.memory_format, activation: str = "none"
) -> tuple[Tensor, Tensor]:
    """A layer by the engine, and by PyTorch in float64."""
    layer = LAYERS[name]
    torch.manual_seed(0)
    input = torch.randn(layer.input, dtype=dtype).contiguous(memory_format=layout)
    weight, bias = torch.randn(layer.weight, dtype=dtype), torch.randn(layer.weight[0], dtype=dtype)
    ours = functional.conv_block(
        input,
        weight,
        bias,
        layer.stride,
        layer.padding,
        layer.dilation,
        layer.groups,
        pool=layer.pool,
        pool_stride=layer.pool_stride,
        activation=activation,
        algorithm="depthwise" if layer.groups > 3 else "direct",
    )
    assert isinstance(ours, Tensor)
    expected = F.conv2d(
        input.double(),
        weight.double(),
        bias.double(),
        layer.stride,
        layer.padding,
        layer.dilation,
        layer.groups,
    )
    expected = expected.relu() if activation == "relu" else expected
    return ours, expected if layer.pool is None else F.max_pool2d(expected, layer.pool, layer.pool_stride)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_layers_agree_with_pytorch(name: str, layout: torch.memory_format) -> None:
    ours, expected = computed(name, torch.float32, layout, "relu")
    torch.testing.assert_close(ours.double(), expected, rtol=1e-4, atol=1e-4)
    ours, expected = computed(name, torch.float64, layout)
    torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-11)


PICKED = [
    "first layer",
    "one window",
    "pools that overlap",
    "several passes",
    "four channels beside",
    "depthwise",
    "depthwise, dilated with stride",
    "depthwise, kernel beyond the input",
]


@pytest.mark.parametrize("isa", supported())
@pytest.mark.parametrize("name", PICKED)
def test_every_instruction_set_that_runs_here_agrees(name: str, isa: str) -> None:
    with forced(isa):
        ours, expected = computed(name, torch.float32, torch.channels_last)
    torch.testing.assert_close(ours.double(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("kernel", "algorithm"), [(1, "direct"), (3, "winograd")])
@pytest.mark.parametrize("filters", [64, 66])
def test_outputs_that_go_around_the_caches(filters: int, kernel: int, algorithm: str) -> None:
    input, weight = torch.randn(1, 8, 224, 224), torch.randn(filters, 8, kernel, kernel)
    assert filters * 224**2 * 4 > STREAMED_BYTES
    input = input.contiguous(memory_format=torch.channels_last)
    output = functional.conv2d(input, weight, padding=kernel // 2, algorithm=algorithm)
    expected = F.conv2d(input, weight, padding=kernel // 2)
    torch.testing.assert_close(output, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("place", range(9))
def test_a_nan_wins_its_pool_wherever_it_is(place: int) -> None:
    size = 2 if place < 4 else 3
    input = torch.randn(1, 1, 12, 12, generator=torch.Generator().manual_seed(1))
    at = place if size == 2 else place % 9
    input[0, 0, size + at // size, size + at % size] = float("nan")
    ours = functional.conv_block(input, torch.ones(8, 1, 1, 1), pool=size, algorithm="direct")
    expected = F.max_pool2d(input.relu(), size).expand(-1, 8, -1, -1)
    assert isinstance(ours, Tensor)
    torch.testing.assert_close(ours, expected, equal_nan=True)
    assert ours.isnan().sum() == 8


def test_the_gradient_of_four_channels_beside_each_other() -> None:
    torch.manual_seed(0)
    input, weight = torch.randn(2, 16, 7, 7).double(), torch.randn(16, 4, 3, 3).double()
    results = []
    for convolve in (functional.conv2d, F.conv2d):
        leaves = input.clone().requires_grad_(), weight.clone().requires_grad_()
        output = convolve(leaves[0], leaves[1], padding=1, groups=4)
        results.append(torch.autograd.grad(output.pow(2).sum(), leaves))
    for ours, expected in zip(*results, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-11, atol=1e-10)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_one_channel_keeps_its_memory_format(layout: torch.memory_format) -> None:
    input = torch.randn(2, 1, 9, 9).to(memory_format=layout)
    output = functional.conv2d(input, torch.randn(8, 1, 3, 3), algorithm="direct")
    assert output.is_contiguous(memory_format=layout)
