"""Run a model over a data set and take the numbers of every layer where its maps pass by."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from convitro.anatomy.batches import Batches
from convitro.anatomy.diagnosis.maps import MapStatistics, measure
from convitro.anatomy.diagnosis.records import Answers, LayerRecord, answers, either
from convitro.anatomy.diagnosis.sample import (
    CANCELLATION_IMAGES,
    LIKENESS_IMAGES,
    Cancelled,
    cancelled,
    likeness,
    on_grid,
)
from convitro.anatomy.diagnosis.tails import Tails, tails_of
from convitro.anatomy.observe import device_of
from convitro.anatomy.stages import Activation, Stage
from convitro.anatomy.trace import Traced, Tracer
from convitro.progress import track


@dataclass(frozen=True)
class Step:
    """The maps of a layer after one of its stages, in numbers, and some of their pixels."""

    stage: Stage | None
    maps: MapStatistics
    tails: Tails
    grid: Tensor | None


@dataclass
class Passage:
    """What was measured of one convolution: after how many stages, and its cancellation."""

    traced: Traced
    cancelled: Cancelled | None = None
    weight_key: int = 0
    steps: dict[int, Step] = field(default_factory=dict)


class Collector(Tracer):
    """Watches one batch. Nothing is copied: every map is measured before the model goes on.

    Args:
        model: what will run.
        done: how many images of the data set came before; only its first ones are sampled.
    """

    def __init__(self, model: nn.Module, done: int) -> None:
        super().__init__(model)
        self.likened = max(0, LIKENESS_IMAGES - done)
        self.asked = max(0, CANCELLATION_IMAGES - done)
        self.passages: dict[int, Passage] = {}

    def records(self) -> dict[str, LayerRecord]:
        """One record for each convolution of the run, once it is over and the chains are final."""
        return {
            passage.traced.convolution.name: record_of(passage)
            for passage in self.passages.values()
            if passage.steps
        }

    def _record(self, call: dict[str, Any], result: Tensor) -> None:
        key = id(call["weight"])
        super()._record(call, result)
        traced = self.traced[-1]
        layer = traced.convolution
        passage = self.passages[id(traced)]
        passage.weight_key = key
        with torch._C.DisableTorchFunction():
            passage.cancelled = cancelled(layer, batched(result), self.asked)
        traced.convolution = replace(layer, input=torch.empty_like(layer.input, device="meta"))

    def _copy(self, tensor: Tensor) -> Tensor:
        """The tensor itself: it is only looked at while it still has its values."""
        return tensor.detach()

    def _put(self, tensor: Tensor, traced: Traced) -> None:
        super()._put(tensor, traced)
        passage = self.passages.setdefault(id(traced), Passage(traced))
        stages = traced.chain.stages
        depth, stage = len(stages), stages[-1] if stages else None
        known = passage.steps.get(depth)
        if known is not None and known.stage is stage:  # a copy of maps that were measured
            return
        if tells_nothing(stages):
            return
        maps = batched(tensor)
        tails = tails_of(stage) if isinstance(stage, Activation) else Tails()
        filters = traced.convolution.filters
        grid = on_grid(maps[: self.likened]) if self.likened else None
        passage.steps[depth] = Step(stage, measure(maps, filters, tails), tails, grid)


def batched(maps: Tensor) -> Tensor:
    """Maps with a batch axis, which those of a single image may lack."""
    return maps if maps.ndim == 4 else maps.unsqueeze(0)


def tells_nothing(stages: tuple[Stage, ...]) -> bool:
    """Whether the activation came earlier: what follows it neither kills a filter nor revives it."""
    return any(isinstance(stage, Activation) for stage in stages[:-1])


def record_of(passage: Passage) -> LayerRecord:
    """The steps of one convolution as its record."""
    steps, layer, chain = passage.steps, passage.traced.convolution, passage.traced.chain
    place = next((i for i, stage in enumerate(chain.stages) if isinstance(stage, Activation)), None)
    last = steps.get(place + 1) if place is not None else None
    shown = last or steps[0]
    before = steps[max(depth for depth in steps if depth <= (place if place is not None else 0))]
    return LayerRecord(
        layer=replace(layer, chain=chain),
        output=steps[0].maps,
        before=before.maps,
        activated=last.maps if last is not None else None,
        tails=last.tails if last is not None else Tails(),
        likeness=None if shown.grid is None else likeness(shown.grid, layer.filters, shown.tails.rest),
        cancelled=passage.cancelled,
        weight_key=passage.weight_key,
    )


@dataclass
class Records:
    """All that one pass over a data set has left.

    Args:
        images: how many images were seen.
        layers: by name, in execution order.
        answers: how the scores fit the labels; None without labels.
        input_square: sum of the squares of all values of the images, and
        input_values: how many there are.
    """

    images: int = 0
    layers: dict[str, LayerRecord] = field(default_factory=dict)
    answers: Answers | None = None
    input_square: float = 0.0
    input_values: int = 0

    def add(self, layers: dict[str, LayerRecord], images: Tensor, answered: Answers | None) -> None:
        """Take in what one batch has left."""
        for name, record in layers.items():
            self.layers[name] = self.layers[name].merge(record) if name in self.layers else record
        self.answers = either(self.answers, answered)
        self.input_square += float(
            torch.linalg.vector_norm(images.float().flatten(1), dim=1).double().square().sum()
        )
        self.input_values += images.numel()
        self.images += len(images)

    @property
    def input_rms(self) -> float:
        """Root mean square of the images."""
        return float((self.input_square / max(self.input_values, 1)) ** 0.5)


def collect(model: nn.Module, data: Batches, doing: str) -> Records:
    """Run `model`, in evaluation mode, once over `data`; one batch is in memory at a time."""
    records, device = Records(), device_of(model)
    for images, labels in track(data, doing, total=data.total, size=lambda batch: len(batch[0])):
        collector = Collector(model, records.images)
        scores = collector.run(images.to(device), mode="eval")
        records.add(collector.records(), images, answers(scores, labels))
    return records


def answered(model: nn.Module, data: Batches, doing: str) -> Answers | None:
    """What the model answers to labelled images, without looking inside."""
    total: Answers | None = None
    device, was_training = device_of(model), [module for module in model.modules() if module.training]
    model.eval()
    try:
        for images, labels in track(data, doing, total=data.total, size=lambda batch: len(batch[0])):
            with torch.no_grad():
                total = either(total, answers(model(images.to(device)), labels))
    finally:
        for module in was_training:
            module.training = True
    return total
