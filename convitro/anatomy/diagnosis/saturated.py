"""Filters whose activation has reached its end nearly everywhere, so that it no longer answers."""

from __future__ import annotations

from convitro.anatomy.diagnosis.finding import Finding, kernels_of
from convitro.anatomy.diagnosis.records import LayerRecord
from convitro.plots import Bars

SATURATED = 0.9  # share of pixels


def saturated_filters(record: LayerRecord) -> list[Finding]:
    """Filters of which at least 90 % of the pixels lie at an end of a bounded activation.

    Ends are the values that the activation approaches, within 1 % of the way between both: -1 and 1 of tanh,
    0 and 1 of a sigmoid, 6 of ReLU6 (its 0 is no end but its rest). There the gradient is nearly zero.
    At least 16 images are needed.

    Source: own; the effect is that of Glorot & Bengio 2010, section 3.
    """
    maps = record.activated
    if maps is None or not record.tails.ends or not record.comparable:
        return []
    shares = maps.saturated_pixels.double() / maps.pixels
    ends = " or ".join(f"{end:.3g}" for end in record.tails.ends)
    return [
        Finding(
            "saturated",
            record.name,
            index,
            float(shares[index]),
            "share of its pixels at an end of the activation",
            SATURATED,
            f"{float(shares[index]):.1%} of {maps.pixels:,} pixels lie at {ends}; before the activation its "
            f"values are {float(record.before.mean[index]):.3g} ± "
            f"{float(record.before.deviation[index]):.3g}.",
            "Normalise before the activation (BatchNorm), start from smaller weights (Glorot's), scale the "
            "input, or use an activation without an end.",
            pictures=(
                Bars(
                    f"{record.name}: share of saturated pixels",
                    shares.float(),
                    strong=frozenset({index}),
                    marks={"saturated": SATURATED},
                    x_label="filter",
                    y_label="share of pixels",
                ),
                kernels_of(record, (index,)),
            ),
        )
        for index in (shares >= SATURATED).nonzero().flatten().tolist()
    ]
