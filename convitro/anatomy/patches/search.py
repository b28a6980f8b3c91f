"""The public door: pass a data set through a layer once and keep what makes its filters most active."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from convitro.anatomy.batches import Batches, batches
from convitro.anatomy.dissection import unknown_layers
from convitro.anatomy.indexing import checked_index
from convitro.anatomy.observe import batch_for, check_model, check_visible
from convitro.anatomy.one_layer import OneLayer
from convitro.anatomy.patches import resume
from convitro.anatomy.patches.found import TopPatches
from convitro.anatomy.patches.ranking import Ranking
from convitro.anatomy.projections.backtrack import channels_last
from convitro.anatomy.projections.deconvolution import check_method
from convitro.errors import ArgumentError
from convitro.progress import track


def top_patches(
    model: nn.Module,
    data: Any,
    layer: str,
    k: int = 9,
    *,
    filters: int | Sequence[int] | None = None,
    per_image: int = 1,
    batch_size: int = 32,
    method: str = "deconvnet",
    checkpoint: str | Path | None = None,
    every: int = 16,
) -> TopPatches:
    """Find the k patches of a data set that make each filter of a layer most active.

    The data pass once, in batches, and only as far as the layer. The strongest pixel of each activated map
    competes, so that an image has one patch at most for a filter (`per_image` allows more). Equal ones count
    in the order of images, then of rows and columns, so the same call gives the same result. A patch is all
    that the unit can see of the image, its receptive field; its projection (`deconvnet`) is computed when it
    is asked for, for what is kept only.

    Args:
        model: any torch.nn.Module that takes one batch of images, in the mode in which it shall be seen.
        data: images in any form that `batches` takes, always in the same order; a labelled data set's labels
            do not matter.
        layer: a name as `dissect` gives it.
        k: how many patches a filter has.
        filters: which one or ones; None for all.
        per_image: how many units of one image a filter may have.
        batch_size: images per batch, where the data do not come in batches, and the model takes any number.
        method: of the projections: "deconvnet", "guided" or "gradient".
        checkpoint: a file that the state is written to, every so many batches and when the call is stopped;
            after that the same call goes on from there, with the same result. It holds numbers only, no code.
        every: how many batches between two writings.

    Returns:
        The patches: `.values`, `.images`, `.positions`, `.patch(filter, rank)`, `.projection(filter, rank)`,
        `.plot()`.

    Raises:
        ArgumentError: an argument is not what it may be, no such layer ran, or the data are shuffled.
        LoadError: the checkpoint is damaged, belongs to another model, layer or data, or cannot be written.

    Units: memory is one batch on its way through the model, and 48 bytes for each patch. Of data that can be
        read only once, the images of all kept patches are kept as well.

    Source: Zeiler and Fergus 2013 (arXiv 1311.2901), figure 2.

    Example:
        >>> import torch
        >>> model = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU())
        >>> model[0].load_state_dict({"weight": torch.ones(1, 1, 1, 1)})
        <All keys matched successfully>
        >>> images = torch.zeros(4, 1, 3, 3)
        >>> images[2, 0, 1, 2], images[3, 0, 0, 0] = 5.0, 7.0
        >>> found = top_patches(model, images, "0", k=2)
        >>> found.values.tolist(), found.images.tolist(), found.positions.tolist()
        ([[7.0, 5.0]], [[3, 2]], [[[0, 0], [1, 2]]])
    """
    for name, value in (("k", k), ("per_image", per_image), ("every", every)):
        check_positive(name, value)
    check_method(method, "top_patches")
    model = check_model(model, "top_patches")
    source = batches(data, batch_for(model, batch_size), caller="top_patches")
    if source.shuffled:
        raise ArgumentError(
            "top_patches: `data` come in another order each time, so that no image has a number.",
            expected="a DataLoader that does not shuffle",
            received="one with a random sampler",
            hint="DataLoader(…, shuffle=False), or give its data set",
        )
    chosen = checked_filters(filters)
    search = Search(model, source, layer, k, chosen, per_image)
    path = None if checkpoint is None else Path(checkpoint)
    ranking, seen = search.run(path, every)
    ranking = ranking.filled()
    return TopPatches(
        model=model,
        layer=layer,
        filters=tuple(range(len(ranking.values))) if chosen is None else tuple(chosen),
        values=ranking.values,
        images=ranking.images,
        positions=ranking.positions,
        image_sizes=ranking.sizes,
        seen=seen,
        method=method,
        read=partial(from_kept, search.kept) if source.read_once else source.fetch,
    )


@dataclass
class Search:
    """One pass over the data: the ranking so far, and where it stands on disk.

    Args:
        model, layer, k, filters, per_image: as `top_patches` has them.
        source: the data.
    """

    model: nn.Module
    source: Batches
    layer: str
    k: int
    filters: list[int] | None
    per_image: int

    def __post_init__(self) -> None:
        self.state: tuple[Ranking | None, int] = (None, 0)  # one assignment: may be stopped at any time
        self.kept: dict[int, Tensor] = {}

    @property
    def ranking(self) -> Ranking | None:
        """Of the images done."""
        return self.state[0]

    @property
    def done(self) -> int:
        """How many images have been ranked."""
        return self.state[1]

    def run(self, path: Path | None, every: int) -> tuple[Ranking, int]:
        """Go through the data from where the checkpoint stands; the ranking, and the number of images."""
        stream = self._numbered(0)
        first = next(stream)
        task = None if path is None else self._task(first[1])
        finished = False
        if path is not None and task is not None and path.exists():
            ranking, done, finished = resume.read(path, task)
            self.state = (ranking, done)
        if finished and self.ranking is not None and not self.source.read_once:
            return self.ranking, self.done
        skips = self.done > 0 and self.source.indexed
        rest = self._numbered(self.done) if skips else chain([first], stream)
        save = None if path is None or task is None else partial(self._save, path, task)
        self._follow(rest, save, every)
        if save is not None:
            save(finished=True)
        assert self.ranking is not None
        return self.ranking, self.done

    def _follow(
        self, stream: Iterable[tuple[int, Tensor]], save: Callable[..., None] | None, every: int
    ) -> None:
        """Rank every batch that has not been; what stops this leaves a checkpoint behind."""
        maps, saved, passed = OneLayer(self.model, self.layer), self.done, 0
        total = (
            None
            if self.source.total is None
            else self.source.total - (self.done if self.source.indexed else 0)
        )
        try:
            with maps.prepared():
                for number, images in track(
                    stream, f"patches of {self.layer}", total, lambda item: len(item[1])
                ):
                    if number >= self.done:
                        self._rank(maps, number, images)
                        passed += 1
                    if self.source.read_once:
                        self._keep(number, images)
                    if save is not None and passed % every == 0 and saved != self.done:
                        save(finished=False)
                        saved = self.done
        except BaseException:
            if save is not None and saved != self.done:
                save(finished=False)
            raise

    def _rank(self, maps: OneLayer, number: int, images: Tensor) -> None:
        found = maps.maps_of(images.to(maps.device, copy=True))
        if found is None:
            check_visible(self.model, "top_patches")
            raise unknown_layers([self.layer], maps.seen)
        chosen = self._chosen(found)
        before = Ranking.empty(chosen.shape[1], self.k) if self.ranking is None else self.ranking
        size = (
            (images.shape[1], images.shape[2])
            if channels_last(self.model)
            else (images.shape[2], images.shape[3])
        )
        self.state = (before.after(chosen, number, size, self.per_image), number + len(images))

    def _chosen(self, maps: Tensor) -> Tensor:
        if self.filters is None:
            return maps
        return maps[
            :, [checked_index(filter, maps.shape[1], "filter", self.layer) for filter in self.filters]
        ]

    def _keep(self, number: int, images: Tensor) -> None:
        """Keep the images of which a patch is kept, and no others."""
        wanted = set() if self.ranking is None else self.ranking.wanted()
        self.kept = {index: image for index, image in self.kept.items() if index in wanted}
        for index in wanted & set(range(number, number + len(images))):
            self.kept[index] = images[index - number].clone()

    def _numbered(self, done: int) -> Iterator[tuple[int, Tensor]]:
        """The batches with the number of their first image."""
        for images, _ in self.source.after(done):
            yield done, images
            done += len(images)

    def _save(self, path: Path, task: resume.Task, *, finished: bool) -> None:
        ranking, done = self.state
        if ranking is not None:
            resume.write(path, task, ranking, done, finished=finished)

    def _task(self, first: Tensor) -> resume.Task:
        return resume.Task(
            model=resume.model_digest(self.model),
            layer=self.layer,
            k=self.k,
            filters=self.filters,
            per_image=self.per_image,
            batch_size=self.source.size,
            total=self.source.total,
            first=resume.tensor_digest(first),
        )


def from_kept(kept: Mapping[int, Tensor], wanted: Iterable[int]) -> dict[int, Tensor]:
    """Images by their number out of those that were kept."""
    return {index: kept[index] for index in wanted}


def checked_filters(filters: Any) -> list[int] | None:
    """Numbers of filters as a list; whether the layer has them is seen when it runs.

    Raises:
        ArgumentError: something else, or none at all.
    """
    if filters is None:
        return None
    try:
        chosen = [
            operator.index(filter) for filter in (filters if hasattr(filters, "__iter__") else [filters])
        ]
    except TypeError:
        chosen = []
    if not chosen:
        raise ArgumentError(
            "top_patches: `filters` are numbers of filters.",
            expected="an integer, several, or None for all",
            received=repr(filters),
        )
    return chosen


def check_positive(name: str, value: Any) -> None:
    """Raise unless it is a positive integer."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ArgumentError(
            f"top_patches: `{name}` is no number of that kind.",
            expected="a positive integer",
            received=repr(value),
        )
