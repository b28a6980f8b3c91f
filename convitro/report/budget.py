"""How much of a network fits into a report: which layers with their numbers, and how many filters of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from convitro.anatomy import Anatomy, LayerAnatomy
from convitro.view import by_liveliness
from convitro.view.whole import filter_bytes

PACKED = 1.25  # bytes in the page for each byte of a filter: floats hardly shrink, base64 adds a third
FEWEST = 4  # filters of a layer that is opened at all


def chosen_filters(
    anatomy: Anatomy, max_bytes: int, inputs: Mapping[str, int], wanted: Mapping[str, Sequence[int]]
) -> dict[str, list[int]]:
    """The filters of every layer whose numbers a report of that size can hold; none for a layer too large.

    First as many layers as fit with four filters each: the first one, which sees the picture, then those of
    wanted filters, then from the smallest to the largest. Then the layer with the fewest filters gets twice
    as many, as long as that fits.

    Args:
        anatomy: the network on one picture.
        max_bytes: for the layers of this picture, in the page.
        inputs: how many of them the channels take that a layer reads, whatever the filters.
        wanted: filters that should be there, by layer.
    """
    costs = {name: PACKED * filter_bytes(layer) for name, layer in anatomy.items()}
    most = {name: layer.filters for name, layer in anatomy.items()}
    counts = dict.fromkeys(anatomy, 0)
    left = float(max_bytes)
    first = next(iter(anatomy), None)
    by_size = sorted(
        anatomy, key=lambda name: (name != first, name not in wanted, inputs[name] + FEWEST * costs[name])
    )
    for name in by_size:
        needed = inputs[name] + min(FEWEST, most[name]) * costs[name]
        if needed <= left:
            counts[name], left = min(FEWEST, most[name]), left - needed
    growing = {name for name in anatomy if counts[name]}
    while growing:
        name = min(growing, key=lambda each: (counts[each], costs[each]))
        more = min(counts[name], most[name] - counts[name])
        if more and more * costs[name] <= left:
            counts[name], left = counts[name] + more, left - more * costs[name]
        else:
            growing.remove(name)
    return {name: best_filters(layer, counts[name], wanted.get(name, ())) for name, layer in anatomy.items()}


def needed_bytes(anatomy: Anatomy, inputs: Mapping[str, int], wanted: Mapping[str, Sequence[int]]) -> int:
    """What the first layer and those of wanted filters take with as few filters as a layer is opened with.

    Args:
        anatomy, inputs, wanted: as for `chosen_filters`.
    """
    names = {*list(anatomy)[:1], *(name for name in wanted if name in anatomy)}
    layers = [(inputs[name], anatomy[name]) for name in names]
    return int(
        sum(bytes + min(FEWEST, layer.filters) * PACKED * filter_bytes(layer) for bytes, layer in layers)
    )


def best_filters(layer: LayerAnatomy, count: int, wanted: Sequence[int]) -> list[int]:
    """So many filters of a layer in ascending order: the wanted ones, then those whose maps vary most."""
    if count in (0, layer.filters):
        return list(range(count))
    ranked = [*dict.fromkeys([*wanted, *by_liveliness(layer)])]
    return sorted(ranked[:count])
