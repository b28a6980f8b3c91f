"""Data sets that people have, opened: files become pixels 0..1 with labels; nothing is downloaded."""

from convitro.datasets.dataset import Dataset
from convitro.datasets.door import open_dataset

__all__ = ["Dataset", "open_dataset"]
