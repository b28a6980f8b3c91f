"""What would compute a layer, how, and why nothing else: the same decisions as a call makes, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

import convitro.engine.cpu.choice as cpu
import convitro.engine.cpu.isa as instruction_sets
import convitro.engine.cpu.threads as threads
from convitro.aggregation import Operator, operator
from convitro.engine.aten import aten_reasons
from convitro.engine.choice import block_reasons, dtype_reason
from convitro.engine.cpu.convolver import DTYPES, NAMES, arranged
from convitro.engine.cpu.layer import Form, accumulation, channels_last, sliding_of
from convitro.engine.fold.execute import operator_reasons
from convitro.engine.fold.forward import FoldRequest, fold_of
from convitro.engine.fold.layout import forward_layout
from convitro.errors import ArgumentError, ShapeError
from convitro.geometry import BlockProblem, ConvProblem, conv_problem


@dataclass(frozen=True)
class Plan:
    """How a layer is computed on one size of input.

    Attributes:
        algorithm: "direct", "winograd", "depthwise", "fold" (any operator, item by item), "aten" (PyTorch's
            own operators) or "reference".
        isa: the instruction set of the kernels; empty where PyTorch computes.
        tile: accumulators held in registers, rows x numbers.
        block: images, rows and columns of the output that are computed together.
        threads: how many threads share the work.
        macs: multiply-accumulates of one forward pass by the definition.
        expected_share: the time that the definition's arithmetic takes at the processor's peak, over the time
            that the model of costs expects; above 1 where an algorithm needs less arithmetic. 0 if unknown.
        reasons: why each other algorithm is not taken.
        notes: what else to know.

    Source: own.
    """

    algorithm: str
    isa: str
    tile: tuple[int, int]
    block: tuple[int, int, int]
    threads: int
    macs: int
    expected_share: float
    reasons: dict[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        console = Console(width=80, no_color=True, highlight=False)
        with console.capture() as captured:
            console.print(self._table())
        return "\n".join(line.strip() for line in captured.get().rstrip().splitlines())

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{name}</th><td>{text}</td></tr>" for name, text in self._rows())
        return f"<table>{rows}</table>"

    def to_dict(self) -> dict[str, Any]:
        """As JSON knows it."""
        return asdict(self)

    def _table(self) -> Table:
        table = Table(show_header=False, box=None, padding=(0, 1))
        table.add_column(no_wrap=True)
        table.add_column()
        for row in self._rows():
            table.add_row(*row)
        return table

    def _rows(self) -> list[tuple[str, str]]:
        rows = [("algorithm", self.algorithm)]
        if self.isa:
            rows += [
                ("kernels", f"{self.isa}, tile {self.tile[0]} x {self.tile[1]}"),
                ("block", "{} image(s) x {} rows x {} columns".format(*self.block)),
                ("threads", str(self.threads)),
            ]
        rows.append(("work", f"{self.macs:,} MACs"))
        if self.expected_share:
            rows.append(("expected", f"{self.expected_share:.0%} of the roofline of direct arithmetic"))
        rows += [("note", note) for note in self.notes]
        rows += [(f"not {name}", "; ".join(reasons)) for name, reasons in self.reasons.items()]
        return rows


def plan(layer: Any, input_size: Sequence[int], dtype: torch.dtype = torch.float32) -> Plan:
    """Which algorithm computes a layer on inputs of that size on the CPU, and why no other.

    Args:
        layer: a convitro.ConvBlock, a convitro.Conv2d, a torch.nn.Conv2d, or a `geometry.ConvProblem`.
        input_size: (N, C, H, W), or (C, H, W) for one image.
        dtype: of input and weight.

    Raises:
        ArgumentError: not a layer, or not three or four positive sizes.
        ShapeError: the layer does not take inputs of that size.

    Source: own.

    Example:
        >>> plan(torch.nn.Conv2d(64, 64, 3, padding=1), (1, 64, 56, 56)).algorithm
        'winograd'
        >>> plan(torch.nn.Conv2d(64, 64, 3, padding=1), (1, 64, 56, 56), torch.float16).reasons["direct"]
        ('the kernels compute bfloat16, float32, float64, not float16',)
    """
    block, chosen = _block_of(layer)
    size = _checked_size(block.conv, input_size)
    macs = block.conv.macs(size[0], *size[2:])
    refused = tuple(aten_reasons(chosen))
    reasons = _engine_reasons(block, size, dtype)
    slower = ("slower than all others: it is the definition",)
    if refused:
        others = dict.fromkeys((*cpu.ALGORITHMS, "aten"), refused)
        unfit = (*reasons, *operator_reasons(block, chosen))
        if not unfit:
            return _folded(block, chosen, size, NAMES[dtype], {**others, "reference": slower})
        return Plan("reference", "", (0, 0), (0, 0, 0), 1, macs, 0.0, {**others, "fold": unfit})
    if reasons:
        found = {name: tuple(reasons) for name in (*cpu.ALGORITHMS, "fold")}
        return Plan("aten", "", (0, 0), (0, 0, 0), 1, macs, 0.0, {**found, "reference": slower})
    single = ("a sum needs no state for each channel: slower",)
    others = {"fold": single, "aten": ("slower where kernels can be made",), "reference": slower}
    return _planned(block, size, NAMES[dtype], others)


def _folded(
    block: BlockProblem,
    chosen: Operator,
    size: tuple[int, ...],
    element: str,
    others: dict[str, tuple[str, ...]],
) -> Plan:
    """The plan of an operator that is folded item by item."""
    isa, team = instruction_sets.current(), threads.available()
    conv, dtype = block.conv, accumulation(element)
    shape = (size[0], conv.out_channels, *conv.output_size(*size[2:]))
    forms = (Form(size, channels_last(size), element), Form(conv.weight_shape, channels_last(shape), element))
    fold = fold_of(FoldRequest(block, chosen, *forms), isa)
    size_bytes = DTYPES[dtype].itemsize
    layout = forward_layout(sliding_of(block, size[0], *size[2:]), fold, isa, size_bytes, team)
    return Plan(
        algorithm="fold",
        isa=isa.name,
        tile=(fold.tile.rows, fold.tile.vectors * isa.lanes(8 * size_bytes)),
        block=(layout.block.images, layout.block.rows, layout.block.columns),
        threads=team,
        macs=conv.macs(size[0], *size[2:]),
        expected_share=0.0,
        reasons=others,
        notes=_notes(block),
    )


def _notes(block: BlockProblem) -> tuple[str, ...]:
    """What else to know."""
    notes = [threads.reason()] if threads.reason() else []
    if block.conv.padding_mode != "zeros":
        notes.append(f'padding_mode="{block.conv.padding_mode}": PyTorch pads the input first')
    return tuple(notes)


def _planned(
    block: BlockProblem, size: tuple[int, ...], element: str, others: dict[str, tuple[str, ...]]
) -> Plan:
    """The plan of what the kernels compute."""
    isa, team = instruction_sets.current(), threads.available()
    sliding = sliding_of(block, size[0], *size[2:])
    algorithm = cpu.chosen(sliding, element)
    against = {name: tuple(why) for name, why in cpu.reasons(sliding, element).items() if name != algorithm}
    against = {name: why or (f"slower here than {algorithm}",) for name, why in against.items()}
    _, tile, layout = arranged(sliding, algorithm, accumulation(element), isa, team)
    lanes = isa.lanes(8 * DTYPES[accumulation(element)].itemsize)
    macs, cycles = block.conv.macs(size[0], *size[2:]), layout.sizes.get("expected_cycles", 0)
    return Plan(
        algorithm=algorithm,
        isa=isa.name,
        tile=(tile.rows, tile.vectors * lanes),
        block=(layout.block.images, layout.block.rows, layout.block.columns),
        threads=team,
        macs=macs,
        expected_share=macs / (2 * lanes) / team / cycles if cycles else 0.0,
        reasons={**against, **others},
        notes=_notes(block),
    )


def _engine_reasons(block: BlockProblem, size: tuple[int, ...], dtype: torch.dtype) -> list[str]:
    reasons = [] if dtype in NAMES else [dtype_reason({dtype})]
    return reasons + block_reasons(block, "auto", size)


def _block_of(layer: Any) -> tuple[BlockProblem, Operator]:
    """What a layer computes."""
    if isinstance(layer, ConvProblem):
        return BlockProblem(layer), operator()
    if hasattr(layer, "described"):
        found: tuple[BlockProblem, Operator] = layer.described()
        return found
    if isinstance(layer, torch.nn.Conv2d):
        geometry = (layer.stride, layer.padding, layer.dilation, layer.groups)
        mode = layer.padding_mode
        return BlockProblem(conv_problem(layer.weight.shape, *geometry, padding_mode=mode)), operator()
    raise ArgumentError(
        "plan: not a layer.",
        expected="a ConvBlock, a Conv2d, a torch.nn.Conv2d or a ConvProblem",
        received=type(layer).__name__,
    )


def _checked_size(conv: ConvProblem, input_size: Sequence[int]) -> tuple[int, ...]:
    """(N, C, H, W)."""
    size = tuple(input_size)
    size = (1, *size) if len(size) == 3 else size
    if len(size) != 4 or not all(isinstance(count, int) and count > 0 for count in size):
        raise ArgumentError(
            "plan: `input_size` is not the size of pictures.",
            expected="(N, C, H, W) or (C, H, W), all positive",
            received=repr(input_size),
        )
    if size[1] != conv.in_channels or min(conv.output_size(*size[2:])) < 1:
        raise ShapeError(
            "plan: the layer does not take inputs of this size.",
            expected=f"{conv.in_channels} channels, and at least {conv.extent} pixels with the padding",
            received=f"{size}",
        )
    return size
