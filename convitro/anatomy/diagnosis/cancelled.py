"""Filters whose channels cancel each other far more than chance would have it."""

from __future__ import annotations

from convitro.anatomy.diagnosis.finding import Finding, kernels_of
from convitro.anatomy.diagnosis.records import LayerRecord
from convitro.plots import Bars

LEFT = 1 / 3  # of what random signs leave; the least of healthy trained layers is 0.72


def cancelled_filters(record: LayerRecord, known: frozenset[int] = frozenset()) -> list[Finding]:
    """Filters whose channels, added up, leave less than a third of what random signs would leave.

    Cancellation is 1 - sum |z| / sum_i sum |m_i| over the partial maps m_i of a filter and their sum z. It is
    never judged against 0: the same partial maps with random signs cancel already, and trained filters cancel
    less than that. Only filters of at least 8 channels are judged, on the first 8 images.

    Source: own; for the baseline see `sample.cancelled`.
    """
    sums = record.cancelled
    if sums is None:
        return []
    values, baselines = sums.cancellation, sums.baseline
    found = []
    for index in ((sums.kept < LEFT * sums.expected) & (sums.brought > 0)).nonzero().flatten().tolist():
        if index in known:
            continue
        limit = 1 - LEFT * (1 - float(baselines[index]))
        found.append(
            Finding(
                "cancelled",
                record.name,
                index,
                float(values[index]),
                "cancellation",
                limit,
                f"Its channels cancel to {1 - float(values[index]):.1%} of what they bring, where the same "
                f"maps with random signs would leave {1 - float(baselines[index]):.1%} (in {sums.images} "
                "images).",
                "Its channels work against each other: train longer or with more weight decay; see in "
                "its partial maps which of them undo each other.",
                pictures=(
                    Bars(
                        f"{record.name}: cancellation of each filter",
                        values.float(),
                        strong=frozenset({index}),
                        marks={"random signs": float(baselines[index]), "cancelled": limit},
                        x_label="filter",
                        y_label="cancellation",
                    ),
                    kernels_of(record, (index,)),
                ),
            )
        )
    return found
