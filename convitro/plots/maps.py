"""Signed numbers in two dimensions: maps, activations, kernels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from convitro.errors import ArgumentError, ShapeError
from convitro.plots.colours import Scale
from convitro.plots.sheet import Block, Sheet, Tile, grid_columns
from convitro.plots.words import counted

MOST = 512
MOST_KERNELS = (48, 32)


def map_grid(
    maps: Tensor,
    title: str,
    labels: Sequence[str] | None = None,
    *,
    scale: str = "shared",
    most: int = MOST,
    notes: Sequence[str] = (),
) -> Sheet:
    """Show maps side by side: blue below zero, orange above.

    Args:
        maps: (K, H, W).
        title: the line above.
        labels: one for each map; None counts them.
        scale: "shared" gives all maps one colour scale, so that they can be compared; "each" gives every map
            the scale of its own largest absolute value, which then stands below it.
        most: how many are shown at most; a note says how many are not.
        notes: further lines below.

    Raises:
        ShapeError: `maps` has other dimensions.
        ArgumentError: another `scale`, or as many labels as there are no maps.

    Source: own.

    Example:
        >>> print(map_grid(torch.tensor([[[-1.0, 2.0]], [[0.0, 0.5]]]), "two maps"))
        two maps: 2 maps of 1x2 pixels, from -1 to 2.
    """
    check_scale(scale)
    if maps.ndim != 3:
        raise ShapeError(
            "map_grid: `maps` are not maps.", expected="(K, H, W)", received=f"{tuple(maps.shape)}"
        )
    names = [str(index) for index in range(len(maps))] if labels is None else list(labels)
    if len(names) != len(maps):
        raise ArgumentError(
            "map_grid: every map has one label.", expected=f"{len(maps)} labels", received=f"{len(names)}"
        )
    shown, together = maps[:most], Scale.of(maps[:most])
    tiles = []
    for name, values in zip(names, shown, strict=False):
        own = Scale.of(values) if scale == "each" else together
        caption = f"{name} ±{own.limit:.2g}" if scale == "each" else name
        tiles.append(Tile(own.colours(values), caption.strip()))
    height, width = maps.shape[-2:]
    range_text = f"from {together.low:.3g} to {together.high:.3g}"
    return Sheet(
        (in_rows(tiles, (height, width)),),
        title,
        f"{title}: {counted(len(maps), 'map')} of {height}x{width} pixels, {range_text}.",
        unit_scale(together) if scale == "each" else together,
        "times the value below each map" if scale == "each" else "",
        (*hidden(len(maps), most, "map"), *not_finite(shown), *notes),
    )


def kernel_matrix(
    kernels: Tensor,
    title: str,
    *,
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
    scale: str = "shared",
    most: tuple[int, int] = MOST_KERNELS,
) -> Sheet:
    """Show the kernels of filters: a row for each filter, a column for each channel.

    Args:
        kernels: (F, C, KH, KW).
        title: the line above.
        row_labels, column_labels: one for each filter and channel; None counts them.
        scale: "shared" for one colour scale; "each" for one per filter, whose largest absolute value then
            stands beside it.
        most: how many filters and channels are shown at most; a note says how many are not.

    Raises:
        ShapeError: `kernels` has other dimensions.
        ArgumentError: another `scale`.

    Source: own.

    Example:
        >>> print(kernel_matrix(torch.ones(2, 3, 5, 5), "conv1"))
        conv1: the kernels of 2 filters for 3 channels, 5x5 each, from 1 to 1.
    """
    check_scale(scale)
    if kernels.ndim != 4:
        raise ShapeError(
            "kernel_matrix: `kernels` are not kernels.",
            expected="(F, C, KH, KW)",
            received=f"{tuple(kernels.shape)}",
        )
    filters, channels, height, width = kernels.shape
    shown = kernels[: most[0], : most[1]]
    together = Scale.of(shown)
    scales = [Scale.of(kernel) if scale == "each" else together for kernel in shown]
    rows = [str(index) for index in range(filters)] if row_labels is None else list(row_labels)
    columns = [str(index) for index in range(channels)] if column_labels is None else list(column_labels)
    if scale == "each":
        rows = [f"{name}  ±{own.limit:.2g}" for name, own in zip(rows, scales, strict=False)]
    tiles = [
        tuple(Tile(own.colours(kernel)) for kernel in filter)
        for filter, own in zip(shown, scales, strict=True)
    ]
    blocks = beside(tiles, rows, tuple(columns[: most[1]]))
    what = f"the kernels of {counted(filters, 'filter')} for {counted(channels, 'channel')}"
    return Sheet(
        blocks,
        title,
        f"{title}: {what}, {height}x{width} each, from {together.low:.3g} to {together.high:.3g}.",
        unit_scale(together) if scale == "each" else together,
        "times the value beside each filter" if scale == "each" else "weight",
        (
            "A row is a filter, a column the input channel that its kernel looks at.",
            *hidden(filters, most[0], "filter"),
            *hidden(channels, most[1], "channel"),
            *not_finite(shown),
        ),
    )


def map_rows(
    rows: Mapping[str, Sequence[tuple[str, Tensor]]], title: str, *, most: int = 24, notes: Sequence[str] = ()
) -> Sheet:
    """Show maps in rows that have a name and a colour scale each.

    Args:
        rows: name to captions and maps, each map (H, W).
        title: the line above.
        most: how many maps of a row are shown at most; a note says how many are not.
        notes: further lines below.

    Source: own.

    Example:
        >>> rows = {"input": [("red", torch.zeros(2, 2))], "kernel": [("", torch.ones(1, 1))]}
        >>> print(map_rows(rows, "parts"))
        parts: input (1 map from 0 to 0), kernel (1 map from 1 to 1).
    """
    scales = {name: Scale.of(flattened([map for _, map in row])) for name, row in rows.items()}
    tiles = [
        tuple(Tile(scales[name].colours(map), caption) for caption, map in row[:most])
        for name, row in rows.items()
    ]
    told = (
        f"{name} ({counted(len(row), 'map')} from {scales[name].low:.3g} to {scales[name].high:.3g})"
        for name, row in rows.items()
    )
    labels = tuple(f"{name}  ±{scale.limit:.2g}" for name, scale in scales.items())
    cut = [note for name, row in rows.items() for note in hidden(len(row), most, "map", f"{name}: ")]
    return Sheet(
        (Block(tuple(tiles), row_labels=labels),),
        title,
        f"{title}: {', '.join(told)}.",
        unit_scale(Scale.of(torch.tensor([end for scale in scales.values() for end in scale.ends]))),
        "times the value beside each row",
        (*cut, *notes),
    )


def flattened(maps: Sequence[Tensor]) -> Tensor:
    """All numbers of some maps in a row."""
    return torch.cat([map.detach().flatten().double() for map in maps]) if maps else torch.zeros(0)


def beside(
    rows: Sequence[tuple[Tile, ...]], labels: Sequence[str], columns: tuple[str, ...]
) -> tuple[Block, ...]:
    """A long matrix in parts that stand side by side."""
    parts = max(1, round(math.sqrt(1.6 * len(rows) / (len(columns) + 1))))
    each = math.ceil(len(rows) / parts) or 1
    return tuple(
        Block(tuple(rows[at : at + each]), row_labels=tuple(labels[at : at + each]), column_labels=columns)
        for at in range(0, max(len(rows), 1), each)
    )


def in_rows(tiles: Sequence[Tile], shape: tuple[int, int]) -> Block:
    """Tiles in as many rows as look well."""
    columns = grid_columns(len(tiles), shape)
    return Block(tuple(tuple(tiles[start : start + columns]) for start in range(0, len(tiles), columns)))


def unit_scale(scale: Scale) -> Scale:
    """The bar for maps that have scales of their own: -1 to 1, or the half that occurs."""
    return Scale(1.0, -1.0 if scale.low < 0 else 0.0, 1.0 if scale.high > 0 else 0.0)


def hidden(count: int, most: int, what: str, where: str = "") -> tuple[str, ...]:
    """A note on what is not shown, if anything."""
    return (f"{where}{counted(count - most, f'more {what}')} not shown.",) if count > most else ()


def not_finite(values: Tensor) -> tuple[str, ...]:
    """A note on grey pixels, if there are any."""
    count = int(torch.isnan(values).sum())
    return (f"Grey: {counted(count, 'value')} not a number.",) if count else ()


def check_scale(scale: str) -> None:
    """Raise unless it is one of the two."""
    if scale not in ("shared", "each"):
        raise ArgumentError(
            "plots: there is no such scale.", expected='"shared" or "each"', received=repr(scale)
        )
