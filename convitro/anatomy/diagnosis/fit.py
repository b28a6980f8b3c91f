"""Over-fitting and under-fitting, from what the network answers on images it was trained on and on others."""

from __future__ import annotations

import math

import torch

from convitro.anatomy.diagnosis.finding import NETWORK, Finding
from convitro.anatomy.diagnosis.records import Answers
from convitro.plots import Bars

GAP = 0.1  # of accuracy, between data and held-out images
SURE = 3.0  # standard deviations that the gap must be away from 0
HALF_WAY = 0.5  # from guessing to no error
SURE_BELOW = 1.645  # one-sided, 95 %
FEWEST_LABELS = 100


def over_fitting(data: Answers | None, held_out: Answers | None) -> list[Finding]:
    """Whether the network knows its training images much better than others.

    The accuracy on `data` exceeds that on `held_out` by 10 points or more, and by at least 3 standard
    deviations of such a difference (pooled two-proportion z test, Agresti 2013, section 3.2).

    Source: own.
    """
    if data is None or held_out is None or min(data.images, held_out.images) < FEWEST_LABELS:
        return []
    gap = data.accuracy - held_out.accuracy
    pooled = (data.hits + held_out.hits) / (data.images + held_out.images)
    deviation = math.sqrt(pooled * (1 - pooled) * (1 / data.images + 1 / held_out.images))
    if gap < GAP or gap < SURE * deviation:
        return []
    return [
        Finding(
            "over-fitting",
            NETWORK,
            None,
            gap,
            "accuracy on the data less that on held-out images",
            GAP,
            f"{told(data)} on the data, {told(held_out)} on held-out images; the mean loss rises from "
            f"{data.loss / data.images:.3g} to {held_out.loss / held_out.images:.3g}.",
            "More images or more augmentation, weight decay or dropout, fewer filters, or stop training "
            "earlier. Look for noisy filters: a network that over-fits often shows some.",
            pictures=(
                Bars(
                    "accuracy",
                    torch.tensor([data.accuracy, held_out.accuracy]),
                    ("data", "held out"),
                    marks={"guessing": data.guess},
                    y_label="share of images",
                ),
            ),
        )
    ]


def under_fitting(data: Answers | None) -> list[Finding]:
    """Whether the network fails on the very images that it was trained on.

    It comes, with 95 % confidence, less than half the way from guessing the most frequent class to making no
    error. How hard the task is is not known here, so this is a question, not a verdict.

    Source: own.
    """
    if data is None or data.images < FEWEST_LABELS or data.guess >= 1:
        return []
    deviation = math.sqrt(max(data.accuracy * (1 - data.accuracy), 1e-12) / data.images)
    best = data.accuracy + SURE_BELOW * deviation
    if (best - data.guess) / (1 - data.guess) >= HALF_WAY:
        return []
    way = (data.accuracy - data.guess) / (1 - data.guess)
    uniform = math.log(data.classes)
    loss = data.loss / data.images
    worse = f", where giving every class the same chance has {uniform:.3g}" if loss > 0.9 * uniform else ""
    return [
        Finding(
            "under-fitting",
            NETWORK,
            None,
            way,
            "way from guessing to no error",
            HALF_WAY,
            f"{told(data)}, where always answering the most frequent class has {data.guess:.1%}. The mean "
            f"loss is {loss:.3g}{worse}.",
            "First make sure that the data are scaled and the classes ordered as in training. Then: train "
            "longer, a higher learning rate, less weight decay, more filters or layers.",
            pictures=(
                Bars(
                    "accuracy",
                    torch.tensor([data.accuracy, data.guess]),
                    ("network", "guessing"),
                    marks={"half way": data.guess + HALF_WAY * (1 - data.guess)},
                    y_label="share of images",
                ),
            ),
        )
    ]


def told(answers: Answers) -> str:
    """The accuracy in words."""
    return f"{answers.accuracy:.1%} of {answers.images:,} answers are right"
