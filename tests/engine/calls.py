"""A convolution kernel called by hand: layout, packed weights, memory, and what it wrote."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field, replace
from math import ceil

import torch
from torch import Tensor

import convitro.engine.cpu.isa as instruction_sets
import convitro.engine.cpu.jit as jit
import convitro.engine.cpu.weights as weights
import convitro.engine.cpu.winograd_weights as winograd_weights
from convitro.engine.cpu.blocking import Block, Sliding
from convitro.engine.cpu.call import Call, scratch
from convitro.engine.cpu.convolve import Convolution, convolution
from convitro.engine.cpu.finish import Epilogue
from convitro.engine.cpu.isa import Isa
from convitro.engine.cpu.layout import Layout, direct_layout, run_length
from convitro.engine.cpu.multiply import Tile, best_tile
from convitro.engine.cpu.source import TensorSource
from convitro.engine.cpu.weights import WeightView
from convitro.engine.cpu.winograd_layout import layout_for, winograd_layout
from convitro.engine.cpu.winograd_transforms import Transform, transform_of, transforms

NAMES = {torch.float32: "float32", torch.float64: "float64"}


@dataclass(frozen=True)
class Setting:
    """How a convolution is computed.

    Attributes:
        algorithm: "direct" or "winograd".
        padding: zeros before and behind rows, and columns.
        groups: as in PyTorch.
        epilogue: what is done to the sums; the output is of the input's dtype.
        isa: the name of an instruction set, empty for the widest.
        team: threads.
        block: only for Winograd's algorithm; None for the best one.
        outputs: rows and columns of results in a tile of Winograd's algorithm; 0 for the largest.
        turned: whether filters and channels of the weight are exchanged and its taps turned by 180 degrees.
    """

    algorithm: str = "winograd"
    padding: tuple[int, int] = (1, 1)
    groups: int = 1
    epilogue: Epilogue = field(default_factory=Epilogue)
    isa: str = ""
    team: int = 1
    block: Block | None = None
    outputs: int = 0
    turned: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a kernel wrote."""

    output: Tensor
    switches: Tensor
    before: Tensor
    flag: bool


def convolved(input: Tensor, weight: Tensor, bias: Tensor | None, setting: Setting) -> Outcome:
    """Call the kernels that pack the weight and that convolve, stride and dilation 1."""
    isa = instruction_sets.isa(setting.isa) if setting.isa else instruction_sets.host()
    dtype = NAMES[input.dtype]
    sliding, view = (
        _sliding(input, weight, setting),
        WeightView.of(weight.shape, weight.stride(), setting.groups),
    )
    if setting.turned:
        view = view.turned(*(range(size - 1, -1, -1) for size in view.kernel))
    tile = best_tile(isa, ceil(sliding.filters / isa.lanes(8 * input.itemsize)))
    layout = _layout(sliding, tile, isa, input.itemsize, setting)
    shape = (input.shape[0], sliding.filters * setting.groups, *sliding.pooled)
    output, switches, before = (
        torch.empty(shape, dtype=kind, memory_format=torch.channels_last)
        for kind in (input.dtype, torch.uint8, input.dtype)
    )
    sizes = {**layout.sizes, **view.sizes()}
    sizes |= _strides("input", input) | _strides("output", output)
    packed = _packed(weight, tile.vectors * isa.lanes(8 * input.itemsize), sizes, sliding, setting, isa)
    winograd = setting.algorithm == "winograd"
    kernel = Convolution(
        dtype,
        TensorSource(dtype, "channels" if input.stride(1) == 1 else "strided"),
        setting.algorithm,
        tile,
        sliding.channels if winograd else run_length(sliding),
        replace(setting.epilogue, element=dtype),
        None if bias is None else dtype,
        taps=sliding.kernel[0],
        outputs=_transform(sliding, setting).outputs if winograd else 0,
    )
    compiled = jit.compiled(repr(kernel), lambda: convolution(kernel, isa), isa)
    call = Call(compiled, len(kernel.pointers), sizes, setting.team, layout.tables)
    flag = ctypes.c_int64(0)
    memory = scratch(layout.scratch_bytes * setting.team)
    tensors = {"input": input, "weight": packed, "output": output, "switches": switches, "before": before}
    places = {name: tensor.data_ptr() for name, tensor in tensors.items()}
    places |= {"bias": 0 if bias is None else bias.data_ptr(), "scratch": memory}
    places["flag"] = ctypes.addressof(flag)
    call(*(places[name] for name in kernel.pointers))
    return Outcome(output, switches, before, flag.value != 0)


def _sliding(input: Tensor, weight: Tensor, setting: Setting) -> Sliding:
    images, _, height, width = input.shape
    filters, channels, *kernel = weight.shape
    if setting.turned:
        filters, channels = channels * setting.groups, filters // setting.groups
    (top, left), (kernel_rows, kernel_columns) = setting.padding, kernel
    return Sliding(
        images=images,
        height=height,
        width=width,
        channels=channels,
        filters=filters // setting.groups,
        groups=setting.groups,
        kernel=(kernel_rows, kernel_columns),
        stride=(1, 1),
        dilation=(1, 1),
        top=top,
        left=left,
        rows=height + 2 * top - kernel_rows + 1,
        columns=width + 2 * left - kernel_columns + 1,
        pool=setting.epilogue.pool,
        pool_stride=setting.epilogue.pool_stride,
    )


def _layout(sliding: Sliding, tile: Tile, isa: Isa, size_bytes: int, setting: Setting) -> Layout:
    if setting.algorithm != "winograd":
        return direct_layout(sliding, tile, isa, size_bytes, setting.team)
    transform = _transform(sliding, setting)
    if setting.block is not None:
        return layout_for(sliding, tile, isa, size_bytes, (setting.block, setting.team), transform)
    return winograd_layout(sliding, tile, isa, size_bytes, setting.team, [transform])


def _transform(sliding: Sliding, setting: Setting) -> Transform:
    taps = sliding.kernel[0]
    return transform_of(taps, setting.outputs) if setting.outputs else transforms(taps)[0]


def _strides(prefix: str, tensor: Tensor) -> dict[str, int]:
    names = ("image", "channel", "row", "column")
    return {f"{prefix}_{name}": stride for name, stride in zip(names, tensor.stride(), strict=True)}


def _packed(
    weight: Tensor, filters: int, sizes: dict[str, int], sliding: Sliding, setting: Setting, isa: Isa
) -> Tensor:
    count = sizes["groups"] * sizes["filter_blocks"] * sizes["weights_in_block"]
    packed = torch.full((count,), float("nan"), dtype=weight.dtype)
    winograd, form = setting.algorithm == "winograd", (NAMES[weight.dtype],) * 2
    key = f"{setting.algorithm} {form} {filters} {weight.shape[2]} {setting.outputs}"

    def write() -> jit.Program:
        if winograd:
            return winograd_weights.packing(isa, *form, filters, _transform(sliding, setting))
        return weights.packing(isa, *form, filters)

    compiled = jit.compiled(key, write, isa)
    Call(compiled, len(weights.POINTERS), sizes, setting.team)(weight.data_ptr(), packed.data_ptr())
    return packed
