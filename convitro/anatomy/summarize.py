"""A model's layers in one table: output shapes, parameters and MACs, in the words of torchinfo."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from convitro.anatomy.count import Accountant, Row, rows_without_run
from convitro.anatomy.observe import check_input, check_model
from convitro.anatomy.tables import Table, by
from convitro.errors import ArgumentError, ShapeError
from convitro.geometry import check_choice

COLUMNS = {
    "input_size": "input",
    "output_size": "output",
    "kernel_size": "kernel",
    "num_params": "parameters",
    "mult_adds": "MACs",
    "trainable": "trainable",
}
NUMERIC = ("num_params", "mult_adds")
MODES = ("same", "eval", "train")


@dataclass(frozen=True, repr=False)
class Summary:
    """The layers of a model and what they cost.

    Args:
        model: name of the model's class.
        rows: one per layer, in execution order; without an input in the order of definition.
        parameters: all of the model's, each counted once.
        trainable_parameters: those that require a gradient.
        unused_parameters: those of modules that did not run.
        parameter_bytes: the memory that they take.
        macs: multiply-accumulates of one run in convolutions and linear layers; None if nothing ran.
        columns: which columns the table shows.
    """

    model: str
    rows: tuple[Row, ...]
    parameters: int
    trainable_parameters: int
    unused_parameters: int
    parameter_bytes: int
    macs: int | None
    columns: tuple[str, ...]

    @property
    def flops(self) -> int | None:
        """Floating point operations: 2 for each MAC."""
        return None if self.macs is None else 2 * self.macs

    def to_dict(self) -> dict[str, Any]:
        """Rows and totals as JSON types."""
        totals = {
            "parameters": self.parameters,
            "trainable_parameters": self.trainable_parameters,
            "unused_parameters": self.unused_parameters,
            "parameter_bytes": self.parameter_bytes,
            "macs": self.macs,
            "flops": self.flops,
        }
        return {"model": self.model, "layers": [asdict(row) for row in self.rows], "totals": totals}

    def table(self) -> Table:
        """The rows, and the totals below."""
        columns = ("layer", "kind", *(COLUMNS[name] for name in self.columns))
        rows = [(row.name, row.kind, *(cell(row, name) for name in self.columns)) for row in self.rows]
        numeric = tuple(index for index, name in enumerate(self.columns, start=2) if name in NUMERIC)
        whole = tuple(range(2, len(columns)))
        return Table(self.model, columns, tuple(rows), tuple(self._notes()), numeric, whole)

    def _notes(self) -> list[str]:
        notes = [
            f"parameters: {self.parameters:,} ({self.trainable_parameters:,} trainable), "
            f"{self.parameter_bytes / 2**20:.1f} MiB"
        ]
        if any(row.shared for row in self.rows):
            notes.append("(in brackets: used before, counted once)")
        if self.unused_parameters:
            notes.append(f"unused in this run: {self.unused_parameters:,} parameters")
        if self.macs is None:
            notes.append("give input_size or input_data to see output shapes and MACs")
        else:
            notes.append(f"MACs: {self.macs:,} in convolutions and linear layers")
            notes.append(f"FLOPs: {self.flops:,} (2 for each MAC)")
        return notes

    def __str__(self) -> str:
        return str(self.table())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.table().html()


def summary(
    model: nn.Module,
    input_size: Sequence[Any] | None = None,
    input_data: Any = None,
    depth: int = 3,
    col_names: Sequence[str] = ("output_size", "num_params", "mult_adds"),
    verbose: int | None = None,
    mode: str = "same",
    device: Any = None,
    dtypes: Sequence[torch.dtype] | None = None,
) -> Summary:
    """List a model's layers with output shapes, parameters and MACs, by running it once.

    A layer that runs twice has two rows, a convolution called as a function has its own, and parameters that
    are shared count once. The model is afterwards exactly what it was, as for `dissect`.

    Args:
        model: any torch.nn.Module.
        input_size: (C, H, W) or (N, C, H, W), or a list of such for several inputs. The input is zeros.
        input_data: the input itself, as for `dissect`, instead of a size.
        depth: modules nested deeper are summed up in the one around them.
        col_names: columns besides name and kind: input_size, output_size, kernel_size, num_params, mult_adds
            and trainable.
        verbose: 1 prints the table, 0 does not; None prints in scripts and is silent in notebooks and at
            prompts, which show the result themselves.
        mode: run in "train" or "eval" mode, or in the "same" mode in which the model is.
        device: where the zeros are made; that of the model's first parameter if None.
        dtypes: of the zeros, one per input; that of the model's first floating point parameter if None.

    Returns:
        A `Summary`: its `str()` is the table.

    Raises:
        ArgumentError: an argument is outside what it may be.
        ShapeError: the model cannot run on zeros of that size; the model's own error is the cause.

    Units: MACs are multiply-accumulates; FLOPs = 2 MACs. Only convolutions and linear layers count.

    Source: own; the argument names are torchinfo's.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10))
        >>> print(summary(model, (3, 8, 8), verbose=0))
        Sequential
         layer   kind      output    parameters    MACs
        ────────────────────────────────────────────────
         0       Conv2d    1x8x6x6          224   7,776
         1       ReLU      1x8x6x6
         2       Flatten   1x288
         3       Linear    1x10           2,890   2,880
        parameters: 3,114 (3,114 trainable), 0.0 MiB
        MACs: 10,656 in convolutions and linear layers
        FLOPs: 21,312 (2 for each MAC)
    """
    model = check_model(model, "summary")
    check_choice(mode, MODES, "summary: unknown mode.")
    for name in col_names:
        check_choice(name, tuple(COLUMNS), "summary: unknown column in col_names.")
    if input_size is not None and input_data is not None:
        raise ArgumentError("summary: two inputs.", expected="input_size or input_data", received="both")
    if depth < 1:
        raise ArgumentError("summary: `depth` is too small.", expected="at least 1", received=str(depth))
    if input_size is not None:
        rows = run_on_zeros(Accountant(model, depth), zeros(model, input_size, device, dtypes), mode)
    elif input_data is not None:
        input_data = check_input(input_data, "summary", model)
        rows = run(Accountant(model, depth), input_data, mode)
    else:
        rows = rows_without_run(model)
    ran = input_size is not None or input_data is not None
    result = totalled(model, rows, ran=ran, columns=tuple(col_names))
    if verbose or (verbose is None and not hasattr(sys, "ps1") and "ipykernel" not in sys.modules):
        print(result)
    return result


def run_on_zeros(accountant: Accountant, input: tuple[Tensor, ...], mode: str) -> list[Row]:
    """The rows of a run on zeros; an error of the model is told as one of the input's size."""
    try:
        return run(accountant, input, mode)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        raise ShapeError(
            "summary: the model cannot run on an input of this size.",
            received=", ".join(str(tuple(tensor.shape)) for tensor in input),
            hint=f"the model says: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
        ) from error


def run(accountant: Accountant, input: Any, mode: str) -> list[Row]:
    """The rows of a run on `input`."""
    accountant.run(input, mode)
    return accountant.rows


def zeros(
    model: nn.Module, input_size: Sequence[Any], device: Any, dtypes: Sequence[torch.dtype] | None
) -> tuple[Tensor, ...]:
    """Zeros of the sizes that a user gave, with a batch of one image where they have none."""
    several = bool(input_size) and isinstance(input_size[0], Sequence)
    sizes = [tuple(size) for size in input_size] if several else [tuple(input_size)]
    for size in sizes:
        if not size or not all(isinstance(length, int) and length > 0 for length in size):
            raise ArgumentError(
                "summary: `input_size` is no size.",
                expected="positive integers such as (3, 32, 32) or (1, 3, 32, 32), or a list of such",
                received=repr(input_size),
            )
    first = next((tensor for tensor in model.parameters() if tensor.is_floating_point()), torch.empty(0))
    kinds = dtypes or [first.dtype] * len(sizes)
    if len(kinds) != len(sizes):
        raise ArgumentError(
            "summary: `dtypes` does not fit `input_size`.",
            expected=f"{len(sizes)} of them",
            received=str(len(kinds)),
        )
    sizes = [(1, *size) if lacks_batch(model, size) else size for size in sizes]
    return tuple(
        torch.zeros(size, dtype=kind, device=device or first.device)
        for size, kind in zip(sizes, kinds, strict=True)
    )


def lacks_batch(model: nn.Module, size: tuple[int, ...]) -> bool:
    """Whether a size is one number short of what the convolutions take; 1 or 3 long where there are none."""
    conv = next((module for module in model.modules() if isinstance(module, _ConvNd)), None)
    return len(size) in (1, 3) if conv is None else len(size) == len(conv.kernel_size) + 1


def totalled(model: nn.Module, rows: list[Row], *, ran: bool, columns: tuple[str, ...]) -> Summary:
    """The rows with their totals."""
    parameters = list(model.parameters())
    total = sum(tensor.numel() for tensor in parameters)
    return Summary(
        model=type(model).__name__,
        rows=tuple(rows),
        parameters=total,
        trainable_parameters=sum(tensor.numel() for tensor in parameters if tensor.requires_grad),
        unused_parameters=total - sum(row.parameters for row in rows),
        parameter_bytes=sum(tensor.numel() * tensor.element_size() for tensor in parameters),
        macs=sum(row.macs for row in rows) if ran else None,
        columns=columns,
    )


def cell(row: Row, column: str) -> str:
    """One value of the table; what is zero or missing stays empty."""
    if column == "num_params":
        if row.shared:
            return f"({row.shared:,})" if not row.parameters else f"{row.parameters:,} ({row.shared:,})"
        return f"{row.parameters:,}" if row.parameters else ""
    if column == "mult_adds":
        return f"{row.macs:,}" if row.macs else ""
    if column == "trainable":
        return "yes" if row.trainable else "no" if row.parameters or row.shared else ""
    shapes = {"input_size": row.input_shape, "output_size": row.output_shape, "kernel_size": row.kernel_size}
    shape = shapes[column]
    return "" if shape is None else by(shape, always=True)
