"""Writing and pasting onto axes whose unit is an inch; many small pictures become one, drawn at once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from convitro.plots.colours import Pixels
from convitro.plots.display import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DOTS_PER_INCH = 200  # of what is pasted together
CROWD = 100  # so many pictures and more are pasted together
EDGE = "#c9cdd2"


class Pen:
    """Draws on the axes of one sheet.

    Args:
        ax: the axes, one unit an inch, rows downwards.
        size: (width, height) of the sheet.
        pictures: how many there will be.
    """

    def __init__(self, ax: Axes, size: tuple[float, float], pictures: int) -> None:
        self.ax, self.size = ax, size
        shown = ax.get_window_extent().width / ax.figure.dpi
        self.shrink = min(1.0, shown / size[0])  # text shrinks with axes that are smaller than the sheet
        self.edges: list[list[tuple[float, float]]] = []
        self.together: Pixels | None = None
        if pictures >= CROWD:
            rows, columns = (math.ceil(side * DOTS_PER_INCH) for side in reversed(size))
            self.together = np.zeros((rows, columns, 4), dtype=np.uint8)

    def write(self, x: float, y: float, text: str, points: float, **style: str) -> None:
        """Put a line of text; "$" and the like mean nothing special."""
        look: dict[str, Any] = {"va": "center", "color": INK, **style}
        self.ax.text(x, y, text, fontsize=points * self.shrink, parse_math=False, **look)

    def picture(self, pixels: Pixels, left: float, top: float, width: float, height: float) -> None:
        """Put a picture with a fine edge, if it has any pixels; they stay squares when they are large."""
        if not pixels.size:
            return
        corners = [(left, top), (left + width, top), (left + width, top + height), (left, top + height)]
        self.edges.append([*corners, corners[0]])
        if self.together is None:
            self._paste(pixels, left, top, width, height)
            return
        y, x = round(top * DOTS_PER_INCH), round(left * DOTS_PER_INCH)
        rows, columns = (max(round(side * DOTS_PER_INCH), 1) for side in (height, width))
        place = self.together[y : y + rows, x : x + columns]
        place[..., :3] = resized(pixels, rows, columns)[: place.shape[0], : place.shape[1]]
        place[..., 3] = 255

    def finish(self) -> None:
        """Put what was pasted together, and all edges."""
        from matplotlib.collections import LineCollection

        if self.together is not None:
            self._paste(self.together, 0, 0, *self.size)
        if self.edges:
            self.ax.add_collection(LineCollection(self.edges, colors=EDGE, linewidths=0.4), autolim=False)

    def _paste(self, pixels: Pixels, left: float, top: float, width: float, height: float) -> None:
        extent = (left, left + width, top + height, top)
        self.ax.imshow(pixels, extent=extent, aspect="auto", interpolation="antialiased", zorder=0)


def resized(pixels: Pixels, rows: int, columns: int) -> Pixels:
    """RGB bytes in another size: pixels repeated where there is room, averaged where there is not.

    Example:
        >>> resized(np.array([[[0, 0, 0], [255, 255, 255]]], dtype=np.uint8), 1, 4)[0, :, 0].tolist()
        [0, 0, 255, 255]
    """
    height, width = pixels.shape[:2]
    if rows >= height and columns >= width:
        return pixels[np.arange(rows) * height // rows][:, np.arange(columns) * width // columns]
    values = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float()
    mean = F.interpolate(values, (rows, columns), mode="area")[0].permute(1, 2, 0)
    averaged: Pixels = mean.round().to(torch.uint8).numpy()
    return averaged
