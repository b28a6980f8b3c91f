"""Images in colour: photographs, patches, projections, and filters that look at red, green and blue."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from convitro.errors import ShapeError
from convitro.plots.colours import Pixels, Scale, composite, photograph, picture_range
from convitro.plots.maps import MOST, check_scale, hidden, in_rows
from convitro.plots.sheet import Block, Sheet, Tile
from convitro.plots.words import counted


def picture_grid(
    images: Sequence[Tensor],
    title: str,
    captions: Sequence[str] | None = None,
    *,
    limits: tuple[float, float] | None = None,
    most: int = MOST,
    notes: Sequence[str] = (),
) -> Sheet:
    """Show images side by side, of one size or of several.

    Args:
        images: each (C, H, W); three channels are red, green and blue, of any other number the mean is shown.
        title: the line above.
        captions: words below each; None writes none.
        limits: the values of black and white. None takes 0 and 1, or the extremes of all images where one
            goes beyond: then all are stretched alike.
        most: how many are shown at most; a note says how many are not.
        notes: further lines below.

    Raises:
        ShapeError: one of them has other dimensions.

    Source: own.

    Example:
        >>> print(picture_grid([torch.rand(3, 8, 8), torch.rand(3, 4, 4)], "two patches"))
        two patches: 2 pictures.
    """
    for image in images:
        check_image(image)
    shown = list(images[:most])
    low, high = picture_range(shown) if limits is None else limits
    words = [""] * len(shown) if captions is None else list(captions)
    tiles = [Tile(photograph(image, low, high), text) for image, text in zip(shown, words, strict=False)]
    shapes = [tile.pixels.shape for tile in tiles] or [(1, 1, 3)]
    shape = (max(shape[0] for shape in shapes), max(shape[1] for shape in shapes))
    return Sheet(
        (in_rows(tiles, shape),),
        title,
        f"{title}: {counted(len(images), 'picture')}.",
        notes=(*hidden(len(images), most, "picture"), *stretched(low, high), *notes),
    )


def colour_filters(
    kernels: Tensor,
    title: str,
    labels: Sequence[str] | None = None,
    *,
    scale: str = "shared",
    most: int = MOST,
) -> Sheet:
    """Show filters of red, green and blue channels as small colour pictures: what they respond to most.

    A weight of 0 is middle grey, the largest absolute weight is full light or none of its channel.

    Args:
        kernels: (F, 3, KH, KW).
        title: the line above.
        labels: one for each filter; None counts them.
        scale: "shared" gives all filters one scale; "each" gives every filter its own.
        most: how many are shown at most; a note says how many are not.

    Raises:
        ShapeError: the filters have not three channels.
        ArgumentError: another `scale`.

    Source: own.

    Example:
        >>> print(colour_filters(torch.zeros(8, 3, 5, 5), "conv1"))
        conv1: 8 filters of 5x5 pixels as colour pictures, weights up to 0.
    """
    check_scale(scale)
    if kernels.ndim != 4 or kernels.shape[1] != 3:
        raise ShapeError(
            "colour_filters: only filters of three channels are colour pictures.",
            expected="(F, 3, KH, KW)",
            received=f"{tuple(kernels.shape)}",
            hint="kernel_matrix shows any",
        )
    shown = kernels[:most].detach()
    largest = float(shown.abs().max()) if shown.numel() else 0.0
    names = [str(index) for index in range(len(kernels))] if labels is None else list(labels)
    tiles = []
    for name, filter in zip(names, shown, strict=False):
        own = float(filter.abs().max()) if scale == "each" else largest
        tiles.append(Tile(composite(filter, own), f"{name} ±{own:.2g}" if scale == "each" else name))
    height, width = kernels.shape[-2:]
    return Sheet(
        (in_rows(tiles, (height, width)),),
        title,
        f"{title}: {counted(len(kernels), 'filter')} of {height}x{width} pixels as colour pictures, "
        f"weights up to {largest:.3g}.",
        notes=(
            "Red, green and blue are the weights of these channels: 0 is middle grey; full light or none is "
            + ("the largest weight of each filter." if scale == "each" else f"±{largest:.3g}."),
            *hidden(len(kernels), most, "filter"),
        ),
    )


def projection_sheet(
    image: Tensor, projection: Tensor, rows: slice, columns: slice, title: str, notes: Sequence[str] = ()
) -> Sheet:
    """Show an image beside what was projected back into it, whole and where something is.

    Three channels are shown in colour: 0 is middle grey, the largest absolute value full light or none. Of
    any other number the sum is shown: blue below zero, orange above.

    Args:
        image, projection: (C, H, W), alike.
        rows, columns: where the projection is not zero.
        title: the line above.
        notes: further lines below.

    Source: own.

    Example:
        >>> image, projection = torch.rand(3, 8, 8), torch.randn(3, 8, 8)
        >>> print(projection_sheet(image, projection, slice(2, 5), slice(0, 3), "one"))
        one: an image of 8x8 pixels and its projection, not zero in 3x3 of them.
    """
    check_image(image)
    check_image(projection)
    low, high = picture_range([image])
    seen, come_back = photograph(image, low, high), signed(projection)
    height, width = rows.stop - rows.start, columns.stop - columns.start
    tiles = [Tile(seen, "image"), Tile(come_back, "projection")]
    if 0 < height * width < image.shape[1] * image.shape[2]:
        tiles += [Tile(seen[rows, columns], "seen"), Tile(come_back[rows, columns], "came back")]
    scale = Scale.of(projection.sum(0)) if len(projection) != 3 else None
    largest = float(projection.abs().max()) if projection.numel() else 0.0
    grey = f"Middle grey came back as 0; full light or none is ±{largest:.3g} in that channel."
    pixels = f"{image.shape[1]}x{image.shape[2]} pixels"
    return Sheet(
        (Block((tuple(tiles),)),),
        title,
        f"{title}: an image of {pixels} and its projection, not zero in {height}x{width} of them.",
        scale,
        notes=(*([grey] if scale is None else []), *stretched(low, high), *notes),
    )


def patch_sheet(
    filters: Mapping[str, tuple[Sequence[Tensor], Sequence[Tensor]]],
    title: str,
    method: str = "",
    *,
    hidden: int = 0,
) -> Sheet:
    """Show for each filter a square of patches, and beside it a square of their projections.

    All patches share one scale of brightness; each projection has its own, as only its shape matters.

    Args:
        filters: what stands above each, and its patches and projections (C, H, W); the latter may be missing.
        title: the line above.
        method: how the projections were made, for the note.
        hidden: how many filters there are besides.

    Source: own, after the figures of Zeiler and Fergus 2013.

    Example:
        >>> print(patch_sheet({"filter 3": ([torch.rand(3, 5, 5)] * 9, [])}, "conv1"))
        conv1: 9 patches of 1 filter.
    """
    everything = [patch for patches, _ in filters.values() for patch in patches]
    low, high = picture_range(everything)
    most = max((len(patches) for patches, _ in filters.values()), default=1)
    side = math.ceil(math.sqrt(max(most, 1)))
    blocks = []
    for name, (patches, projections) in filters.items():
        groups = [[Tile(photograph(patch, low, high)) for patch in patches]]
        groups += (
            [[Tile(signed(projection)) for projection in projections]]
            if any(p for _, p in filters.values())
            else []
        )
        blocks.append(side_by_side(name, groups, side))
    projected = any(projections for _, projections in filters.values())
    coloured = all(len(patch) == 3 for patch in everything)
    zero = "grey" if coloured else "white"
    told = f"Right of the patches: what came back ({method}), each on a scale of its own; {zero} is 0."
    return Sheet(
        tuple(blocks),
        title,
        f"{title}: {counted(len(everything), 'patch', 'patches')} of {counted(len(filters), 'filter')}.",
        notes=(
            *([told] if projected else []),
            *stretched(low, high),
            *([f"{counted(hidden, 'more filter')} not shown."] if hidden else []),
        ),
    )


def side_by_side(title: str, groups: Sequence[Sequence[Tile]], side: int) -> Block:
    """Groups of tiles, each `side` tiles wide, beside each other."""
    height = math.ceil(max((len(tiles) for tiles in groups), default=0) / side) or 1
    rows = []
    for row in range(height):
        line: list[Tile | None] = []
        for tiles in groups:
            part: list[Tile | None] = list(tiles[row * side : (row + 1) * side])
            line += part + [None] * (side - len(part))
        rows.append(tuple(line))
    return Block(tuple(rows), title, breaks=frozenset(side * index for index in range(1, len(groups))))


def signed(projection: Tensor, limit: float | None = None) -> Pixels:
    """Signed numbers (C, H, W) as RGB bytes: three channels in colour around grey, others as their sum.

    Args:
        projection: the numbers.
        limit: the absolute value of the strongest colour; None takes the largest.
    """
    shown = projection if len(projection) == 3 else projection.sum(0)
    largest = float(shown.abs().max()) if limit is None and shown.numel() else limit or 0.0
    if len(projection) == 3:
        return composite(shown, largest)
    return Scale(largest, -largest, largest).colours(shown)


def stretched(low: float, high: float) -> tuple[str, ...]:
    """A note where black and white are not 0 and 1."""
    return () if (low, high) == (0.0, 1.0) else (f"Black is {low:.3g}, white is {high:.3g}.",)


def check_image(image: Tensor) -> None:
    """Raise unless it is one image."""
    if not isinstance(image, torch.Tensor) or image.ndim != 3:
        raise ShapeError(
            "plots: that is no image.",
            expected="a tensor (C, H, W)",
            received=f"{tuple(image.shape)}" if isinstance(image, torch.Tensor) else type(image).__name__,
        )
