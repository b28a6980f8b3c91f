"""The documents that a report carries: of every picture the network, small maps, layers with numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from convitro.anatomy import Anatomy, ReceptiveFields, Summary, dissect, receptive_field, summary
from convitro.report.budget import chosen_filters
from convitro.sources import Network
from convitro.view import Document, maps_document, network_document, pictures_document, table_document
from convitro.view.standalone import packed
from convitro.view.whole import channels_document, layer_document

THUMBNAIL = (48, 48)
Filters = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Runs:
    """What running a network has given: all that a report needs of it.

    Args:
        anatomies: of every picture.
        fields: what every layer sees of a picture.
        summary: every layer with its sizes and costs.
    """

    anatomies: Sequence[Anatomy]
    fields: ReceptiveFields
    summary: Summary

    @classmethod
    def of(cls, network: Network, pictures: Sequence[tuple[str, Tensor]]) -> Runs:
        """Run a network on its pictures."""
        anatomies = [dissect(network.model, network.normalize(pixels)) for _, pixels in pictures]
        fields = receptive_field(network.model, network.input_size)
        return cls(anatomies, fields, summary(network.model, network.input_size, verbose=0))


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
        self.pictures = [(f"picture-{index}", *picture) for index, picture in enumerate(pictures)]

    def packed(self, max_bytes: int) -> dict[str, str]:
        """As much as fits into so many bytes of the page; the pictures and small maps always."""
        thumbnails = [(id, name, thumbnail(pixels)) for id, name, pixels in self.pictures]
        always = {
            "pictures": packed(pictures_document(thumbnails).to_bytes()),
            "table": packed(table_document(self.runs.summary).to_bytes()),
        }
        for (id, _, _), anatomy in zip(self.pictures, self.runs.anatomies, strict=True):
            small = {f"maps\n{id}\n{name}": maps_document(layer) for name, layer in anatomy.items()}
            always |= {key: packed(document.to_bytes()) for key, document in small.items()}
        left = max_bytes - sum(map(len, always.values()))
        share = left // len(self.pictures)
        while True:
            layers = dict(self._layers(share))
            excess = sum(map(len, layers.values())) - left
            if excess <= 0 or share < 1000:
                return always | layers
            share = int(share * 0.85)  # numbers that shrink less than usual

    def _layers(self, share: int) -> Iterator[tuple[str, str]]:
        """The network of every picture, and those of its layers whose numbers fit into its share."""
        for (id, name, pixels), anatomy, channels in zip(
            self.pictures, self.runs.anatomies, self.channels, strict=True
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
        document = network_document(self.network, anatomy, facts, pixels, self.runs.fields)
        layers = [
            layer
            if len(kept[layer["name"]]) == layer["out_channels"]
            else {**layer, "kept": kept[layer["name"]]}
            for layer in document.manifest["layers"]
        ]
        return Document({**document.manifest, "layers": layers}, document.arrays)


def thumbnail(pixels: Tensor) -> Tensor:
    """A small picture in colour (1, 3, 48, 48) of pixels with any number of channels."""
    shown = pixels[:, :3] if pixels.shape[1] >= 3 else pixels[:, :1].expand(-1, 3, -1, -1)
    return torch.nn.functional.interpolate(shown.float(), THUMBNAIL, mode="bilinear", antialias=True)
