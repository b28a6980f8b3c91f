"""What the server finds out by passing a data set through the network: strongest patches, and its health."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock

from convitro.anatomy import Diagnosis, TopPatches, diagnose, top_patches
from convitro.datasets import Dataset, open_dataset
from convitro.explorer.problems import RequestProblem
from convitro.sources import Network

PATCHES, LAYERS = 9, 4  # patches of a filter; layers whose patches are kept
MANY, FEW, LARGE = 300, 60, 96 * 96  # images, fewer of them for a network that sees more pixels than that


@dataclass
class Looking:
    """Passes of the images through the network, each made once.

    Args:
        network: what runs.
        running: held while it runs.
        given: images 0..1; None takes details of the bundled photographs.
    """

    network: Network
    running: Lock
    given: Dataset | None = None
    found: OrderedDict[str, TopPatches] = field(default_factory=OrderedDict)

    @cached_property
    def images(self) -> Dataset:
        """What the network looks at, 0..1.

        Raises:
            RequestProblem: 404, no pictures that are here fit its channels.
        """
        if self.given is not None:
            return self.given
        channels, height, width = self.network.input_size
        if channels not in (1, 3):
            hint = "start the explorer with --data and an .npy file of such images"
            raise RequestProblem(404, f"There are no images of {channels} channels to look at.", hint)
        details = open_dataset("details", self.network.input_size)
        return details.sample(FEW if height * width > LARGE else MANY)

    def patches(self, layer: str) -> TopPatches:
        """The strongest patches of every filter of a layer; those of the last four layers are kept."""
        with self.running:
            if layer not in self.found:
                images = self.images.mapped(self.network.normalize)
                self.found[layer] = top_patches(self.network.model, images, layer, k=PATCHES)
            self.found.move_to_end(layer)
            while len(self.found) > LAYERS:
                self.found.popitem(last=False)
            return self.found[layer]

    @property
    def looked_over(self) -> bool:
        """Whether the health is known already."""
        return "health" in vars(self)

    @cached_property
    def health(self) -> Diagnosis:
        """The network looked over."""
        with self.running:
            return diagnose(self.network.model, self.images.mapped(self.network.normalize))
