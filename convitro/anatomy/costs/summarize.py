"""`summary`: a model run once, its layers with shapes, parameters, MACs, memory, receptive field and time."""

from __future__ import annotations

import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from convitro.anatomy.costs.columns import COLUMNS, ROW_SETTINGS
from convitro.anatomy.costs.count import Accountant, rows_without_run
from convitro.anatomy.costs.rows import Row
from convitro.anatomy.costs.summary_table import Summary
from convitro.anatomy.costs.zeros import size_error, zeros
from convitro.anatomy.observe import check_input, check_model, hidden_parts, model_name
from convitro.anatomy.receptive.network import warnings_of
from convitro.errors import ArgumentError
from convitro.geometry import check_choice

MODES = ("same", "eval", "train")
RUNS = 5  # whose median is a layer's time, after one that warms up


def summary(
    model: nn.Module,
    input_size: Sequence[Any] | None = None,
    input_data: Any = None,
    batch_dim: int | None = None,
    cache_forward_pass: bool | None = None,
    col_names: Sequence[str] = ("output_size", "num_params", "mult_adds"),
    col_width: int | None = None,
    depth: int = 3,
    device: Any = None,
    dtypes: Sequence[torch.dtype] | None = None,
    mode: str = "same",
    row_settings: Sequence[str] = (),
    verbose: int | None = None,
) -> Summary:
    """List a model's layers with shapes, parameters, MACs and more, by running it once.

    A layer that runs twice has two rows, a convolution called as a function has its own, and parameters that
    are shared count once. The model is afterwards exactly what it was, as for `dissect`.

    Args:
        model: any torch.nn.Module.
        input_size: (C, H, W) or (N, C, H, W), or a list of such for several inputs. The input is zeros.
        input_data: the input itself, as for `dissect`, instead of a size.
        batch_dim: where a batch of one is put into `input_size`; None puts it first where it is missing.
        cache_forward_pass: taken as torchinfo takes it, and without effect: every summary is of a run of its
            own, so it can never be that of another model.
        col_names: columns besides name and kind: input_size, output_size, kernel_size, groups, num_params,
            params_percent, mult_adds (MACs), flops, memory (bytes of the output), receptive_field,
            field_stride, field_start, time_ms, trainable and advice. What does not fit 80 columns goes into
            a further table below.
        col_width: the most characters of a name in a line; None for as many as there is room for.
        depth: modules nested deeper are summed up in the one around them.
        device: where the zeros are made; that of the model's first parameter if None.
        dtypes: of the zeros, one per input; that of the model's first floating point parameter if None.
        mode: run in "train" or "eval" mode, or in the "same" mode in which the model is.
        row_settings: any of torchinfo's "depth", "var_names", "ascii_only" and "hide_recursive_layers" show
            the modules as a tree; without them, every layer has one row with its full name.
        verbose: 1 or 2 prints the table, 0 does not; None prints in scripts and is silent in notebooks and at
            prompts, which show the result themselves.

    Returns:
        A `Summary`: its `str()` is the table; `to_dict`, `to_csv`, `to_markdown` and `to_latex` export it.

    Raises:
        ArgumentError: an argument is outside what it may be.
        ShapeError: the model cannot run on zeros of that size; the model's own error is the cause.

    Units: MACs are multiply-accumulates; FLOPs = 2 MACs. Only convolutions and linear layers count. Memory
        is what a layer's output takes anew: 0 where it works in place. Fields are in pixels, as for
        `receptive_field`; the statistics of a batch normalisation count as fixed. Times are milliseconds
        without gradients: the median of five runs after one more, each layer measured around its forward,
        with what observing adds (some microseconds).

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
    check_arguments(col_names, col_width, depth, mode, row_settings)
    if input_size is not None and input_data is not None:
        raise ArgumentError("summary: two inputs.", expected="input_size or input_data", received="both")
    input = None
    if input_size is not None:
        input = zeros(model, input_size, device, dtypes, batch_dim)
    elif input_data is not None:
        input = check_input(input_data, "summary", model)
    settings = {"columns": tuple(col_names), "row_settings": tuple(row_settings), "name_width": col_width}
    if input is None:
        result = totalled(model, rows_without_run(model), None, settings)
    else:
        accountant = run(model, input, depth, mode, of_zeros=input_size is not None)
        times = measured(model, input, depth, mode) if "time_ms" in col_names else {}
        result = totalled(model, timed(accountant.rows, times), accountant, settings, times)
    if verbose or (verbose is None and not hasattr(sys, "ps1") and "ipykernel" not in sys.modules):
        print(result)
    return result


def check_arguments(
    col_names: Sequence[str], col_width: int | None, depth: int, mode: str, row_settings: Sequence[str]
) -> None:
    """Raise an ArgumentError for the first that is not what it may be."""
    check_choice(mode, MODES, "summary: unknown mode.")
    for name in col_names:
        check_choice(name, tuple(COLUMNS), "summary: unknown column in col_names.")
    for name in row_settings:
        check_choice(name, ROW_SETTINGS, "summary: unknown word in row_settings.")
    if depth < 1:
        raise ArgumentError("summary: `depth` is too small.", expected="at least 1", received=str(depth))
    if col_width is not None and col_width < 8:
        raise ArgumentError(
            "summary: `col_width` is too small.", expected="at least 8", received=str(col_width)
        )


def run(model: nn.Module, input: Any, depth: int, mode: str, *, of_zeros: bool) -> Accountant:
    """The accounts of one run; on zeros, an error of the model is told as one of the input's size."""
    accountant = Accountant(model, depth)
    if not of_zeros:
        accountant.run(input, mode)
        return accountant
    try:
        accountant.run(input, mode)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        raise size_error("summary", input, error) from error
    return accountant


def measured(model: nn.Module, input: Any, depth: int, mode: str) -> dict[str, float]:
    """By name of the row, the median of its times in milliseconds; "" is that of the whole run."""
    times: dict[str, list[float]] = defaultdict(list)
    for index in range(1 + RUNS):
        accountant = Accountant(model, depth, follows=False)
        accountant.run(input, mode)
        if index:
            times[""].append(accountant.total_ms)
            for node in accountant.nodes:
                times[node.row.name].append(node.row.time_ms or 0.0)
    return {name: statistics.median(values) for name, values in times.items()}


def timed(rows: Sequence[Row], times: dict[str, float]) -> list[Row]:
    """The rows with their measured times, or none."""
    return [replace(row, time_ms=times.get(row.name)) for row in rows]


def totalled(
    model: nn.Module,
    rows: list[Row],
    accountant: Accountant | None,
    settings: dict[str, Any],
    times: dict[str, float] | None = None,
) -> Summary:
    """The rows with their totals."""
    parameters = list(model.parameters())
    total = sum(tensor.numel() for tensor in parameters)
    nodes = () if accountant is None else accountant.nodes
    follower = None if accountant is None else accountant.follower
    return Summary(
        model=model_name(model),
        rows=tuple(rows),
        nodes=tuple(node._replace(row=timed([node.row], times or {})[0]) for node in nodes),
        parameters=total,
        trainable_parameters=sum(tensor.numel() for tensor in parameters if tensor.requires_grad),
        unused_parameters=total - sum(row.parameters for row in rows),
        parameter_bytes=sum(tensor.numel() * tensor.element_size() for tensor in parameters),
        macs=None if accountant is None else sum(row.macs for row in rows),
        input_bytes=None if accountant is None else accountant.input_bytes,
        output_bytes=None if accountant is None else sum(row.output_bytes for row in rows),
        time_ms=(times or {}).get(""),
        warnings=() if follower is None else warnings_of(follower),
        hidden=() if accountant is None else tuple(hidden_parts(model)),
        **settings,
    )
