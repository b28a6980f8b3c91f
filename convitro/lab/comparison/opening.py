"""How the data of a comparison is opened, once in each of its processes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convitro.errors import ArgumentError
from convitro.lab.comparison.cell import Bench
from convitro.lab.comparison.design import Design
from convitro.lab.data import open_parts, parts_of


@dataclass(frozen=True)
class Source:
    """Where the pictures are.

    Attributes:
        data: as for `convitro.lab.train`.
        input_size: the size they are brought to; only for a name or path.
        images: training pictures at most; None for all.
    """

    data: Any = "digits"
    input_size: tuple[int, int, int] | None = None
    images: int | None = None

    def open(self) -> Any:
        """The data, as `open_sets` takes it.

        Raises:
            ArgumentError: a number of pictures for data that cannot be sampled; the rest as `open_sets`.
        """
        given = self.data
        if isinstance(given, str | Path):
            given = open_parts(given, self.input_size)
        elif self.input_size is not None or self.images is not None:
            raise ArgumentError(
                "compare: data that is given keeps its size and number.",
                expected="a name or path beside `input_size` and `images`",
                received=type(given).__name__,
            )
        train, test = parts_of(given)
        if self.images is not None:
            train = train.sample(self.images)  # type: ignore[attr-defined]
        return train, test


@dataclass(frozen=True)
class Opening:
    """Opens design and data in a worker; small to send."""

    design: Design
    source: Source

    def __call__(self) -> Bench:
        """The bench of this process."""
        return Bench(self.design, self.source.open())
