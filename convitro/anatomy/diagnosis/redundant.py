"""Filters that do what another filter of the layer does already."""

from __future__ import annotations

import torch
from torch import Tensor

from convitro.anatomy.diagnosis.finding import Finding, kernels_of
from convitro.anatomy.diagnosis.records import LayerRecord
from convitro.plots import Bars, Display

SAME_WEIGHTS = 0.95  # cosine; the most alike of healthy trained layers have 0.79
SAME_MAPS = 0.98  # correlation; they have 0.94
FEWEST_WEIGHTS = 9  # per filter: fewer point the same way by chance
FEWEST_ACTIVE = 30  # sampled pixels at which each of the two responds


def redundant_filters(record: LayerRecord, known: frozenset[int] = frozenset()) -> list[Finding]:
    """Filters that are near copies of an earlier one of the layer, maybe scaled, by weights or by maps.

    Two filters are redundant if the cosine of their weights is at least 0.95, or the correlation of their
    activated maps at least 0.98; the maps are sampled, at up to 36 pixels of each of the first 256 images,
    of which there must be 16.
    Opposite filters (cosine -1) are not: behind a ReLU they tell different things. Filters with weights for
    other channels (of another group) are compared by their maps only.

    Source: own.
    """
    alike, maps = cosines(record), correlations(record)
    if known:
        gone = torch.tensor(sorted(known))
        for table in (alike, maps):
            table[gone], table[:, gone] = 0.0, 0.0
    earlier = torch.ones_like(alike, dtype=torch.bool).tril(-1)
    same = ((alike >= SAME_WEIGHTS) | (maps >= SAME_MAPS)) & earlier
    found = []
    for index in same.any(1).nonzero().flatten().tolist():
        closeness = torch.maximum(alike[index] / SAME_WEIGHTS, maps[index] / SAME_MAPS) * same[index]
        found.append(redundant(record, index, int(closeness.argmax()), alike, maps))
    return found


def cosines(record: LayerRecord) -> Tensor:
    """(C_out, C_out) cosines of the filters' weights; 0 between groups, and where they are too few."""
    layer = record.layer
    weights = layer.weight.flatten(1).double().cpu()
    if weights.shape[1] < FEWEST_WEIGHTS:
        return torch.zeros(layer.filters, layer.filters, dtype=torch.float64)
    weights = torch.nn.functional.normalize(weights, dim=1)
    group = torch.arange(layer.filters) // (layer.filters // layer.problem.groups)
    return (weights @ weights.T) * (group[:, None] == group)


def correlations(record: LayerRecord) -> Tensor:
    """(C_out, C_out) correlations of the filters' maps; 0 where they hardly respond."""
    if record.likeness is None or not record.comparable:
        return torch.zeros(record.layer.filters, record.layer.filters, dtype=torch.float64)
    telling = record.likeness.active >= FEWEST_ACTIVE
    return torch.nan_to_num(record.likeness.correlation()) * (telling[:, None] & telling)


def redundant(record: LayerRecord, index: int, partner: int, alike: Tensor, maps: Tensor) -> Finding:
    """The finding that a filter equals another."""
    cosine, correlation = float(alike[index, partner]), float(maps[index, partner])
    by_weights = cosine >= SAME_WEIGHTS
    sizes = record.layer.weight[[index, partner]].flatten(1).float().norm(dim=1)
    times = float(sizes[0] / sizes[1])
    size = "" if abs(times - 1) < 0.005 else f", {times:.2g} times as large"
    seen = f"; the correlation of their maps is {correlation:.3f}" if correlation else ""
    return Finding(
        "redundant",
        record.name,
        index,
        cosine if by_weights else correlation,
        "cosine of the weights" if by_weights else "correlation of the maps",
        SAME_WEIGHTS if by_weights else SAME_MAPS,
        f"It is {'a copy' if cosine > 0.9999 else 'nearly a copy'} of filter {partner}{size}: the cosine of "
        f"their weights is {cosine:.3f}{seen}."
        if by_weights
        else f"Its maps are those of filter {partner}, up to size: their correlation is {correlation:.3f}, "
        f"though the cosine of their weights is {cosine:.3f}.",
        "Merge it into the other: remove it and add its outgoing weights, times the ratio of sizes, to the "
        "other's. If there are many, the layer has more filters than it needs.",
        partner,
        pictures(record, index, partner, alike if by_weights else maps, by_weights),
    )


def pictures(
    record: LayerRecord, index: int, partner: int, table: Tensor, by_weights: bool
) -> tuple[Display, ...]:
    """The kernels of both, and how much every filter is like its likest."""
    others = table.clone().fill_diagonal_(-1)
    return (
        kernels_of(record, (partner, index)),
        Bars(
            f"{record.name}: how much each filter is like the one most like it",
            others.amax(1).float(),
            strong=frozenset({index, partner}),
            marks={"redundant": SAME_WEIGHTS if by_weights else SAME_MAPS},
            x_label="filter",
            y_label="cosine of weights" if by_weights else "correlation of maps",
        ),
    )
