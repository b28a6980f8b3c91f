"""A convolution kernel with its packed weights: what a forward pass and an input gradient both are."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import ceil, prod
from typing import Any

import torch
from torch import Tensor

import convitro.engine.cpu.jit as jit
import convitro.engine.cpu.weights as weights
import convitro.engine.cpu.winograd_layout as winograd_layout
from convitro.engine.cpu.blocking import Sliding
from convitro.engine.cpu.call import Call, scratch
from convitro.engine.cpu.convolve import Convolution, convolution
from convitro.engine.cpu.depthwise import Lanes
from convitro.engine.cpu.finish import Epilogue
from convitro.engine.cpu.isa import Isa
from convitro.engine.cpu.layout import (
    PACKED,
    Access,
    Layout,
    depthwise_layout,
    direct_layout,
    direct_tile,
    is_short,
    pools_shortly,
    run_length,
    short_layout,
    short_patch,
)
from convitro.engine.cpu.memory import in_large_pages, maker
from convitro.engine.cpu.multiply import Tile, best_tile
from convitro.engine.cpu.source import TensorSource
from convitro.engine.cpu.weights import WeightView
from convitro.engine.cpu.winograd_transforms import transform_of

DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16}
PIECE_BITS = 2048
"""Four lines of the cache: what is written around it comes in pieces of this size at least."""
NAMES = {dtype: name for name, dtype in DTYPES.items()}


@dataclass(frozen=True)
class Request:
    """What is to be convolved, and how.

    Attributes:
        sliding: the sizes.
        source: what packs the input.
        weight: where the weight's numbers lie.
        weight_element: dtype of the weight.
        dtype: what is computed with.
        algorithm: "direct", "depthwise" or "winograd".
        epilogue: what is done to the sums.
        bias: dtype of the bias, None without one.
    """

    sliding: Sliding
    source: Any
    weight: WeightView
    weight_element: str
    dtype: str
    algorithm: str
    epilogue: Epilogue
    bias: str | None = None


class Convolver:
    """Both kernels of a convolution, that which packs the weights and that which convolves, with their sizes.

    Args:
        request: what to do.
        strides: sizes of the input's and output's strides, by name.
        isa: the vectors to use.
        team: how many threads share the work.
    """

    def __init__(self, request: Request, strides: Mapping[str, int], isa: Isa, team: int) -> None:
        self.request, self._arguments = request, (strides, isa, team)
        if request.algorithm == "depthwise" and not _fits_lanes(request, isa):
            self.request = request = replace(request, algorithm="direct")
        view, given = request.weight, {}
        if request.algorithm == "depthwise":  # what was a group is a lane, or a few
            channels = request.sliding.channels
            view, given = replace(view, filter=view.group // channels), {"channels": channels}
        access = functools.partial(_access, request, strides)
        sliding, self.tile, self.layout = arranged(
            request.sliding, request.algorithm, request.dtype, isa, team, access
        )
        self._outputs = self.layout.sizes.get("tile_outputs", 0)  # 0 for the direct algorithm
        sizes = {**self.layout.sizes, **strides, **view.sizes()}
        lanes = isa.lanes(8 * DTYPES[request.dtype].itemsize)
        kernel = Convolution(
            request.dtype,
            request.source,
            request.algorithm,
            self.tile,
            0 if sliding.beside or self.layout.patch else _length(request.algorithm, sliding),
            _epilogue(request.epilogue, sliding, self.tile, isa),
            request.bias,
            *self.layout.access.uses,
            _lanes(sliding, self.tile, self.layout, lanes) if sliding.beside else None,
            self.layout.patch,
            taps=sliding.kernel[0] if request.algorithm == "winograd" else 0,
            outputs=self._outputs,
        )
        convolve = jit.compiled(repr(kernel), lambda: convolution(kernel, isa), isa)
        call = Call(convolve, len(kernel.pointers), sizes, team, self.layout.tables)
        self._pack_weights = Call(self._packing(isa), len(weights.POINTERS), sizes | given, team)
        self._call, self._run = call, call.run
        self._flags = request.algorithm == "winograd"
        # counts, too: a group is a lane to some, and strides alone do not tell
        counts = [sizes[name] for name in ("groups", "channels", "filters")]
        self.packing = repr((self._outputs, request.dtype, self.tile.vectors, isa.name, view, counts))
        self._scratch_bytes = self.layout.scratch_bytes * team
        blocks = sizes["groups"] * sizes["filter_blocks"]
        self._room = maker((blocks * sizes["weights_in_block"],), (1,), DTYPES[request.dtype])

    @functools.cached_property
    def direct(self) -> Convolver:
        """The same by the direct algorithm, for numbers that Winograd's would spread, such as infinities."""
        return Convolver(replace(self.request, algorithm="direct"), *self._arguments)

    def _packing(self, isa: Isa) -> jit.Compiled:
        request, filters = (
            self.request,
            self.tile.vectors * isa.lanes(8 * DTYPES[self.request.dtype].itemsize),
        )
        forms = (request.dtype, request.weight_element, filters)
        if request.algorithm == "winograd":
            square = (request.weight.kernel[0], self._outputs)
            key = f"{winograd_layout.packing.__module__} {forms} {square}"
            return jit.compiled(key, lambda: winograd_layout.packing(isa, *forms, transform_of(*square)), isa)
        key = f"{weights.packing.__module__} {forms}"
        return jit.compiled(key, lambda: weights.packing(isa, *forms), isa)

    def pack(self, weight: Tensor) -> Tensor:
        """The weight in the kernel's order."""
        packed = in_large_pages(self._room())
        self._pack_weights.run(weight.data_ptr(), packed.data_ptr())
        return packed

    def convolve(
        self, input: int, weights: Tensor, bias: int, output: int, others: tuple[int, ...] = ()
    ) -> bool:
        """Convolve; False where the results cannot be trusted and `direct` has to be asked.

        Args:
            input: the address of what the source reads.
            weights: what `pack` returned.
            bias, output: addresses, 0 without a bias.
            others: those of `Convolution.pointers`: of switches and numbers before the activation where one
                is saved, of what else the source reads.
        """
        memory = scratch(self._scratch_bytes)
        if not self._flags:
            self._run(input, weights.data_ptr(), bias, output, memory, *others)
            return True
        flag = ctypes.c_int64(0)
        place = ctypes.addressof(flag)
        self._run(input, weights.data_ptr(), bias, output, memory, *others, place)
        return flag.value == 0


def arranged(
    sliding: Sliding,
    algorithm: str,
    dtype: str,
    isa: Isa,
    team: int,
    access: Callable[[Sliding, bool], Access] = lambda *_: PACKED,
) -> tuple[Sliding, Tile, Layout]:
    """How an algorithm sees a convolution, the tile it uses, and the layout of a call.

    Args:
        sliding: the convolution.
        algorithm, dtype: what it is computed by and in.
        isa, team: the vectors to use, and how many threads.
        access: which tensors a direct kernel can use itself.
    """
    size_bytes = DTYPES[dtype].itemsize
    lanes = isa.lanes(8 * size_bytes)
    if algorithm == "winograd":
        tile = best_tile(isa, ceil(sliding.filters / lanes))
        return sliding, tile, winograd_layout.winograd_layout(sliding, tile, isa, size_bytes, team)
    sliding = across_lanes(sliding) if algorithm == "depthwise" else sliding
    if is_short(sliding, isa):
        places = access(sliding, pools_shortly(sliding, lanes))
        patch = short_patch(sliding, lanes, pooled=places.output is not None)
        tile = Tile(patch.rows * patch.columns, patch.vectors)
        return sliding, tile, short_layout(sliding, patch, isa, size_bytes, team, places)
    tile = direct_tile(sliding, isa, lanes)
    pools = sliding.pools_apart and tile.rows % prod(sliding.pool) == 0
    whole = prod(sliding.pool) == 1 if algorithm == "depthwise" else pools
    make = depthwise_layout if algorithm == "depthwise" else direct_layout
    return sliding, tile, make(sliding, tile, isa, size_bytes, team, access(sliding, whole))


def _access(request: Request, strides: Mapping[str, int], sliding: Sliding, whole: bool) -> Access:
    """Which tensors the kernel can use itself.

    The input, if it is of the dtype of the computation and has its channels side by side; but only depthwise
    kernels know borders, and for others runs of products go from pixel to pixel. The output, if it has its
    channels side by side, too, and a tile holds `whole` windows of the pooling.
    """
    source, depthwise = request.source, sliding.beside > 0
    dense = sliding.kernel[1] == 1 or strides.get("input_column") == sliding.channels
    reads = (
        isinstance(source, TensorSource)
        and source.layout == "channels"
        and source.element == request.dtype
        and (depthwise or (dense and not sliding.padded))
    )
    writes = whole and not request.epilogue.planes
    return Access(_steps(strides, "input") if reads else None, _steps(strides, "output") if writes else None)


def _epilogue(epilogue: Epilogue, sliding: Sliding, tile: Tile, isa: Isa) -> Epilogue:
    """Only large pieces go around the caches: small ones with gaps between reach the memory one by one."""
    pieces = sliding.beside > 0 or tile.vectors * isa.bits < PIECE_BITS
    return replace(epilogue, streams=epilogue.streams and not pieces)


def _lanes(sliding: Sliding, tile: Tile, layout: Layout, lanes: int) -> Lanes:
    """How a depthwise layer is computed."""
    reads, (_, columns) = layout.access.uses[0], sliding.kernel
    return Lanes(
        tile,
        columns,
        sliding.stride[1],
        sliding.dilation[1],
        sliding.beside,
        borders=reads,
        whole=not reads or sliding.filters % (tile.vectors * lanes) == 0,
    )


def _steps(strides: Mapping[str, int], tensor: str) -> tuple[int, int, int]:
    return strides[f"{tensor}_image"], strides[f"{tensor}_row"], strides[f"{tensor}_column"]


def across_lanes(sliding: Sliding) -> Sliding:
    """A layer of small groups, each with as many filters as channels, side by side as one group."""
    filters = sliding.groups * sliding.filters
    return replace(sliding, channels=filters, filters=filters, groups=1, beside=sliding.channels)


def _fits_lanes(request: Request, isa: Isa) -> bool:
    """Whether vectors hold whole groups, and the filters of all groups follow each other in the weight."""
    channels, view = request.sliding.channels, request.weight
    lanes = isa.lanes(8 * DTYPES[request.dtype].itemsize)
    return channels == 1 or (lanes % channels == 0 and view.group == channels * view.filter)


def _length(algorithm: str, sliding: Sliding) -> int:
    """How many products a kernel is compiled to do in a row."""
    return sliding.channels if algorithm == "winograd" else run_length(sliding)
