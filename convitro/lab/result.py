"""What a training leaves: the numbers of every epoch, how it ended, and the network."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from convitro.anatomy.indexing import evenly
from convitro.anatomy.tables import Table, Tabled
from convitro.lab.recipe import Recipe
from convitro.plots import Curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from torch import Tensor

ROWS = 16
"""Epochs that a table shows at most."""


@dataclass(frozen=True)
class Epoch:
    """The numbers of one epoch.

    Attributes:
        epoch: counted from 1.
        loss, accuracy: mean over the training pictures, while they were trained on; accuracy in 0..1.
        validation_loss, validation_accuracy: of the pictures held out, after the epoch; None without any.
        learning_rate: of its last step.
        seconds: of the steps alone, without validation and writing.
        images_per_s: pictures trained on per second, all processes together.
    """

    epoch: int
    loss: float
    accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    learning_rate: float
    seconds: float
    images_per_s: float

    def curve(self) -> tuple[float | None, ...]:
        """What does not depend on the speed of the machine."""
        return (
            self.loss,
            self.accuracy,
            self.validation_loss,
            self.validation_accuracy,
            self.learning_rate,
        )


@dataclass(frozen=True)
class Training(Tabled):
    """A training that came to its end.

    Attributes:
        network, data: their names.
        recipe: how it was trained.
        epochs: the numbers of each, in order.
        ended: "finished", "stopped early" (`patience`), or "diverged" (the loss became infinite or NaN).
        kept: the epoch whose weights the network has.
        test_loss, test_accuracy: of the test pictures, with these weights; None without any.
        classes: their names.
        parameters: how many numbers were learned.
        model: the trained network, in evaluation mode, on the CPU.
        folder: where it was written; None for nowhere.
    """

    network: str
    data: str
    recipe: Recipe
    epochs: tuple[Epoch, ...]
    ended: str
    kept: int
    test_loss: float | None
    test_accuracy: float | None
    classes: tuple[str, ...]
    parameters: int
    model: nn.Module = field(repr=False, compare=False)
    folder: Path | None = None

    @property
    def failed(self) -> bool:
        """Whether the loss became infinite or NaN."""
        return self.ended == "diverged"

    def curve(self, name: str = "loss") -> Tensor:
        """One number per epoch, float64 (E,); NaN where it was not measured.

        Args:
            name: an attribute of `Epoch`.
        """
        values = [getattr(epoch, name) for epoch in self.epochs]
        return torch.tensor([math.nan if value is None else value for value in values], dtype=torch.float64)

    def plot(self, name: str = "loss", ax: Axes | None = None) -> Axes:
        """Its curve over the epochs, and that of the pictures held out.

        Args:
            name: "loss" or "accuracy", or another attribute of `Epoch`.
            ax: as for every display of `convitro.plots`.
        """
        return self.curves(name).plot(ax)

    def curves(self, name: str = "loss") -> Curves:
        """What `plot` draws, as a display of `convitro.plots`."""
        places = torch.arange(1, len(self.epochs) + 1)
        lines = {"training": (places, self.curve(name))}
        if name in ("loss", "accuracy") and self.epochs and self.epochs[0].validation_loss is not None:
            lines["held out"] = (places, self.curve(f"validation_{name}"))
        title = f"{name.replace('_', ' ')}: {self.network} on {self.data}"
        return Curves(title, lines, x_label="epoch")

    def to_dict(self) -> dict[str, Any]:
        """Everything but the network, as strict JSON."""
        return {
            "network": self.network,
            "data": self.data,
            "recipe": self.recipe.to_dict(),
            "ended": self.ended,
            "kept": self.kept,
            "test_loss": strict(self.test_loss),
            "test_accuracy": self.test_accuracy,
            "classes": list(self.classes),
            "parameters": self.parameters,
            "epochs": [epoch_dict(epoch) for epoch in self.epochs],
        }

    def table(self) -> Table:
        """Up to 16 epochs, the first and the last among them."""
        recipe = self.recipe
        aggregation = recipe.to_dict()["aggregation"] or "its own"
        shown = evenly(len(self.epochs), ROWS)
        notes = [self._ending()]
        if len(shown) < len(self.epochs):
            notes.append(f"{len(shown)} of {len(self.epochs)} epochs are shown.")
        if self.test_accuracy is not None:
            notes.append(f"Test: loss {self.test_loss:.4f}, accuracy {self.test_accuracy:.2%}.")
        return Table(
            f"{self.network} on {self.data}: aggregation {aggregation}, seed {recipe.seed}, "
            f"{self.parameters:,} parameters",
            ("epoch", "loss", "accuracy", "held out: loss", "accuracy", "rate", "images/s"),
            tuple(_row(self.epochs[index]) for index in shown),
            tuple(notes),
            numeric=tuple(range(7)),
        )

    def _ending(self) -> str:
        last = self.epochs[-1].epoch
        if self.failed:
            return (
                f"Diverged in epoch {last}: the loss is no finite number. A smaller learning rate may help."
            )
        seconds = sum(epoch.seconds for epoch in self.epochs)
        kept = f"; the weights are those of epoch {self.kept}" if self.kept != last else ""
        return f"{self.ended.capitalize()} after epoch {last}, {duration(seconds)} of training{kept}."


def epoch_dict(epoch: Epoch) -> dict[str, Any]:
    """An epoch as strict JSON."""
    return {name: strict(value) for name, value in asdict(epoch).items()}


def epoch_of(values: dict[str, Any]) -> Epoch:
    """The epoch that `epoch_dict` wrote, bit for bit."""
    numbers: dict[str, Any] = {
        name: float(value) if isinstance(value, str) else value for name, value in values.items()
    }
    return Epoch(**numbers)


def strict(value: Any) -> Any:
    """A number as strict JSON can hold it: infinities and NaN as words that `float` reads."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def duration(seconds: float) -> str:
    """Seconds as a person says them.

    Example:
        >>> duration(3.21), duration(75), duration(7384)
        ('3.2 s', '1 min 15 s', '2 h 3 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _row(epoch: Epoch) -> tuple[str, ...]:
    held_out = epoch.validation_loss, epoch.validation_accuracy
    return (
        str(epoch.epoch),
        f"{epoch.loss:.4f}",
        f"{epoch.accuracy:.2%}",
        "" if held_out[0] is None else f"{held_out[0]:.4f}",
        "" if held_out[1] is None else f"{held_out[1]:.2%}",
        f"{epoch.learning_rate:.3g}",
        f"{epoch.images_per_s:,.0f}",
    )
