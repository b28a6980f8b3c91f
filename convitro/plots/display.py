"""What every picture can do: be drawn, saved, and shown in a notebook."""

from __future__ import annotations

import base64
import html
import importlib.util
import io
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from convitro.errors import ArgumentError, LoadError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")
MISSING = '`pip install "convitro[plots]"` adds it'
MEDIA_TYPES = {"png": "image/png", "svg": "image/svg+xml"}
INK, MUTED, PAPER = "#1f2328", "#5b626b", "#ffffff"


class Display(ABC):
    """A picture that has been computed and can be drawn any number of times.

    No window is opened and no backend chosen: a figure belongs to nobody but its display, so that any thread
    may draw.
    """

    in_page: ClassVar[str] = "png"

    @property
    @abstractmethod
    def alt(self) -> str:
        """The picture in a sentence, for those who do not see it."""

    @property
    @abstractmethod
    def size(self) -> tuple[float, float]:
        """Width and height in inches."""

    @abstractmethod
    def _draw(self, ax: Axes) -> None:
        """Draw into empty axes."""

    @property
    def whole_figure(self) -> bool:
        """Whether the axes fill the figure to its edges, as those without ticks do."""
        return True

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw into `ax`, or into a figure of its own.

        Args:
            ax: axes of yours; None makes a new figure of a fitting size, `.figure` of what is returned.

        Returns:
            The axes that were drawn into.

        Raises:
            LoadError: matplotlib is not installed.
        """
        check_matplotlib()
        target = self.figure().axes[0] if ax is None else ax
        if ax is not None:
            self._draw(target)
        return target

    def figure(self) -> Figure:
        """The picture as a matplotlib figure of its own.

        Raises:
            LoadError: matplotlib is not installed.
        """
        check_matplotlib()
        from matplotlib.figure import Figure

        figure = Figure(
            figsize=self.size, facecolor=PAPER, layout=None if self.whole_figure else "constrained"
        )
        self._draw(figure.add_axes((0, 0, 1, 1)) if self.whole_figure else figure.add_subplot())
        return figure

    def save(self, path: str | Path, dpi: int = 200) -> Path:
        """Write the picture to a file; its name says in which format.

        Args:
            path: ends with .png, .svg or .pdf.
            dpi: pixels per inch of a PNG, and of the maps inside the other two.

        Returns:
            Where it lies.

        Raises:
            ArgumentError: the name ends with something else.
            LoadError: matplotlib is not installed.
        """
        path = Path(path)
        form = path.suffix.lower().lstrip(".")
        if form not in FORMATS:
            raise ArgumentError(
                f'save: "{path.name}" does not say which format is wanted.',
                expected="a name that ends with .png, .svg or .pdf",
                received=path.suffix or "no ending",
            )
        path.write_bytes(self.encoded(form, dpi))
        return path

    def encoded(self, form: str, dpi: int = 200) -> bytes:
        """The picture as the bytes of a "png", "svg" or "pdf" file.

        Raises:
            LoadError: matplotlib is not installed.
        """
        page, undated = io.BytesIO(), {"svg": "Date", "pdf": "CreationDate"}
        metadata = {undated[form]: None} if form in undated else None
        self.figure().savefig(page, format=form, dpi=dpi, metadata=metadata)
        return page.getvalue()

    def html(self) -> str:
        """An <img> element that holds the picture itself: no file, no script, no network.

        Raises:
            LoadError: matplotlib is not installed.
        """
        data = base64.b64encode(self.encoded(self.in_page, dpi=160)).decode()
        return (
            f'<img alt="{html.escape(self.alt)}" style="max-width:100%;height:auto" '
            f'width="{round(96 * self.size[0])}" src="data:{MEDIA_TYPES[self.in_page]};base64,{data}">'
        )

    def _repr_html_(self) -> str:
        if importlib.util.find_spec("matplotlib") is None:
            return f"<p>{html.escape(self.alt)} Matplotlib draws it: {html.escape(MISSING)}.</p>"
        return self.html()

    def __str__(self) -> str:
        return self.alt

    __repr__ = __str__


def check_matplotlib() -> None:
    """Raise unless matplotlib can be loaded.

    Raises:
        LoadError: matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise LoadError("plots: matplotlib is not installed.", hint=MISSING)
