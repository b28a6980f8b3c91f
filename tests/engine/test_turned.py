"""Planes become channels side by side, and a kernel writes planes: the same numbers in another order."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

import convitro.engine.cpu.isa as instruction_sets
from convitro.engine.cpu.turned import Beside
from convitro.functional import conv_block
from tests.engine.guarded import guarded_copy

SHAPES = [
    (2, 3, 5, 7),
    (1, 16, 4, 4),
    (2, 33, 1, 40),
    (1, 17, 5, 3),
    (3, 1, 4, 4),
    (1, 20, 1, 1),
    (0, 8, 4, 4),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize(
    "name", [name for name in instruction_sets.supported() if name != "neon"] or ["neon"]
)
def test_turned_numbers_are_the_same(shape: tuple[int, ...], dtype: torch.dtype, name: str) -> None:
    tensor = torch.randn(shape).to(dtype)
    beside = Beside(shape, instruction_sets.isa(name), 1)
    found = beside.turned(guarded_copy(tensor))
    assert torch.equal(found, tensor)
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_only_planes_without_gaps_are_turned() -> None:
    tensor = torch.randn(2, 18, 9, 20)
    beside = Beside((2, 18, 9, 10), instruction_sets.current(), 2)
    gaps = tensor[..., ::2]
    last = gaps.contiguous(memory_format=torch.channels_last)
    assert torch.equal(beside.turned(gaps), gaps)
    assert beside.turned(last) is last


@pytest.mark.parametrize("pool", [None, 2, (3, 2)])
@pytest.mark.parametrize("activation", ["none", "relu", "gelu"])
@pytest.mark.parametrize("size", [(5, 7), (16, 16), (19, 34)])
@pytest.mark.parametrize("algorithm", ["direct", "winograd"])
def test_planes_of_any_size_are_written(
    pool: int | tuple[int, int] | None, activation: str, size: tuple[int, int], algorithm: str
) -> None:
    generator = torch.Generator().manual_seed(0)
    input, weight, bias = (
        torch.randint(-2, 3, shape, generator=generator).float()
        for shape in ((2, 9, *size), (37, 9, 3, 3), (37,))
    )
    maps = F.conv2d(input, weight, bias, padding=1)
    maps = {"none": lambda x: x, "relu": F.relu, "gelu": F.gelu}[activation](maps)
    wanted = maps if pool is None else F.max_pool2d(maps, pool)
    with torch.no_grad():
        found = conv_block(
            input, weight, bias, padding=1, activation=activation, pool=pool, algorithm=algorithm
        )
    assert isinstance(found, torch.Tensor)
    assert found.is_contiguous()
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-3)
