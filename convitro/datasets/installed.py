"""Data that come with installed packages: scikit-learn's digits, the bundled photographs, details of them."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from convitro.datasets.dataset import Dataset, Files, Size, Stored, numbered, unlabelled
from convitro.errors import LoadError
from convitro.pictures import PHOTOGRAPHS, bundled, load_picture, photograph_folder, to_input

PHOTOGRAPH_SIZE = (3, 64, 64)
DETAILS = 20  # of each photograph
SMALLEST_DETAIL = 0.25  # of the shorter side


def read_digits(input_size: Size | None) -> Dataset:
    """1,797 written digits of 8x8 pixels (Alpaydin & Kaynak 1998), from scikit-learn; nothing is downloaded.

    Raises:
        LoadError: scikit-learn is not installed.
    """
    try:
        module = importlib.import_module("sklearn.datasets")
    except ImportError as error:
        raise LoadError(
            'open_dataset: "digits" comes with scikit-learn, which is not installed.',
            hint='`pip install "convitro[lab]"` adds it',
        ) from error
    digits = module.load_digits()
    images = torch.from_numpy(digits.images).float().unsqueeze(1) / 16  # (1797, 1, 8, 8)
    labels = torch.from_numpy(digits.target).long()
    return Dataset("digits", Stored(images, input_size), labels, numbered(10))


def read_photographs(input_size: Size | None) -> Dataset:
    """The bundled photographs, without labels.

    Raises:
        LoadError: scikit-image, which holds them, is not installed.
    """
    names = bundled()
    folder = photograph_folder()
    files = Files(tuple(Path(folder / PHOTOGRAPHS[name]) for name in names), input_size or PHOTOGRAPH_SIZE)
    return Dataset("photographs", files, unlabelled(len(names)))


def read_details(input_size: Size | None) -> Dataset:
    """300 square details of the bundled photographs, 20 of each, always the same ones; without labels.

    Raises:
        LoadError: scikit-image, which holds the photographs, is not installed.
    """
    details = Details(bundled(), input_size or PHOTOGRAPH_SIZE)
    return Dataset("details of photographs", details, unlabelled(len(details)))


@dataclass(frozen=True, eq=False)
class Details:
    """Squares cut out of photographs, at places and of sizes drawn once and for all.

    Args:
        names: of the photographs.
        input_size: the size that the squares are brought to.
    """

    names: tuple[str, ...]
    input_size: Size

    def __len__(self) -> int:
        return DETAILS * len(self.names)

    def __getitem__(self, index: int) -> Float[Tensor, "C H W"]:
        picture = self._pictures[index % len(self.names)]
        share, left, top = self._places[index].tolist()
        side = round(share * min(picture.size))
        x, y = round(left * (picture.width - side)), round(top * (picture.height - side))
        return to_input(picture.crop((x, y, x + side, y + side)), self.input_size)[0]

    @cached_property
    def _pictures(self) -> list[Image.Image]:
        return [load_picture(name) for name in self.names]

    @cached_property
    def _places(self) -> Tensor:
        """(count, 3): the size of each, as a share of the shorter side, and where it lies, 0..1."""
        places = torch.rand(len(self), 3, generator=torch.Generator().manual_seed(0))
        places[:, 0] = SMALLEST_DETAIL + (1 - SMALLEST_DETAIL) * places[:, 0]
        return places
