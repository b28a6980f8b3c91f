"""Images in any form that people have them in, as batches of one form, read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from convitro.errors import ArgumentError

FORMS = "a tensor (N, C, H, W), (images, labels), a Dataset, a DataLoader, or an iterable of these batches"
Batch = tuple[Tensor, Tensor | None]


@dataclass(eq=False)
class Batches:
    """Images as batches, each with its labels: what `batches` returns.

    Iterate as often as the data can be: a one-shot iterator once, anything else any number of times.

    Args:
        data: what was given.
        size: images per batch. Data that comes in batches keeps its own.
        caller: the function that errors name.
    """

    data: Any
    size: int
    caller: str = "batches"
    _used: bool = False

    @cached_property
    def total(self) -> int | None:
        """How many images there are; None where only reading all of them can tell."""
        data = self.data
        if isinstance(data, tuple):
            return len(data[0])
        if isinstance(data, Tensor):
            return len(data)
        if isinstance(data, DataLoader):
            return images_of_loader(data)
        if isinstance(data, Dataset):
            return len(data) if hasattr(data, "__len__") else None
        if not isinstance(data, list):
            return None
        images = [item[0] if isinstance(item, (tuple, list)) else item for item in data]
        return sum(len(image) if getattr(image, "ndim", 3) == 4 else 1 for image in images)

    @property
    def shuffled(self) -> bool:
        """Whether the order of the images may be another each time, as far as the data tell."""
        return (
            isinstance(self.data, DataLoader)
            and not isinstance(getattr(self.data, "sampler", None), torch.utils.data.SequentialSampler)
            and not isinstance(self.data.dataset, IterableDataset)
        )

    def __iter__(self) -> Iterator[Batch]:
        """Batches of images (N, C, H, W), floating point, with their labels (N, …) or None.

        Raises:
            ArgumentError: an item is no image, or the data are a used-up iterator or empty.
        """
        if self._used:
            raise ArgumentError(
                f"{self.caller}: `data` can be read only once, and has been.",
                expected="data that can be read again, such as a list, a Dataset or a DataLoader",
                received=type(self.data).__name__,
                hint="list(iterator) keeps what it gives",
            )
        self._used = isinstance(self.data, Iterator)
        found = False
        for images, labels in self._parts():
            if len(images):
                found = True
                yield images, labels
        if not found:
            raise ArgumentError(f"{self.caller}: `data` holds no image.", expected="at least one image")

    def _parts(self) -> Iterator[Batch]:
        if isinstance(self.data, (Tensor, tuple)):
            images, labels = self.data if isinstance(self.data, tuple) else (self.data, None)
            for start in range(0, len(images), self.size):
                part = slice(start, start + self.size)
                yield images[part], None if labels is None else labels[part]
            return
        singles: list[tuple[Tensor, Any]] = []
        for place, item in enumerate(self._items()):
            image, label = self._read(item, place)
            if singles and image.shape != singles[0][0].shape:
                yield stacked(singles)  # images of another size cannot lie in the same tensor
                singles = []
            if image.ndim == 4:
                yield image, numbers(label)
                continue
            singles.append((image, label))
            if len(singles) == self.size:
                yield stacked(singles)
                singles = []
        if singles:
            yield stacked(singles)

    def _items(self) -> Iterator[Any]:
        data = self.data
        if isinstance(data, Dataset) and not isinstance(data, IterableDataset) and hasattr(data, "__len__"):
            return (data[index] for index in range(len(data)))  # many data sets never raise IndexError
        return iter(data)

    def _read(self, item: Any, place: int) -> tuple[Tensor, Any]:
        """The image or images of one item, and what stands beside them."""
        label = None
        if isinstance(item, (tuple, list)) and item:
            label = item[1] if len(item) > 1 else None
            item = item[0]
        return checked_images(item, f"{self.caller}: item {place} of `data`", (3, 4)), label


def batches(data: Any, size: int = 32, *, caller: str = "batches") -> Batches:
    """Read `data` in batches, whatever form it has.

    Args:
        data: a tensor (N, C, H, W) or (C, H, W); a pair (images, labels); a torch Dataset of images or
            (image, label, …); a DataLoader; or any iterable of images (C, H, W), batches (N, C, H, W), or
            pairs of one of them and labels. NumPy arrays are as good as tensors. An iterator is read once.
        size: images per batch; data that come in batches keep theirs. A smaller one takes less memory.
        caller: the function that errors name.

    Returns:
        An iterable of (images, labels): images (N, C, H, W) of a floating dtype, labels a tensor (N, …), or
        None where there are none or they are no numbers. Images of different sizes are never in one batch.
        `.total` is the number of images, or None.

    Raises:
        ArgumentError: `data` has none of these forms, images are integers, images and labels differ in
            number, or `size` is no positive integer. What an iterable gives is checked while it is read.

    Source: own.

    Example:
        >>> [tuple(images.shape) for images, labels in batches(torch.zeros(5, 3, 8, 8), size=2)]
        [(2, 3, 8, 8), (2, 3, 8, 8), (1, 3, 8, 8)]
        >>> pairs = [(torch.zeros(1, 4, 4), 7), (torch.ones(1, 4, 4), 2)]
        >>> next(iter(batches(pairs)))[1]
        tensor([7, 2])
    """
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise ArgumentError(
            f"{caller}: a batch has at least one image.", expected="a positive integer", received=repr(size)
        )
    if isinstance(data, Batches):
        return data
    if isinstance(data, (Tensor, np.ndarray)):
        images = checked_images(data, f"{caller}: `data`", (3, 4))
        return Batches(images if images.ndim == 4 else images.unsqueeze(0), size, caller)
    if isinstance(data, tuple) and data and isinstance(data[0], (Tensor, np.ndarray)):
        return Batches(checked_pair(data, caller), size, caller)
    readable = isinstance(data, (Iterable, Dataset, Sequence)) and not isinstance(data, (str, bytes, Mapping))
    if not readable:
        hint = "convitro.pictures.load_picture and to_input read one picture"
        raise ArgumentError(
            f"{caller}: `data` is nothing that images can be read from.",
            expected=FORMS,
            received=f'"{data}"' if isinstance(data, str) else type(data).__name__,
            hint=hint if isinstance(data, (str, bytes)) or hasattr(data, "__fspath__") else "",
        )
    return Batches(list(data) if isinstance(data, tuple) else data, size, caller)


def checked_pair(data: tuple[Any, ...], caller: str) -> Batch:
    """Images (N, C, H, W) and as many labels; None for labels that are no numbers."""
    images = checked_images(data[0], f"{caller}: `data`", (4,))
    labels = numbers(data[1]) if len(data) > 1 else None
    if labels is not None and (labels.ndim == 0 or len(labels) != len(images)):
        raise ArgumentError(
            f"{caller}: images and labels differ in number.",
            expected=f"{len(images)} labels",
            received=f"labels {tuple(labels.shape)} for images {tuple(images.shape)}",
            hint="a list of batches is written [batch, batch], a tuple is (images, labels)",
        )
    return images, labels


def checked_images(value: Any, place: str, dimensions: tuple[int, ...]) -> Tensor:
    """`value` as a floating tensor of that many dimensions."""
    expected = " or ".join({3: "(C, H, W)", 4: "(N, C, H, W)"}[count] for count in dimensions)
    if isinstance(value, np.ndarray):
        value = torch.from_numpy(value)
    if not isinstance(value, Tensor):
        picture = hasattr(value, "convert")  # a PIL image, without Pillow being imported
        raise ArgumentError(
            f"{place} is no tensor.",
            expected=f"images as a tensor {expected}",
            received=type(value).__name__,
            hint="convitro.pictures.to_input makes a tensor of it" if picture else "",
        )
    if value.ndim not in dimensions:
        raise ArgumentError(
            f"{place} has not the shape of images.",
            expected=f"a tensor {expected}",
            received=f"a tensor {tuple(value.shape)}",
        )
    if not value.is_floating_point():
        raise ArgumentError(
            f"{place} holds integers.",
            expected="floating point, scaled as the network was trained",
            received=str(value.dtype),
            hint="images.float() / 255 for a network that wants 0 to 1",
        )
    return value.detach()


def stacked(singles: list[tuple[Tensor, Any]]) -> Batch:
    """Single images as one batch."""
    labels = [numbers(label) for _, label in singles]
    known = [label for label in labels if label is not None]
    alike = len(known) == len(singles) and len({label.shape for label in known}) == 1
    return torch.stack([image for image, _ in singles]), torch.stack(known) if alike else None


def numbers(labels: Any) -> Tensor | None:
    """Labels as a tensor; None where they are none, or no numbers."""
    try:
        return None if labels is None else torch.as_tensor(labels).detach()
    except (TypeError, ValueError, RuntimeError):
        return None


def images_of_loader(loader: DataLoader[Any]) -> int | None:
    """How many images a DataLoader gives in one round."""
    try:
        if loader.batch_size is None or not loader.drop_last:
            return len(loader.sampler)  # type: ignore[arg-type]
        return len(loader) * loader.batch_size
    except (TypeError, AttributeError):
        return None
