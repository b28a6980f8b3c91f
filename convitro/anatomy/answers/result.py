"""What a network answers to one image, and what each of its last maps had to say about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from convitro.anatomy.answers.lastlinear import LastLinear
from convitro.anatomy.tables import Table, Tabled, json_numbers, number
from convitro.errors import ArgumentError

SHOWN = 10
ENDINGS = {
    "softmax": "the network ends in a softmax: what it returns are shares already",
    "log_softmax": "the network ends in a log-softmax: what it returns are logarithms of shares",
    "sigmoid": "the network ends in a sigmoid: every class has a share of its own, they need not add up to 1",
    "one": "the network returns one score; its sigmoid is the share of the one class against its absence",
    "scores": "the network returns scores; softmax makes shares of them",
}


@dataclass(frozen=True, eq=False, repr=False)
class Answer(Tabled):
    """How scores become shares, and the scores a sum over the last maps.

    score = sum of inputs · weights + bias, of the last linear layer; share = e^score / sum over all e^score.

    Args:
        model: name of the model.
        returned: (K,) float64: what the network returned.
        ending: how that stands to the scores: a key of `ENDINGS`.
        scores: (K,) float64: what the shares are made of; None where the network keeps it to itself.
        linear: the layer that made the scores, of this image alone; None where none did.
        reason: why the scores are not sums over maps, as a sentence; "" where they are.
        classes: what the classes are called; those beyond are known by their number.
    """

    model: str
    returned: Tensor
    ending: str
    scores: Tensor | None
    linear: LastLinear | None
    reason: str
    classes: Sequence[str] = ()

    @cached_property
    def shares(self) -> Tensor:
        """(K,) float64: what each class gets of the whole, 0 to 1."""
        if self.ending == "softmax":
            return self.returned if self.scores is None else torch.softmax(self.scores, dim=0)
        if self.ending == "sigmoid":
            return self.returned
        assert self.scores is not None
        return torch.sigmoid(self.scores) if self.ending == "one" else torch.softmax(self.scores, dim=0)

    @cached_property
    def powers(self) -> Tensor | None:
        """(K,) float64: e^(score - largest score); None where there is no softmax over known scores."""
        if self.scores is None or self.ending in ("sigmoid", "one"):
            return None
        return torch.exp(self.scores - self.scores.amax())

    @cached_property
    def order(self) -> tuple[int, ...]:
        """All classes, the one with the largest share first."""
        return tuple(self.shares.nan_to_num(-1.0).argsort(descending=True, stable=True).tolist())

    @property
    def unit(self) -> str:
        """What the parts of a score belong to: a "map", a "feature" of the last linear layer, or ""."""
        if self.linear is None:
            return ""
        return "feature" if self.linear.maps is None else "map"

    @cached_property
    def features(self) -> Tensor:
        """(F,) float64: what the last linear layer takes.

        Raises:
            ArgumentError: no linear layer made the scores.
        """
        return self._layer().inputs[0].double()

    def contributions(self, index: int) -> Tensor:
        """What each last map (or feature, where they are no maps) adds to the score of a class: (C,) float64.

        Their sum and the bias are the score.

        Raises:
            ArgumentError: no linear layer made the scores, or there is no such class.
        """
        parts = self._grouped(index)
        return parts if parts.ndim == 1 else parts.sum(dim=(1, 2))

    def places(self, index: int) -> Tensor | None:
        """What each place of the last maps adds to the score of a class: (H, W) float64.

        Of averaged maps that is the class activation map of Zhou et al. 2016 (over the number of pixels).
        None where the layer takes no maps, or only the largest value of each.

        Raises:
            ArgumentError: no linear layer made the scores, or there is no such class.
        """
        parts, maps = self._grouped(index), self._layer().maps
        if maps is None or maps.how == "largest value":
            return None
        if parts.ndim == 3:
            return parts.sum(dim=0)
        weight = self._layer().weight[index].double()
        return torch.einsum("c,chw->hw", weight, maps.values[0].double()) / maps.values[0, 0].numel()

    def bias(self, index: int) -> float:
        """What is added to the score of a class whatever the image.

        Raises:
            ArgumentError: no linear layer made the scores, or there is no such class.
        """
        bias = self._layer().bias
        return 0.0 if bias is None else float(bias.reshape(-1)[self._checked(index)])

    def name(self, index: int) -> str:
        """What a class is called."""
        return str(self.classes[index]) if index < len(self.classes) else f"class {index}"

    def why(self, index: int, against: int | None = None, strongest: int = 5) -> Table:
        """The maps that speak most for a class and most against it; `against` another one, their difference.

        Args:
            index: the class.
            against: another class: "why this one and not that one".
            strongest: how many on either side.

        Raises:
            ArgumentError: no linear layer made the scores, or there is no such class.
        """
        parts, bias = self.contributions(index), self.bias(index)
        title = self.name(index)
        if against is not None:
            parts, bias = parts - self.contributions(against), bias - self.bias(against)
            title = f"{title} and not {self.name(against)}"
        order = parts.argsort(descending=True, stable=True).tolist()
        most = [at for at in order[:strongest] if parts[at] > 0]
        least = [at for at in order[::-1][:strongest] if parts[at] < 0]
        rest = float(parts.sum() - parts[most + least].sum())
        rows = [(f"{self.unit} {at}", f"{float(parts[at]):+.6g}") for at in (*most, *reversed(least))]
        rows += [("the others", f"{rest:+.6g}"), ("bias", f"{bias:+.6g}")]
        rows += [
            ("score" if against is None else "difference of scores", f"{float(parts.sum()) + bias:+.6g}")
        ]
        return Table(f"{self.model}: {title}", ("part", "adds"), tuple(rows), numeric=(1,))

    def to_dict(self) -> dict[str, Any]:
        """Scores and shares of all classes as JSON types."""
        return {
            "model": self.model,
            "ending": self.ending,
            "classes": [self.name(index) for index in range(len(self.returned))],
            "returned": json_numbers(self.returned),
            "scores": None if self.scores is None else json_numbers(self.scores),
            "shares": json_numbers(self.shares),
            "layer": None if self.linear is None else self.linear.name,
            "unit": self.unit,
            "reason": self.reason,
        }

    def table(self) -> Table:
        """The best ten classes: score, e^(score - largest), share."""
        cells = []
        for index in self.order[:SHOWN]:
            score = "" if self.scores is None else number(float(self.scores[index]))
            power = "" if self.powers is None else number(float(self.powers[index]))
            cells.append((self.name(index), score, power, number(float(self.shares[index]))))
        columns = ("class", "score", "e^(score - max)", "share")
        empty = {at for at in (1, 2) if not any(row[at] for row in cells)}
        kept = [at for at in range(4) if at not in empty]
        notes = [ENDINGS[self.ending]]
        if self.powers is not None:
            notes.append(
                f"sum of e^(score - max) over all {len(self.powers)}: {number(float(self.powers.sum()))}"
            )
        if self.linear is not None:
            notes.append(f"scores of {self.linear.name or 'the model'}: inputs · weights + bias")
        rows = tuple(tuple(row[at] for at in kept) for row in cells)
        return Table(
            f"{self.model}: the answer",
            tuple(columns[at] for at in kept),
            rows,
            notes=(*notes, *([self.reason] if self.reason else [])),
            numeric=tuple(range(1, len(kept))),
        )

    def _grouped(self, index: int) -> Tensor:
        """Input times weight of a class, by their places in the maps: (C, H, W), or (C,), or (F,)."""
        layer = self._layer()
        products = self.features * layer.weight[self._checked(index)].double()
        return products if layer.maps is None else layer.maps.grouped(products)

    def _layer(self) -> LastLinear:
        if self.linear is None:
            raise ArgumentError("answer: the scores cannot be taken apart.", received=self.reason)
        return self.linear

    def _checked(self, index: int) -> int:
        if not 0 <= index < len(self.returned):
            raise ArgumentError(
                "answer: there is no such class.",
                expected=f"0 … {len(self.returned) - 1}",
                received=str(index),
            )
        return index
