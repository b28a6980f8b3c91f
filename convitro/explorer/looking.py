"""What the server finds out by passing a data set through the network: strongest patches, and its health."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock

from convitro.anatomy import Diagnosis, TopPatches, diagnose, top_patches
from convitro.anatomy.batches import Batch, Batches
from convitro.datasets import Dataset, open_dataset
from convitro.explorer.problems import RequestProblem
from convitro.sources import Network

PATCHES, LAYERS = 9, 4  # patches of a filter; layers whose patches are kept
MANY, FEW, LARGE = 300, 60, 96 * 96  # images, fewer of them for a network that sees more pixels than that
TOGETHER, FEW_TOGETHER = 32, 6  # images that run at once: a large network's progress shows within seconds
NOTHING: dict[str, str | int] = {"doing": "", "done": 0, "total": 0}


@dataclass(eq=False)
class Counted(Batches):
    """Batches that tell how far somebody is who works through them.

    Args:
        doing: what they are looked at for.
        done: images that are behind.
    """

    doing: str = ""
    done: int = 0

    def after(self, done: int) -> Iterator[Batch]:
        """The batches; one is done when the next is asked for."""
        for batch in super().after(done):
            yield batch
            self.done += len(batch[0])


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
    passing: Counted | None = None

    @cached_property
    def images(self) -> Dataset:
        """What the network looks at, 0..1.

        Raises:
            RequestProblem: 404, no pictures that are here fit its channels.
        """
        if self.given is not None:
            return self.given
        channels = self.network.input_size[0]
        if channels not in (1, 3):
            hint = "start the explorer with --data and an .npy file of such images"
            raise RequestProblem(404, f"There are no images of {channels} channels to look at.", hint)
        details = open_dataset("details", self.network.input_size)
        return details.sample(FEW if self.large else MANY)

    @property
    def large(self) -> bool:
        """Whether the network sees so many pixels that every image takes its time."""
        return self.network.input_size[1] * self.network.input_size[2] > LARGE

    @property
    def progress(self) -> dict[str, str | int]:
        """The pass that is going on: what it is for, and how many of its images are done."""
        now = self.passing
        return {"doing": now.doing, "done": now.done, "total": now.total or 0} if now else NOTHING

    @contextmanager
    def counted(self, *, doing: str) -> Iterator[Counted]:
        """The images for one pass, which others can follow meanwhile; the network is held."""
        images = self.images.mapped(self.network.normalize)
        with self.running:
            self.passing = Counted(images, FEW_TOGETHER if self.large else TOGETHER, "explorer", doing=doing)
            try:
                yield self.passing
            finally:
                self.passing = None

    def patches(self, layer: str) -> TopPatches:
        """The strongest patches of every filter of a layer; those of the last four layers are kept."""
        with self.counted(doing="patches") as images:
            if layer not in self.found:
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
        with self.counted(doing="health") as images:
            return diagnose(self.network.model, images)
