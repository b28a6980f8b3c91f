"""Filters that never, or hardly ever, respond."""

from __future__ import annotations

import math

from torch import Tensor

from convitro.anatomy.diagnosis.finding import Drawing, Finding, filter_bars, kernels_of
from convitro.anatomy.diagnosis.records import LayerRecord
from convitro.anatomy.stages import BatchNorm
from convitro.plots.words import counted

RARE = 0.05  # share of images
CONFIDENCE_Z = 1.645  # one-sided, 95 %
FAR_BELOW = 10.0  # standard deviations, and
FEWEST_EVIDENCE = 59  # images: none of so many responding leaves at most 5 % with 95 % confidence
FEW_IMAGES = 5  # the fewest from which they can be told
FAINT = 0.1  # of the median filter's variation; the faintest of healthy trained layers have 0.35
OFTEN = 0.5  # share of images: a filter that responds this often shows how strongly it does
PRUNE = "It can be removed, with the channels that read it, without changing what the network answers."
REVIVE = (
    "To keep its place: train with a lower learning rate, He initialisation or a leaky ReLU, "
    "or give it new random weights and train on."
)


def dead_filters(record: LayerRecord) -> tuple[list[Finding], int]:
    """Dead and almost dead filters of a layer whose activation has a resting value, such as ReLU.

    A filter is dead if its activated map rests at every pixel of every image, and the data are evidence for
    more than these images: either so many were seen that with 95 % confidence it responds to fewer than 5 %
    of all such images (59 images; the limit after n images without a response is 1 - 0.05^(1/n)), or the
    highest value before the activation stays, from image to image, ten standard deviations below 0. It is
    almost dead if it responds, but with 95 % confidence (Wilson's interval) to fewer than 5 % of the images,
    or if it responds often, but its maps vary less than a tenth as much as those of the layer's median filter
    (in at least 16 images).

    Returns:
        The findings, and how many filters never responded without that being evidence.

    Source: own; the confidence limits are those of Clopper & Pearson 1934 and Wilson 1927.
    """
    maps = record.activated
    if maps is None or record.tails.rest is None:
        return [], 0
    images, active = maps.images, maps.active_images.tolist()
    far = record.before.peak + FAR_BELOW * record.before.peak_deviation < 0
    alive = maps.deviation[maps.active_images > 0]
    typical = float(alive.median()) if alive.numel() else 0.0
    strengths = (maps.deviation / typical).tolist() if typical > 0 else [math.nan] * len(active)
    found, unproven = [], 0
    for index, (count, strength) in enumerate(zip(active, strengths, strict=True)):
        if count == 0:
            if upper_limit(0, images) <= RARE or (images >= FEW_IMAGES and far[index]):
                found.append(dead(record, index))
            else:
                unproven += 1
        elif upper_limit(count, images) <= RARE:
            found.append(rare(record, index, count))
        elif record.comparable and count >= OFTEN * images and strength < FAINT:
            found.append(faint(record, index, strength, maps.deviation / typical))
    return found, unproven


def upper_limit(count: int, images: int) -> float:
    """Below which the true share lies with 95 % confidence, if `count` of so many images had it.

    Example:
        >>> round(upper_limit(0, 59), 3), round(upper_limit(2, 100), 3)
        (0.05, 0.059)
    """
    if count == 0:
        return float(1 - 0.05 ** (1 / images))
    share, z = count / images, CONFIDENCE_Z
    spread = z * math.sqrt(share * (1 - share) / images + z * z / (4 * images**2))
    return (share + z * z / (2 * images) + spread) / (1 + z * z / images)


def dead(record: LayerRecord, index: int) -> Finding:
    """The finding that a filter never responds."""
    maps = record.activated
    assert maps is not None
    pixels = f"{maps.pixels:,} pixels of {counted(maps.images, 'image')}"
    highest = float(record.before.highest[index])
    return Finding(
        "dead",
        record.name,
        index,
        0.0,
        "share of images in which it responds",
        RARE,
        f"At none of {pixels}; before the activation the highest value is {highest:.3g}. "
        f"{reason(record, index)}",
        f"{PRUNE} {REVIVE}",
        drawings=drawings(record, index),
    )


def rare(record: LayerRecord, index: int, count: int) -> Finding:
    """The finding that a filter responds to hardly any image."""
    maps = record.activated
    assert maps is not None
    pixels = int(maps.active_pixels[index])
    return Finding(
        "almost dead",
        record.name,
        index,
        count / maps.images,
        "share of images in which it responds",
        RARE,
        f"It responds in {count:,} of {maps.images:,} images, at {pixels:,} of {maps.pixels:,} pixels, with "
        f"at most {float(maps.highest[index]):.3g}. {reason(record, index)}",
        "Look at the images it responds to; if they have nothing in common, treat it as dead. " + REVIVE,
        drawings=drawings(record, index),
    )


def faint(record: LayerRecord, index: int, strength: float, strengths: Tensor) -> Finding:
    """The finding that a filter responds, but so weakly that the others drown it."""
    maps = record.activated
    assert maps is not None
    return Finding(
        "almost dead",
        record.name,
        index,
        strength,
        "variation of its maps against the median filter's",
        FAINT,
        f"It responds in {int(maps.active_images[index]):,} of {maps.images:,} images, but its maps vary "
        f"only {strength:.2g} times as much as those of the layer's median filter; its highest value is "
        f"{float(maps.highest[index]):.3g}, the layer's {float(maps.highest.max()):.3g}.",
        "See whether the next layer uses it at all: if not, remove it. " + REVIVE,
        drawings=(
            filter_bars(
                record,
                "how much the maps of each filter vary",
                strengths,
                (index,),
                {"almost dead": FAINT},
                "times the median filter",
            ),
            kernels_of(record, (index,)),
        ),
    )


def reason(record: LayerRecord, index: int) -> str:
    """What holds a filter down: its weights, its bias, or the normalisation behind it."""
    layer, highest = record.layer, float(record.before.highest[index])
    sizes = layer.weight.flatten(1).float().norm(dim=1)
    if float(sizes[index]) <= 1e-3 * float(sizes.median()):
        return "Its weights are as good as zero."
    norm = next((stage for stage in layer.chain.stages if isinstance(stage, BatchNorm)), None)
    if norm is not None and layer.chain.stages.index(norm) == 0:
        shift = 0.0 if norm.bias is None else float(norm.bias[index])
        if highest - shift > 0:
            return f"The cause is the bias of the normalisation, {shift:.3g}."
        return "The cause is mean, weight and bias of the normalisation together."
    bias = 0.0 if layer.bias is None else float(layer.bias[index])
    free = highest - bias
    if free > 0:
        return f"The cause is its bias of {bias:.3g}: without it that would be {free:.3g}."
    return f"The cause is its weights: even without its bias of {bias:.3g} it would rest."


def drawings(record: LayerRecord, index: int) -> tuple[Drawing, ...]:
    """In how many images every filter of the layer responds, and the kernels of this one."""
    maps = record.activated
    assert maps is not None
    return (
        filter_bars(
            record,
            "share of images in which each filter responds",
            maps.active_images / maps.images,
            (index,),
            {"almost dead": RARE},
            "share of images",
        ),
        kernels_of(record, (index,)),
    )
