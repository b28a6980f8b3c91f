"""What the views have found out about the open filter, for a saved session, under the page's own keys.

A dissection is enough for the cards of the aggregations and for the cancellation: they are always here. What
takes a run of the network, or of a data set, is here where somebody has looked at it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from convitro.anatomy import Anatomy, LayerAnatomy
from convitro.anatomy.projections.rules import METHODS
from convitro.errors import ConvitroError
from convitro.explorer.parameters import Parameters
from convitro.explorer.problems import RequestProblem
from convitro.explorer.session import Picture, Session
from convitro.explorer.training import Following
from convitro.view import (
    Document,
    cancellation_document,
    combined_document,
    compared_document,
    health_document,
    patches_document,
)
from convitro.view.network import aggregation_words
from convitro.view.training import FILTERS_PER_PAGE

Dissected = tuple[Picture, Anatomy]
Found = Iterator[tuple[str, Document]]


@dataclass(frozen=True)
class Opened:
    """What the page shows: one filter of a layer on some pictures.

    Args:
        following: the session and its training, if it has one.
        pictures: the open one first, each with the network dissected on it.
        layer, filter: the open filter.
        unit: the pixel (y, x) that is looked at; None is the strongest.
        epoch: of the training; None is the newest.
    """

    following: Following
    pictures: Sequence[Dissected]
    layer: str
    filter: int
    unit: tuple[int, int] | None = None
    epoch: int | None = None

    @property
    def session(self) -> Session:
        """The open network."""
        return self.following.session

    @property
    def page(self) -> int:
        """The first filter of the page of a training that holds the open one."""
        return self.filter - self.filter % FILTERS_PER_PAGE

    def documents(self) -> dict[str, Document]:
        """All that is known, what matters most first."""
        first, *others = self.pictures
        found = chain(
            self.health(),
            *(self.beside(*other) for other in others),
            self.training(first[0]),
            self.combined(*first),
            self.projections(),
            self.patches(),
            *(self.combined(*other) for other in others),
            self.training_beside(first[0], first[1][self.layer]),
        )
        return dict(found)

    def beside(self, picture: Picture, anatomy: Anatomy) -> Found:
        """The filter on one more picture, for it may not fit as a whole."""
        session, layer = self.session, anatomy[self.layer]
        facts = {"id": picture.id, "name": picture.name, "classes": session.network.classes}
        pixels = session.pixels(picture)
        document = compared_document(anatomy, layer, self.filter, None, pixels, facts)
        yield key("compared", picture.id, self.layer, self.filter, ""), document

    def combined(self, picture: Picture, anatomy: Anatomy) -> Found:
        """Its channels combined in every way, and what the network answered then as far as it has run."""
        layer, place = anatomy[self.layer], (picture.id, self.layer)
        yield key("cancellation", *place, self.filter), cancellation_document(layer, self.filter)
        trained = layer.aggregation.spec
        words = aggregation_words(each.aggregation for each in anatomy.values())
        specs = [word["spec"] for word in words if not word["separate"]]
        for spec in sorted(specs, key=lambda spec: spec != trained):
            asked = "" if spec == trained else spec
            outcome = self.session.outcomes.get((*place, spec))
            if outcome is not None:
                yield key("outcome", *place, asked), outcome
            try:
                document = combined_document(layer, self.filter, spec, whole=True)
            except ConvitroError:
                continue  # one of somebody's own, which this layer refuses: the card says that it is not here
            yield key("combined", *place, self.filter, asked), document

    def projections(self) -> Found:
        """What came back from it to the pictures; by every method from the pixel where somebody looks now."""
        session, ids = self.session, {picture.id for picture, _ in self.pictures}
        shown, place = self.pictures[0][0].id, (self.layer, self.filter)
        if any(seen[:4] == (shown, *place, self.unit) for seen in session.projections):
            for method in METHODS:
                session.projection(shown, *place, self.unit, method)
        for seen, document in list(session.projections.items()):
            if seen.picture in ids and (seen.layer, seen.filter) == place:
                pixel = "" if seen.unit is None else "{},{}".format(*seen.unit)
                yield key("projection", seen.picture, *place, pixel, seen.method), document

    def patches(self) -> Found:
        """What makes it most active, where that has been looked for."""
        session, looking = self.session, self.session.looking
        found = looking.found.get(self.layer)
        if found is not None:
            with session.running:  # the patches are projected one by one
                document = patches_document(session.network, found, self.filter, looking.images.name)
            yield key("patches", self.layer, self.filter), document

    def health(self) -> Found:
        """The network looked over, where that has been done."""
        looking = self.session.looking
        if looking.looked_over:
            yield "health", health_document(looking.health, looking.images.name)

    def training(self, picture: Picture) -> Found:
        """The curves of the training; the layer's filters at its start and after the epoch that is shown."""
        if self.following.run is None:
            return
        document = self.following.training()
        epochs = self.epochs()
        yield "training", Document({**document.manifest, "epochs": epochs}, {})
        query = {"picture": picture.id, "layer": self.layer}
        try:
            for epoch in epochs:
                asked = Parameters({**query, "epoch": str(epoch), "start": str(self.page)})
                yield key("epoch", picture.id, self.layer, epoch, self.page), self.following.epoch(asked)
                yield self.at_epoch(picture, epoch, self.filter)
            yield key("movement", picture.id, self.layer), self.following.movement(Parameters(query))
        except RequestProblem:
            return  # this layer's weights were not kept: the view says that they are not here

    def training_beside(self, picture: Picture, layer: LayerAnatomy) -> Found:
        """The filters beside it in the training, that a click opens."""
        if self.following.run is None:
            return
        page = range(self.page, min(self.page + FILTERS_PER_PAGE, layer.filters))
        for filter in page:
            if filter == self.filter:
                continue  # `training` has brought it
            for epoch in self.epochs():
                try:
                    yield self.at_epoch(picture, epoch, filter)
                except RequestProblem:
                    return

    def at_epoch(self, picture: Picture, epoch: int, filter: int) -> tuple[str, Document]:
        """One filter after an epoch."""
        query = {"picture": picture.id, "layer": self.layer, "epoch": str(epoch), "filter": str(filter)}
        document = self.following.epoch_filter(Parameters(query))
        return key("epochFilter", picture.id, self.layer, epoch, filter), document

    def epochs(self) -> list[int]:
        """The first epoch that was kept, and the one that is shown."""
        kept = list(self.following.run.snapshots()) if self.following.run is not None else []
        shown = [epoch for epoch in kept if self.epoch is None or epoch <= self.epoch] or kept
        return sorted({*kept[:1], *shown[-1:]})


def key(kind: str, *place: object) -> str:
    """Under which name the page looks for a document: what it is, and of what."""
    return "\n".join([kind, *map(str, place)])
