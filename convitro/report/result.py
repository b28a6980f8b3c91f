"""What a report is once it is made: one text, saved whole or shown in a notebook."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convitro.anatomy.tables import Table, Tabled
from convitro.errors import ArgumentError
from convitro.view.standalone import framed


@dataclass(frozen=True, repr=False)
class Report(Tabled):
    """One HTML page that holds all that it shows.

    Args:
        name: of the network.
        html: the page.
        sections: (title, in one line what is in it), from top to bottom.
    """

    name: str
    html: str
    sections: tuple[tuple[str, str], ...]

    @property
    def size_bytes(self) -> int:
        """The size of the file."""
        return len(self.html.encode())

    def save(self, path: str | Path) -> Path:
        """Write the page; an older file of that name is replaced at once, or left as it is.

        Raises:
            ArgumentError: the folder is missing or cannot be written to.
        """
        path = Path(path)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            beside.write_text(self.html, encoding="utf-8")
            beside.replace(path)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise ArgumentError(
                f'report: "{path}" cannot be written.',
                expected="a file in a folder that exists",
                received=str(error),
            ) from error
        return path

    def to_dict(self) -> dict[str, Any]:
        """What the report holds as JSON types, without the page."""
        sections = [{"title": title, "content": content} for title, content in self.sections]
        return {"name": self.name, "size_bytes": self.size_bytes, "sections": sections}

    def table(self) -> Table:
        """What is in it."""
        title = f"{self.name}: a report of {self.size_bytes / 1e6:.1f} MB"
        return Table(title, ("section", "what it holds"), self.sections, ('save("report.html") writes it',))

    def _repr_html_(self) -> str:
        return framed(self.html)
