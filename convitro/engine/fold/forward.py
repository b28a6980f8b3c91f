"""The forward pass of an operator on one shape of input: its kernel with all sizes, and one call for it."""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

import convitro.engine.cpu.jit as jit
import convitro.engine.cpu.weights as weights
from convitro.aggregation import Operator
from convitro.engine.cpu.call import Call, scratch
from convitro.engine.cpu.convolver import DTYPES
from convitro.engine.cpu.finish import Epilogue
from convitro.engine.cpu.isa import Isa
from convitro.engine.cpu.layer import Form, accumulation, channels_last, input_sizes, layout_of, sliding_of
from convitro.engine.cpu.memory import maker
from convitro.engine.cpu.packed import packed
from convitro.engine.cpu.source import TensorSource
from convitro.engine.cpu.weights import WeightView
from convitro.engine.fold.forward_kernel import POINTERS, forward_program
from convitro.engine.fold.kernel import Fold
from convitro.engine.fold.layout import best_tile, forward_layout
from convitro.geometry import BlockProblem


@dataclass(frozen=True)
class FoldRequest:
    """A layer with any operator on one shape of input.

    Attributes:
        block: geometry, padded with zeros, activation and pooling; neither where something is saved.
        operator: combine, window and aggregation.
        input, weight: what is known of both.
        bias: dtype of the bias, None without one.
        saves: whether what backward needs is stored.
        switches: whether the winners of the pooling are.
        learned, tangent: as in `Fold`.
    """

    block: BlockProblem
    operator: Operator
    input: Form
    weight: Form
    bias: str | None = None
    saves: bool = False
    switches: bool = False
    learned: bool = False
    tangent: bool = False


class Folded(NamedTuple):
    """A forward pass: the output, what backward needs of it, and the switches of the pooling."""

    output: Tensor
    saved: list[Tensor]
    switches: Tensor | None


class FoldForward:
    """The kernel of a request with all its numbers.

    Args:
        request: what to compute.
        isa: the vectors to use.
        team: how many threads share the work.
    """

    def __init__(self, request: FoldRequest, isa: Isa, team: int) -> None:
        block, input = request.block, request.input
        images, _, height, width = input.shape
        self.request, dtype = request, accumulation(input.element)
        self.shape = (images, block.conv.out_channels, *block.output_size(height, width))
        self.strides, size_bytes = channels_last(self.shape), DTYPES[dtype].itemsize
        self.element = dtype if request.saves else input.element
        self._empty = maker(self.shape, self.strides, DTYPES[self.element])
        sliding = sliding_of(block, images, height, width)
        fold = fold_of(request, isa)
        self.fold, lanes = fold, isa.lanes(8 * size_bytes)
        layout = forward_layout(sliding, fold, isa, size_bytes, team)
        view = WeightView.of(request.weight.shape, request.weight.strides, block.conv.groups)
        strides = input_sizes(input.strides) | input_sizes(self.strides, "output")
        sizes = {**layout.sizes, **strides, **view.sizes()}
        program = compiled(fold, "forward", lambda: forward_program(fold, isa), isa)
        self._fold = Call(program, len(POINTERS), sizes, team, layout.tables)
        self.pack = Packing(request.weight.element, dtype, fold.tile.vectors * lanes, sizes, isa, team)
        self._scratch_bytes, self._extras = layout.scratch_bytes * team, fold.extras()
        self._filters = (sliding.groups, sizes["filters_padded"])

    def __call__(
        self,
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        parameter: Tensor | None = None,
        *,
        trained: bool = False,
    ) -> Folded:
        """Compute it; of a weight that is being trained nothing is remembered."""
        if parameter is not None:
            parameter = by_filter(parameter, self.shape[1], self._filters, DTYPES[self.fold.dtype])
        output, switches = self._empty(), None
        dtype = torch.int16 if self.fold.selects else output.dtype
        saved = [torch.empty_strided(self.shape, self.strides, dtype=dtype) for _ in range(self._extras)]
        extras, winners = where_saved(self.fold, saved)
        if self.request.switches:
            switches = torch.empty_strided(self.shape, self.strides, dtype=torch.uint8)
        if bias is not None and bias.stride() != (1,):
            bias = bias.contiguous()
        numbers = packed(weight, self.pack.word, self.pack, trained=trained)
        addresses = [0 if t is None else t.data_ptr() for t in (input, numbers, bias, output, switches)]
        more = (ctypes.addressof(extras), winners, 0 if parameter is None else parameter.data_ptr())
        self._fold(*addresses, 0, scratch(self._scratch_bytes), *more)
        return Folded(output, saved, switches)


def where_saved(fold: Fold, saved: Sequence[Tensor]) -> tuple[ctypes.Array[ctypes.c_int64], int]:
    """A table of the addresses of the extras, and the address of the winners."""
    addresses = [tensor.data_ptr() for tensor in saved]
    table = (ctypes.c_int64 * len(saved))(*addresses)
    return table, addresses[0] if fold.selects and addresses else 0


def by_filter(parameter: Tensor, filters: int, shape: tuple[int, int], dtype: torch.dtype) -> Tensor:
    """The parameter of every filter, of which there is one or one for each: (groups, filters), then ones."""
    padded = torch.ones(shape, dtype=dtype)
    padded[:, : filters // shape[0]] = parameter.expand(filters).reshape(shape[0], -1)
    return padded


class Packing:
    """Makes the packed weight [group][filter block][channel][row][column][filter]."""

    def __init__(
        self, element: str, dtype: str, filters: int, sizes: dict[str, int], isa: Isa, team: int
    ) -> None:
        self.word = f"by channel {element} {dtype} {filters} {sizes['groups']} {isa.name}"
        names = ("base", "group", "filter", "channel", "row", "column")
        # counts, too: of single channels the strides are the same with filters and channels exchanged
        counts = [sizes["channels"], sizes["filters"]]
        self.word += repr(counts + [sizes[f"weight_{name}"] for name in names])
        program = jit.compiled(
            f"{weights.packing.__module__} by channel {element} {dtype} {filters}",
            lambda: weights.packing(isa, dtype, element, filters, by_channel=True),
            isa,
        )
        self._call = Call(program, len(weights.POINTERS), sizes, team)
        self._count = sizes["groups"] * sizes["filter_blocks"] * sizes["weights_in_block"]
        self._dtype = DTYPES[dtype]

    def __call__(self, weight: Tensor) -> Tensor:
        """Pack a weight."""
        result = torch.empty(self._count, dtype=self._dtype)
        self._call(weight.data_ptr(), result.data_ptr())
        return result


def fold_of(request: FoldRequest, isa: Isa) -> Fold:
    """What has to be compiled for a request."""
    block, input = request.block, request.input
    conv, operator, dtype = block.conv, request.operator, accumulation(input.element)
    skips = not operator.multiplies_and_adds and any(conv.padding)
    images, _, height, width = input.shape
    sliding = sliding_of(block, images, height, width)
    lanes, element = isa.lanes(8 * DTYPES[dtype].itemsize), dtype if request.saves else input.element
    return Fold(
        operator,
        dtype,
        TensorSource(input.element, layout_of(input)),
        best_tile(
            sliding,
            lanes,
            winners=request.saves and operator.aggregation.selects,
            streams=operator.aggregation.streams,
        ),
        conv.channels_per_filter,
        conv.kernel_size,
        conv.dilation[1],
        skips,
        Epilogue(block.activation, block.pool, block.pool_stride, request.switches, False, element),
        request.bias,
        request.saves,
        request.learned,
        request.tangent,
    )


def compiled(fold: Fold, what: str, write: Callable[[], jit.Program], isa: Isa) -> jit.Compiled:
    """The kernel of that name. One of a user's own aggregation is told apart by all that it does."""
    if fold.own:
        return jit.compiled(f"fold {what} {fold.word()}", write, isa)
    program = write()
    digest = hashlib.sha256(str(program.module).encode()).hexdigest()
    return jit.compiled(f"fold {what} {digest}", lambda: program, isa)
