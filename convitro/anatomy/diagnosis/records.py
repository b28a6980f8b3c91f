"""What a run over a data set leaves behind: one record for each layer, and what the network answered."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from convitro.anatomy.convolution import Convolution
from convitro.anatomy.diagnosis.maps import MapStatistics
from convitro.anatomy.diagnosis.sample import Cancelled, Likeness
from convitro.anatomy.diagnosis.tails import Tails

FEWEST_IMAGES = 16  # below, maps are not compared with each other: one picture is no evidence


@dataclass(frozen=True)
class LayerRecord:
    """One convolution layer over all images so far.

    Args:
        layer: its weights and geometry; the input in it is a shape without values.
        output: numbers of its maps with bias, before anything follows.
        before: of what the activation saw: the same, unless a normalisation or pooling stands between.
        activated: of what the activation made of it; None without activation.
        tails: where that activation is constant.
        likeness, cancelled: from the first images only; None where the layer cannot be asked.
        weight_key: the same for layers with the same weights.
    """

    layer: Convolution
    output: MapStatistics
    before: MapStatistics
    activated: MapStatistics | None
    tails: Tails
    likeness: Likeness | None
    cancelled: Cancelled | None
    weight_key: int

    @property
    def name(self) -> str:
        """The layer's name, as `dissect` gives it."""
        return self.layer.name

    @property
    def passed_on(self) -> MapStatistics:
        """The numbers of the activated maps, or of the output where no activation follows."""
        return self.output if self.activated is None else self.activated

    @property
    def comparable(self) -> bool:
        """Whether there were enough images to compare the maps of filters."""
        return self.output.images >= FEWEST_IMAGES

    def merge(self, other: LayerRecord) -> LayerRecord:
        """The record of both sets of images."""
        return replace(
            self,
            output=self.output.merge(other.output),
            before=self.before.merge(other.before),
            activated=either(self.activated, other.activated),
            likeness=either(self.likeness, other.likeness),
            cancelled=either(self.cancelled, other.cancelled),
        )


class Mergeable(Protocol):
    """Numbers of some images, to which those of others can be added."""

    def merge(self, other: Any) -> Any:
        """The numbers of both."""


Numbers = TypeVar("Numbers", bound=Mergeable)


def either(one: Numbers | None, other: Numbers | None) -> Numbers | None:
    """Both merged; the one that there is; or None."""
    if one is None or other is None:
        return other if one is None else one
    merged: Numbers = one.merge(other)
    return merged


@dataclass(frozen=True)
class Answers:
    """How the network's scores fit the labels of a data set.

    Args:
        images: how many had a label.
        hits: for how many the highest score is the label's.
        loss: the sum of their cross-entropies, in nats.
        classes: how many scores there are.
        labels: how often each class is the label.
    """

    images: int
    hits: int
    loss: float
    classes: int
    labels: Tensor = field(repr=False)

    @property
    def accuracy(self) -> float:
        """Share of hits, 0..1."""
        return self.hits / self.images

    @property
    def guess(self) -> float:
        """The accuracy of always answering the most frequent class."""
        return int(self.labels.max()) / self.images

    def merge(self, other: Answers) -> Answers:
        """Both data sets together."""
        return Answers(
            self.images + other.images,
            self.hits + other.hits,
            self.loss + other.loss,
            self.classes,
            self.labels + other.labels,
        )


def answers(scores: object, labels: Tensor | None) -> Answers | None:
    """How scores (N, K) fit labels (N,); None where they are not of this form."""
    if not isinstance(scores, Tensor) or labels is None or scores.ndim != 2 or scores.shape[1] < 2:
        return None
    labels = labels.to(scores.device)
    if labels.shape != scores.shape[:1] or labels.is_floating_point() or labels.dtype == torch.bool:
        return None
    count = scores.shape[1]
    if not len(labels) or int(labels.min()) < 0 or int(labels.max()) >= count:
        return None
    scores = scores.double()
    probabilities = bool((scores >= 0).all() and ((scores.sum(1) - 1).abs() < 1e-3).all())
    logarithms = scores.clamp_min(1e-30).log() if probabilities else scores.log_softmax(1)
    return Answers(
        len(labels),
        int((scores.argmax(1) == labels).sum()),
        float(F.nll_loss(logarithms, labels.long(), reduction="sum")),
        count,
        torch.bincount(labels.long().cpu(), minlength=count),
    )
