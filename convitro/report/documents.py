"""The documents that a report carries: of every picture the network, small maps, layers with numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from convitro.anatomy import (
    Anatomy,
    Answer,
    ReceptiveFields,
    Summary,
    answer,
    dissect,
    receptive_field,
    summary,
)
from convitro.errors import UnsupportedError
from convitro.report.budget import chosen_filters, needed_bytes
from convitro.sources import Network
from convitro.view import (
    Document,
    answer_document,
    maps_document,
    network_document,
    pictures_document,
    table_document,
)
from convitro.view.standalone import document_script, packed
from convitro.view.whole import channels_document, layer_document

THUMBNAIL = (48, 48)
SIDES = (40, 28, 20, 14, 10, 7, 5)  # of the small maps: the largest that fit
SMALL_MAPS, MORE = 1 / 3, 1 / 4  # of the page, at most
FEWEST_BYTES = 1000
Filters = Mapping[str, Sequence[int]]


class Counted(NamedTuple):
    """What a network's layers cost and see of a picture: counted once, told in tables and on the page.

    Args:
        summary: every layer with its sizes and costs.
        fields: what every layer sees of a picture.
    """

    summary: Summary
    fields: ReceptiveFields

    @classmethod
    def of(cls, network: Network) -> Counted:
        """Count the layers of a network."""
        model, size = network.model, network.input_size
        return cls(summary(model, size, verbose=0), receptive_field(model, size))


@dataclass(frozen=True)
class Runs:
    """What running a network has given: all that a report needs of it.

    Args:
        anatomies: of every picture.
        counted: what its layers cost and see.
        answers: to every picture; None where the network returns no scores.
        ids: of the pictures, as the page's address names them; none numbers them.
        more: what else was computed, by the key under which the page looks for it, what matters most first;
            what does not fit into a quarter of the page is left out.
    """

    anatomies: Sequence[Anatomy]
    counted: Counted
    answers: Sequence[Answer | None]
    ids: Sequence[str] = ()
    more: Mapping[str, Document] = field(default_factory=dict)

    @classmethod
    def of(
        cls, network: Network, pictures: Sequence[tuple[str, Tensor]], counted: Counted | None = None
    ) -> Runs:
        """Run a network on its pictures; what is counted already is not counted again."""
        anatomies = [dissect(network.model, network.normalize(pixels)) for _, pixels in pictures]
        answers = [answered(network, pixels) for _, pixels in pictures]
        return cls(anatomies, counted or Counted.of(network), answers)


class PageDocuments:
    """What the page of a report reads, packed as text, by the key under which it looks for it.

    Args:
        network: the model and what it takes.
        pictures: (name, pixels (1, C, H, W) in 0..1).
        wanted: filters that should be there whatever the size, by layer.
        runs: what the network gave on these pictures.
    """

    def __init__(
        self, network: Network, pictures: Sequence[tuple[str, Tensor]], wanted: Filters, runs: Runs
    ) -> None:
        self.network, self.wanted, self.runs = network, wanted, runs
        ids = runs.ids or [f"picture-{index}" for index in range(len(pictures))]
        self.pictures = [(id, *picture) for id, picture in zip(ids, pictures, strict=True)]

    def packed(self, max_bytes: int) -> dict[str, str]:
        """As much as fits into so many bytes of the page; the pictures and small maps always."""
        always = self._facts() | self._small_maps(int(SMALL_MAPS * max_bytes))
        always |= self._more(int(MORE * max_bytes))
        budget = left = max_bytes - taken(always)
        while True:
            layers = dict(self._layers(self._shares(budget)))
            if taken(layers) <= left or budget < FEWEST_BYTES:
                return always | layers
            budget = int(budget * 0.85)  # numbers that shrink less than usual

    def _facts(self) -> dict[str, str]:
        """The pictures, the table, and how the answer to every picture comes about."""
        thumbnails = [(id, name, thumbnail(pixels)) for id, name, pixels in self.pictures]
        documents = {
            "pictures": pictures_document(thumbnails),
            "table": table_document(self.runs.counted.summary),
        }
        ids = (id for id, _, _ in self.pictures)
        for id, anatomy, found in zip(ids, self.runs.anatomies, self.runs.answers, strict=True):
            documents |= {} if found is None else {f"answer\n{id}": answer_document(found, anatomy)}
        return {key: packed(document.to_bytes()) for key, document in documents.items()}

    def _small_maps(self, most: int) -> dict[str, str]:
        """The small maps of every layer on every picture, of as many pixels as fit into so many bytes."""
        found: dict[str, str] = {}
        for side in SIDES:
            found = {
                f"maps\n{id}\n{name}": packed(maps_document(layer, side).to_bytes())
                for (id, _, _), anatomy in zip(self.pictures, self.runs.anatomies, strict=True)
                for name, layer in anatomy.items()
            }
            if taken(found) <= most:
                break
        return found

    def _more(self, most: int) -> dict[str, str]:
        """The further documents, from the first on, that fit into so many bytes."""
        found: dict[str, str] = {}
        for key, document in self.runs.more.items():
            one = {key: packed(document.to_bytes())}
            if taken(found) + taken(one) <= most:
                found |= one
        return found

    def _shares(self, budget: int) -> list[int]:
        """How many bytes the layers of each picture get: the first one what wanted filters need, or more."""
        others = len(self.pictures) - 1
        sizes = {name: len(text) for name, text in self.channels[0].items()}
        needed = needed_bytes(self.runs.anatomies[0], sizes, self.wanted)
        first = min(budget, max(budget // (others + 1), needed))
        return [first, *[(budget - first) // max(others, 1)] * others]

    def _layers(self, shares: Sequence[int]) -> Iterator[tuple[str, str]]:
        """The network of every picture, and those of its layers whose numbers fit into its share."""
        for (id, name, pixels), anatomy, channels, share in zip(
            self.pictures, self.runs.anatomies, self.channels, shares, strict=True
        ):
            sizes = {layer: len(text) for layer, text in channels.items()}
            kept = chosen_filters(anatomy, share, sizes, self.wanted)
            network = self._network(anatomy, kept, {"id": id, "name": name}, pixels)
            yield f"network\n{id}", packed(network.to_bytes())
            for layer, filters in kept.items():
                if filters:
                    yield f"channels\n{id}\n{layer}", channels[layer]
                    yield f"layer\n{id}\n{layer}", packed(layer_document(anatomy[layer], filters).to_bytes())

    @cached_property
    def channels(self) -> list[dict[str, str]]:
        """For every picture what each layer reads, packed."""
        return [
            {name: packed(channels_document(layer).to_bytes()) for name, layer in anatomy.items()}
            for anatomy in self.runs.anatomies
        ]

    def _network(self, anatomy: Anatomy, kept: Filters, facts: Mapping[str, str], pixels: Tensor) -> Document:
        """The overview's document; each layer says which filters are here, where that is not all of them."""
        document = network_document(self.network, anatomy, facts, pixels, self.runs.counted.fields)
        layers = [
            layer
            if len(kept[layer["name"]]) == layer["out_channels"]
            else {**layer, "kept": kept[layer["name"]]}
            for layer in document.manifest["layers"]
        ]
        return Document({**document.manifest, "layers": layers}, document.arrays)


def answered(network: Network, pixels: Tensor) -> Answer | None:
    """How the network comes to its answer on a picture; None where it returns no scores."""
    try:
        return answer(network.model, network.normalize(pixels), classes=network.classes or ())
    except UnsupportedError:
        return None


def thumbnail(pixels: Tensor) -> Tensor:
    """A small picture in colour (1, 3, 48, 48) of pixels with any number of channels."""
    shown = pixels[:, :3] if pixels.shape[1] >= 3 else pixels[:, :1].expand(-1, 3, -1, -1)
    return torch.nn.functional.interpolate(shown.float(), THUMBNAIL, mode="bilinear", antialias=True)


def taken(documents: Mapping[str, str]) -> int:
    """How many bytes of the page packed documents take."""
    return sum(len(document_script(key, "").encode()) + 1 + len(text) for key, text in documents.items())
