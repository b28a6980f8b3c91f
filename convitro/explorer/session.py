"""What the server remembers: the network, the pictures of this run, and the last few dissections."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from threading import Lock
from typing import NamedTuple, TypeVar

from PIL import Image
from torch import Tensor

from convitro.aggregation import Aggregation, resolve
from convitro.anatomy import (
    Anatomy,
    LayerAnatomy,
    ReceptiveFields,
    Summary,
    deconvnet,
    dissect,
    receptive_field,
    rerun,
    summary,
)
from convitro.datasets import Dataset
from convitro.explorer.looking import Looking
from convitro.explorer.problems import RequestProblem
from convitro.pictures import bundled, load_picture, to_input
from convitro.sources import Network
from convitro.view import Document, outcome_document, projection_document

K = TypeVar("K")

MAX_ANATOMIES = 4  # as many as are compared; a ResNet at 224x224 holds some 100 MB
MAX_OUTCOMES = 1024  # a few numbers each
MAX_PROJECTIONS = 32  # three bytes for each pixel of the picture
MAX_OWN_PICTURES = 12
THUMBNAIL = (3, 48, 48)


class Sight(NamedTuple):
    """What a projection is of; without a unit it starts from the strongest one."""

    picture: str
    layer: str
    filter: int
    unit: tuple[int, int] | None
    method: str


@dataclass(frozen=True)
class Picture:
    """A picture under a short name; `id` is what the page sends back, never a path."""

    id: str
    name: str
    image: Image.Image


@dataclass
class Session:
    """One network and the pictures shown to it. Methods may be called from any thread.

    Args:
        network: the network to open.
        picture: the first picture: a bundled name, a path, or a file's bytes; None is the first bundled one.
        data: images 0..1 to look over; None takes details of the bundled photographs.
        id: what tells it from other sessions that share its pictures, its locks and its room for dissections.
    """

    network: Network
    picture: str | Path | bytes | None = None
    own: OrderedDict[str, Picture] = field(default_factory=OrderedDict)
    anatomies: OrderedDict[tuple[str, str], Anatomy] = field(default_factory=OrderedDict)
    outcomes: OrderedDict[tuple[str, str, str], Document] = field(default_factory=OrderedDict)
    projections: OrderedDict[Sight, Document] = field(default_factory=OrderedDict)
    lock: Lock = field(default_factory=Lock)
    running: Lock = field(default_factory=Lock)  # the network, which runs once at a time
    data: Dataset | None = None
    id: str = "0"

    @cached_property
    def first(self) -> str:
        """The id of the picture that the page opens with."""
        if self.picture is None:
            return bundled()[0]
        if isinstance(self.picture, str) and self.picture in bundled():
            return self.picture
        name = "your picture" if isinstance(self.picture, bytes) else Path(self.picture).name
        return self.add(self.picture, name, keep=True).id

    def add(self, source: str | Path | bytes, name: str, *, keep: bool = False) -> Picture:
        """Remember one's own picture; beyond twelve the oldest is forgotten, save one to `keep`.

        Raises:
            LoadError: it cannot be read (`pictures.load_picture`).
        """
        image = load_picture(source)
        image.thumbnail((1024, 1024))  # no network sees more, and twelve of a camera would fill the memory
        digest = hashlib.sha256(image.tobytes()).hexdigest()[:16]
        picture = Picture(f"start-{digest}" if keep else f"own-{digest}", name, image)
        with self.lock:
            self.own[picture.id] = picture
            self.own.move_to_end(picture.id)
            removable = [key for key in self.own if key.startswith("own-")]
            for key in removable[: max(0, len(removable) - MAX_OWN_PICTURES)]:
                del self.own[key]
        return picture

    def find(self, id: str) -> Picture:
        """The picture of an id; an empty id is the first picture.

        Raises:
            RequestProblem: 404, there is none, or it has been forgotten.
        """
        id = id or self.first
        with self.lock:
            if id in self.own:
                return self.own[id]
        if id in bundled():
            return Picture(id, id, load_picture(id))
        raise RequestProblem(404, "This picture is not here any more.", "choose or drop a picture again")

    def pixels(self, picture: Picture) -> Tensor:
        """The picture at the network's size, 0..1: (1, C, H, W)."""
        return to_input(picture.image, self.network.input_size)

    def input(self, picture: Picture) -> Tensor:
        """The picture as the network takes it: (1, C, H, W)."""
        return self.network.normalize(self.pixels(picture))

    def anatomy(self, id: str) -> tuple[Picture, Anatomy]:
        """The network dissected on a picture; the last four are kept.

        Raises:
            RequestProblem: 404, the picture is unknown.
        """
        picture = self.find(id)
        known = self.remembered(picture.id)
        if known is None:
            with self.running:  # not `lock`: what is known already must not wait for a long run
                known = self.remembered(picture.id)  # who ran before may have brought it
                if known is None:
                    known = dissect(self.network.model, self.input(picture))
                    self.remember(picture.id, known)
        return picture, known

    def remembered(self, id: str) -> Anatomy | None:
        """The network dissected on a picture, where that is still here."""
        with self.lock:
            known = self.anatomies.get((self.id, id))
            if known is not None:
                self.anatomies.move_to_end((self.id, id))
            return known

    def remember(self, id: str, anatomy: Anatomy) -> None:
        """Keep what a dissection gave; the oldest goes."""
        with self.lock:
            self.anatomies[self.id, id] = anatomy
            while len(self.anatomies) > MAX_ANATOMIES:
                self.anatomies.popitem(last=False)

    def forget(self) -> None:
        """Let go of the dissections of this network."""
        with self.lock:
            for key in [key for key in self.anatomies if key[0] == self.id]:
                del self.anatomies[key]

    @cached_property
    def looking(self) -> Looking:
        """What passes of a data set have found."""
        return Looking(self.network, self.running, self.data)

    @cached_property
    def fields(self) -> ReceptiveFields:
        """What every layer sees of a picture of the network's size."""
        with self.running:
            return receptive_field(self.network.model, self.network.input_size)

    @cached_property
    def summary(self) -> Summary:
        """Every layer of the network with its sizes and costs."""
        with self.running:
            return summary(self.network.model, self.network.input_size, verbose=0)

    def outcome(self, id: str, layer: LayerAnatomy, aggregation: str | Aggregation) -> Document:
        """What the network answers on a picture when a layer combines its channels that way; kept for later.

        Raises:
            RequestProblem: 404, the picture is unknown.
            UnsupportedError: the layer would return another number of maps.
        """
        picture, anatomy = self.anatomy(id)
        chosen = resolve(aggregation)

        def made() -> Document:
            output = rerun(self.network.model, self.input(picture), {layer.name: chosen})
            return outcome_document(anatomy.output, output, self.network.classes, anatomy.ending)

        with self.running:
            return kept(self.outcomes, (picture.id, layer.name, chosen.spec), MAX_OUTCOMES, made)

    def projection(
        self, id: str, layer: str, filter: int, unit: tuple[int, int] | None, method: str
    ) -> Document:
        """What comes back from a filter to a picture, from a pixel or else its strongest; kept for later.

        Raises:
            RequestProblem: 404, the picture is unknown.
            ArgumentError: there is no such method.
        """
        picture = self.find(id)

        def made() -> Document:
            top = 1 if unit is None else None
            input = self.input(picture)
            seen = deconvnet(self.network.model, input, layer, filter, unit=unit, top=top, method=method)
            return projection_document(seen)

        with self.running:
            return kept(
                self.projections, Sight(picture.id, layer, filter, unit, method), MAX_PROJECTIONS, made
            )

    def thumbnails(self) -> list[tuple[Picture, Tensor]]:
        """Every picture to choose from, 48 x 48 in colour: (1, 3, 48, 48), 0..1."""
        with self.lock:
            own = [(picture, to_input(picture.image, THUMBNAIL)) for picture in self.own.values()]
        return own + bundled_thumbnails()


def kept(documents: OrderedDict[K, Document], key: K, most: int, made: Callable[[], Document]) -> Document:
    """A document out of those that are kept, made if it is not there; beyond `most` the oldest goes."""
    if key not in documents:
        documents[key] = made()
    documents.move_to_end(key)
    while len(documents) > most:
        documents.popitem(last=False)
    return documents[key]


@cache
def bundled_thumbnails() -> list[tuple[Picture, Tensor]]:
    """The bundled pictures and their thumbnails, made once: decoding them takes a second."""
    pictures = [Picture(name, name, load_picture(name)) for name in bundled()]
    return [(picture, to_input(picture.image, THUMBNAIL)) for picture in pictures]
