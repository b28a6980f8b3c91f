"""Layers whose values vanish, explode or are no numbers, and filters that drown the others."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from convitro.anatomy.diagnosis.finding import Finding, kernels_of
from convitro.anatomy.diagnosis.records import LayerRecord
from convitro.plots import Bars

SMALLEST, LARGEST = 1e-3, 1e3  # times the size of the input; healthy trained layers: 0.13 to 4.3
OUTSIZED = 10.0  # times the variation of the median filter; healthy: 5.2
FEWEST_FILTERS = 8


def misshapen_layers(records: Sequence[LayerRecord], input_rms: float) -> list[Finding]:
    """Layers that pass on values that are not finite, or 1000 times smaller or larger than the input.

    Sizes are root mean squares over all pixels and images. A network that vanishes or explodes does so in
    every layer from some point on: only the first is a finding.

    Source: own; the effect is that of Glorot & Bengio 2010 and He et al. 2015.
    """
    sizes = [record.passed_on.root_mean_square for record in records]
    for record in records:
        broken = int(record.output.infinite_pixels.sum())
        if broken:
            return [not_finite(record, broken)]
    if not input_rms > 0:
        return []
    for record, size in zip(records, sizes, strict=True):
        ratio = size / input_rms
        if 0 < ratio < SMALLEST or ratio > LARGEST:
            return [misshapen(record, ratio, torch.tensor(sizes).float() / input_rms, records)]
    return []


def not_finite(record: LayerRecord, broken: int) -> Finding:
    """The finding that a layer computes infinities or NaN."""
    maps = record.output
    bad_weights = int((~torch.isfinite(record.layer.weight)).sum())
    cause = (
        f"{bad_weights:,} of its weights are not finite."
        if bad_weights
        else "Its weights are finite: the values overflow, or the input is not finite."
    )
    return Finding(
        "not finite",
        record.name,
        None,
        broken / (maps.pixels * len(maps.mean)),
        "share of values that are infinite or NaN",
        0.0,
        f"{broken:,} values in {maps.images:,} images are infinite or NaN. {cause}",
        "Look for the step at which training diverged: lower learning rate, clipped gradients, float32 in "
        "place of float16. Later layers only pass it on.",
        pictures=(
            Bars(
                f"{record.name}: values that are infinite or NaN",
                maps.infinite_pixels.float(),
                x_label="filter",
                y_label="values",
            ),
        ),
    )


def misshapen(
    record: LayerRecord, ratio: float, ratios: torch.Tensor, records: Sequence[LayerRecord]
) -> Finding:
    """The finding that values have become too small or too large."""
    small = ratio < 1
    return Finding(
        "vanishing" if small else "exploding",
        record.name,
        None,
        ratio,
        "size of what it passes on against the input's",
        SMALLEST if small else LARGEST,
        f"What it passes on is {ratio:.3g} times as large as the input of the network (root mean "
        f"square); its weights, times the square root of their number per filter, are {gain(record):.2g}.",
        "Initialise after He (2015): weights of standard deviation sqrt(2 / fan_in); or add BatchNorm. Check "
        "that the data are scaled as in training.",
        pictures=(
            Bars(
                "size of what each layer passes on, against the input's",
                ratios.clamp_min(1e-30).log10(),
                tuple(other.name for other in records),
                strong=frozenset({list(records).index(record)}),
                marks={"limit": -3.0 if small else 3.0},
                y_label="powers of ten",
            ),
        ),
    )


def gain(record: LayerRecord) -> float:
    """Root mean square of the weights, times the square root of their number per filter: He's is 1.41."""
    weight = record.layer.weight.float()
    return float(weight.square().mean().sqrt()) * weight[0].numel() ** 0.5


def outsized_filters(record: LayerRecord) -> list[Finding]:
    """Filters whose maps vary more than 10 times as much as those of the layer's median filter, in
    at least 16 images.

    Source: own.
    """
    deviations = record.passed_on.deviation
    typical = float(deviations.median())
    if len(deviations) < FEWEST_FILTERS or not typical > 0 or not record.comparable:
        return []
    ratios = deviations / typical
    return [
        Finding(
            "outsized",
            record.name,
            index,
            float(ratios[index]),
            "variation of its maps against the median filter's",
            OUTSIZED,
            f"Its maps vary {float(ratios[index]):.3g} times as much as those of the median filter; its "
            f"weights are {weight_ratio(record, index):.3g} times as large.",
            "It drowns the others where channels are summed, and makes rounding to 8 bits coarse: weight "
            "decay, BatchNorm, or a limit on the norm of a filter keep it in line.",
            pictures=(
                Bars(
                    f"{record.name}: how much the maps of each filter vary",
                    ratios.float(),
                    strong=frozenset({index}),
                    marks={"outsized": OUTSIZED},
                    x_label="filter",
                    y_label="times the median filter",
                ),
                kernels_of(record, (index,)),
            ),
        )
        for index in (ratios > OUTSIZED).nonzero().flatten().tolist()
    ]


def weight_ratio(record: LayerRecord, index: int) -> float:
    """The size of a filter's weights against the median filter's."""
    sizes = record.layer.weight.flatten(1).float().norm(dim=1)
    return float(sizes[index] / sizes.median())
