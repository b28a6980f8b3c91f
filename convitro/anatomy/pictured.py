"""Which tensors of an anatomy make which picture; how they are drawn is told in `plots`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from convitro.anatomy.indexing import checked_index
from convitro.errors import ArgumentError
from convitro.plots import Sheet, map_grid, map_rows


def maps_picture(
    name: str, what: str, maps: Tensor | None, image: int, scale: str, labels: Sequence[str] | None = None
) -> Sheet:
    """Maps (N, K, H, W) of one image side by side.

    Raises:
        ArgumentError: there is no such image or scale, or there are no such maps.
    """
    if maps is None:
        raise ArgumentError(
            f"{name}: nothing is {what} here.", expected="another picture", received=repr(what)
        )
    return map_grid(of_image(maps, image, name), f"{name}: {what}", labels, scale=scale)


def parts_picture(
    name: str, channels: Sequence[str], parts: Mapping[str, Tensor], ends: Mapping[str, Tensor], image: int
) -> Sheet:
    """A filter's way from channels to one map: a row for each part, then what the maps become.

    Args:
        name: of the filter.
        channels: their names.
        parts: name to maps (N, C, H, W), or kernels (C, KH, KW).
        ends: name to maps (N, H, W), or (N, C, H, W) where they are kept apart.
        image: which image of the batch.
    """
    rows: dict[str, list[tuple[str, Tensor]]] = {}
    words = channels if len(channels) <= 8 else [name.removeprefix("channel ") for name in channels]
    for part, maps in parts.items():
        shown = maps if maps.ndim == 3 else of_image(maps, image, name)
        captions = [""] * len(shown) if rows else words
        rows[part] = list(zip(captions, shown, strict=True))
    together = []
    for end, maps in ends.items():
        shown = of_image(maps, image, name)
        together += [(end, map) for map in (shown[None] if shown.ndim == 2 else shown)]
    return map_rows({**rows, "together": together}, name, most=16)


def strongest_picture(model: str, layers: Mapping[str, Tensor], image: int, strongest: int) -> Sheet:
    """The maps (N, K, H, W) of each layer that are strongest in one image, by their mean absolute value."""
    rows = {}
    for name, maps in layers.items():
        shown = of_image(maps, image, name)
        order = shown.abs().mean((1, 2)).argsort(descending=True, stable=True)[:strongest].tolist()
        rows[name] = [(str(index), shown[index]) for index in order]
    title = f"{model}: the strongest maps of every layer"
    return map_rows(rows, title, notes=("Below each map: its filter.",))


def of_image(maps: Tensor, image: int, place: str) -> Tensor:
    """The maps of one image of the batch.

    Raises:
        ArgumentError: there is no such image.
    """
    return maps[checked_index(image, len(maps), "image", place)]
