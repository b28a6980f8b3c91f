"""Tensors (N, C, H, W) whose planes follow each other, written again with their channels side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

import convitro.engine.cpu.jit as jit
from convitro.engine.cpu.call import Call
from convitro.engine.cpu.convolver import NAMES
from convitro.engine.cpu.isa import Isa
from convitro.engine.cpu.layer import channels_last, side_by_side
from convitro.engine.cpu.memory import maker
from convitro.engine.cpu.program import Task, program
from convitro.engine.cpu.source import ELEMENTS
from convitro.engine.cpu.transpose import transposed
from convitro.engine.cpu.vector import Value

POINTERS = ("planes", "pixels")


class Beside:
    """Tensors of one shape with their channels side by side.

    Args:
        shape: (N, C, H, W).
        isa, team: the vectors to use, and how many threads.
    """

    def __init__(self, shape: Sequence[int], isa: Isa, team: int) -> None:
        self._shape, self._strides, self._machine = shape, channels_last(shape), (isa, team)
        self._turns: dict[torch.dtype, tuple[Callable[[], Tensor], Call]] = {}

    def turned(self, tensor: Tensor) -> Tensor:
        """The tensor itself if it is so, else a copy."""
        if tensor.stride() == self._strides:
            return tensor
        if not tensor.is_contiguous():
            return side_by_side(tensor)
        found = self._turns.get(tensor.dtype)
        if found is None:
            found = self._turns[tensor.dtype] = self._turn(tensor.dtype)
        empty, call = found
        result = empty()
        call.run(tensor.data_ptr(), result.data_ptr())
        return result

    def _turn(self, dtype: torch.dtype) -> tuple[Callable[[], Tensor], Call]:
        (isa, team), element = self._machine, NAMES[dtype]
        compiled = jit.compiled(f"{__name__} {element}", lambda: turning(isa, element), isa)
        sizes = {"images": self._shape[0], "channels": self._shape[1], "area": prod(self._shape[2:])}
        return maker(self._shape, self._strides, dtype), Call(compiled, len(POINTERS), sizes, team)


def turning(isa: Isa, element: str) -> jit.Program:
    """Write the kernel."""
    dtype = ELEMENTS["float64" if element == "float64" else "float32"]
    return program(isa, dtype, POINTERS, lambda task: _write(task, ELEMENTS[element]))


def _write(task: Task, element: Any) -> None:
    """Squares of pixels and channels are turned in registers; the last ones meet some numbers again."""
    channels, area, lanes = task.size("channels"), task.size("area"), task.width
    squares = (area + (lanes - 1)) // lanes
    begin, end = task.share(task.size("images") * squares)
    with task.loop(begin, end) as number:
        image, first = number // squares, number % squares * lanes
        planes = task.pointer("planes", element)[image * channels * area]
        pixels = task.pointer("pixels", element)[image * channels * area]
        fits = (channels >= lanes) & (area >= lanes)
        with task.when(fits), task.loop(0, channels, lanes) as i:
            pixel, channel = first.minimum(area - lanes), i.minimum(channels - lanes)
            rows = [planes[(channel + k) * area + pixel].load(lanes) for k in range(lanes)]
            for k, vector in enumerate(transposed(rows)):
                pixels[(pixel + k) * channels + channel].store(vector)
        with task.when(~fits):
            _one_by_one(task, (planes, pixels), (first, (first + lanes).minimum(area)))


def _one_by_one(task: Task, memory: tuple[Any, Any], part: tuple[Value, Value]) -> None:
    """All channels of some pixels."""
    (planes, pixels), channels = memory, task.size("channels")
    with task.loop(0, channels) as channel, task.loop(*part) as pixel:
        pixels[pixel * channels + channel].store(planes[channel * task.size("area") + pixel].load())
