"""Data that come with installed packages: scikit-learn's digits and the bundled photographs."""

from __future__ import annotations

import importlib
from pathlib import Path

import torch

from convitro.datasets.dataset import Dataset, Files, Size, Stored, numbered, unlabelled
from convitro.errors import LoadError
from convitro.pictures import PHOTOGRAPHS, bundled, photograph_folder

PHOTOGRAPH_SIZE = (3, 64, 64)


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
