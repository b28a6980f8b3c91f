"""The training that the page follows: its numbers, and the network as it was after each epoch.

The explorer does not know how a training keeps its files: it is given an object that can be asked (`Run`).
The lab's is `convitro.lab.Run`; the command line brings the two together.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor, nn

from convitro.anatomy import Anatomy, LayerAnatomy, dissect
from convitro.anatomy.indexing import evenly
from convitro.errors import LoadError
from convitro.explorer.parameters import Parameters
from convitro.explorer.problems import RequestProblem
from convitro.explorer.session import Session
from convitro.view import (
    Document,
    epoch_document,
    epoch_filter_document,
    epoch_maps_document,
    moved,
    movement_document,
    training_document,
)

MAX_ANATOMIES = 4  # as the session's: a ResNet at 224x224 holds some 100 MB
MAX_MOVES = 4096  # one number per filter each
MAX_EPOCHS = 256  # of a curve of movement
MOST_EPOCHS = 10**9


class Run(Protocol):
    """A training that can be looked at while it goes on or later."""

    def facts(self) -> Mapping[str, Any]:
        """Where it stands, as JSON; the keys are those of `convitro.lab.Run.facts`."""

    def snapshots(self) -> Sequence[int]:
        """The epochs whose network was kept, in order; 0 is before the first one."""

    def weights(self, epoch: int, names: tuple[str, ...]) -> Mapping[str, Tensor]:
        """Entries of the state dict after that epoch, those of them that were kept."""

    def model(self, epoch: int) -> nn.Module:
        """The network after that epoch, in evaluation mode; a LoadError where its maps cannot be made."""

    def answers(self, epoch: int) -> bool:
        """Whether the network of that epoch was kept to its end."""


@dataclass
class Following:
    """A training beside an open network. Methods may be called from any thread.

    Args:
        session: the open network and its pictures.
        run: the training; None where there is none.
    """

    session: Session
    run: Run | None
    anatomies: OrderedDict[tuple[int, str], Anatomy] = field(default_factory=OrderedDict)
    moves: OrderedDict[tuple[str, int], Tensor] = field(default_factory=OrderedDict)

    def by(self, session: Session) -> Following:
        """The same beside a session; another network than this one has no training."""
        return self if session is self.session else Following(session, None)

    def training(self) -> Document:
        """Where the training stands."""
        if self.run is None:
            return training_document(None, ())
        return training_document(self.run.facts(), self.run.snapshots())

    def epoch(self, parameters: Parameters) -> Document:
        """A page of a layer's filters after an epoch, with their maps where these can be made."""
        run, epoch = self.asked(parameters)
        picture, layer = self.opened(parameters)
        start = parameters.integer("start", layer.filters)
        try:
            anatomy = self.anatomy(run, epoch, picture)
        except LoadError as error:
            weight = self.weight(run, epoch, layer)
            return epoch_document(layer, epoch, start, weight, {"no_maps": error.hint or error.problem})
        classes = self.session.network.classes if run.answers(epoch) else None
        return epoch_maps_document(anatomy, layer.name, epoch, start, classes)

    def epoch_filter(self, parameters: Parameters) -> Document:
        """One filter after an epoch."""
        run, epoch = self.asked(parameters)
        picture, layer = self.opened(parameters)
        filter = parameters.filter(layer)
        try:
            then = self.anatomy(run, epoch, picture)[layer.name]
        except LoadError:
            weight = self.weight(run, epoch, layer)
            return epoch_filter_document(layer, epoch, filter, weight, mapped=False)
        return epoch_filter_document(then, epoch, filter, then.weight, mapped=True)

    def movement(self, parameters: Parameters) -> Document:
        """How far the filters of a layer have moved: over at most 256 epochs, the first and last included."""
        run = self.followed()
        _, layer = self.opened(parameters)
        kept = run.snapshots()
        epochs = [kept[index] for index in evenly(len(kept), MAX_EPOCHS)]
        if not epochs or entry_of(layer.name) not in run.weights(epochs[0], (entry_of(layer.name),)):
            return movement_document(layer.name, (), ())  # a function's weights have no name of their own
        start = self.weight(run, epochs[0], layer)
        rows = []
        for epoch in epochs:
            key = layer.name, epoch
            if key not in self.moves:
                self.moves[key] = moved(self.weight(run, epoch, layer), start)
            rows.append(self.moves[key])
        while len(self.moves) > MAX_MOVES:
            self.moves.popitem(last=False)
        return movement_document(layer.name, epochs, rows)

    def followed(self) -> Run:
        """The training.

        Raises:
            RequestProblem: 404, there is none.
        """
        if self.run is None:
            hint = "start the explorer with --run and the folder of a training"
            raise RequestProblem(404, "There is no training to follow.", hint)
        return self.run

    def asked(self, parameters: Parameters) -> tuple[Run, int]:
        """The training, and an epoch of it whose network was kept."""
        run, epoch = self.followed(), parameters.integer("epoch", MOST_EPOCHS)
        kept = run.snapshots()
        if epoch not in kept:
            hint = f"there are epochs {kept[0]} to {kept[-1]}" if kept else "this run keeps no filters"
            raise RequestProblem(404, f"The network of epoch {epoch} was not kept.", hint)
        return run, epoch

    def opened(self, parameters: Parameters) -> tuple[str, LayerAnatomy]:
        """The picture that is asked for, and the layer of the open network."""
        picture, anatomy = self.session.anatomy(parameters.text("picture"))
        return picture.id, parameters.layer(anatomy)

    def anatomy(self, run: Run, epoch: int, picture: str) -> Anatomy:
        """The network of an epoch dissected on a picture; the last four are kept."""
        key = epoch, picture
        with self.session.running:
            if key not in self.anatomies:
                pixels = self.session.input(self.session.find(picture))
                self.anatomies[key] = dissect(run.model(epoch).float(), pixels)
            self.anatomies.move_to_end(key)
            while len(self.anatomies) > MAX_ANATOMIES:
                self.anatomies.popitem(last=False)
            return self.anatomies[key]

    def weight(self, run: Run, epoch: int, layer: LayerAnatomy) -> Tensor:
        """The weights of a layer after an epoch.

        Raises:
            RequestProblem: 404, they were not kept under its name, or have another shape.
        """
        entry = entry_of(layer.name)
        weight = run.weights(epoch, (entry,)).get(entry)
        if weight is None or weight.shape != layer.weight.shape:
            raise RequestProblem(404, f"The filters of {layer.name} were not kept in epoch {epoch}.")
        return weight


def entry_of(layer: str) -> str:
    """Where a layer's weights stand in a state dict; further calls of it ("conv#2") have the same."""
    return f"{layer.partition('#')[0]}.weight"
