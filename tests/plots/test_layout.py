"""A sheet can be read: every word lies inside it, and no two upon each other or upon a picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.transforms import Bbox

from convitro.plots import (
    Sheet,
    colour_filters,
    kernel_matrix,
    map_grid,
    map_rows,
    patch_sheet,
    pen,
    picture_grid,
    projection_sheet,
)
from convitro.plots.pen import CROWD, resized

LONG = "a layer with a long name that somebody has: features.denseblock4.denselayer16.conv2, filter 1023"
SHEETS: dict[str, Sheet] = {
    "one map": map_grid(torch.randn(1, 9, 9), "one map"),
    "a wide map": map_grid(torch.randn(2, 3, 60), "wide maps", notes=("A note.", "Another one.")),
    "a high map": map_grid(torch.randn(3, 60, 3), "high maps"),
    "many maps": map_grid(torch.randn(600, 4, 4), "many maps"),
    "each its scale": map_grid(torch.randn(96, 8, 8), "maps with scales of their own", scale="each"),
    "a long title": map_grid(torch.randn(2, 8, 8), LONG),
    "long labels": map_grid(torch.randn(8, 8, 8), "labels", [f"channel number {n}" for n in range(8)]),
    "kernels": kernel_matrix(torch.randn(32, 3, 3, 3), "kernels", column_labels=["red", "green", "blue"]),
    "many kernels": kernel_matrix(torch.randn(96, 96, 3, 3), "kernels", scale="each"),
    "one kernel": kernel_matrix(torch.randn(1, 1, 5, 5), "kernel"),
    "colours": colour_filters(torch.randn(64, 3, 7, 7), "filters", scale="each"),
    "rows": map_rows({LONG[:40]: [("a", torch.randn(5, 5))] * 7, "b": [("c", torch.zeros(3, 3))]}, "rows"),
    "pictures": picture_grid([torch.rand(3, 8, 8)] * 7, "pictures", ["word"] * 7),
    "projection": projection_sheet(torch.rand(3, 9, 9), torch.randn(3, 9, 9), slice(1, 5), slice(2, 9), "p"),
    "patches": patch_sheet(
        {f"filter {n}": ([torch.rand(3, 7, 5 + n)] * 9, [torch.randn(3, 7, 5 + n)] * 9) for n in range(7)},
        "patches",
        "deconvnet",
        hidden=3,
    ),
}


def inner(boxes: list[Bbox], by: float) -> Any:
    """(K, 4) left, bottom, right, top, each side moved inwards."""
    inwards = np.array([by, by, -by, -by])
    return np.array([box.extents for box in boxes]).reshape(-1, 4) + inwards


def overlapping(one: Any, other: Any) -> Any:
    """(K, L) which boxes share some area."""
    one, other = one[:, None], other[None]
    return (np.maximum(one[..., :2], other[..., :2]) < np.minimum(one[..., 2:], other[..., 2:])).all(axis=2)


@pytest.mark.parametrize("name", SHEETS)
def test_every_word_has_its_place(name: str) -> None:
    figure = SHEETS[name].figure()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    [ax] = figure.axes
    renderer = canvas.get_renderer()
    words = [text for text in ax.texts if text.get_text()]
    boxes = [text.get_window_extent(renderer) for text in words]
    for text, box in zip(words, boxes, strict=True):
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1, text
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1, text
    both = np.argwhere(np.triu(overlapping(inner(boxes, 1), inner(boxes, 1)), 1))
    assert [(words[one], words[other]) for one, other in both] == []
    tiles = sum(1 for block in SHEETS[name].blocks for _ in block.tiles)
    assert len(ax.images) == (1 if tiles >= CROWD else tiles + (SHEETS[name].scale is not None))
    if tiles < CROWD:  # a crowd is one picture, empty between its parts
        pictures = inner([image.get_window_extent(renderer) for image in ax.images], 2)
        assert not overlapping(inner(boxes, 2), pictures).any()
        assert not np.triu(overlapping(pictures, pictures), 1).any()


def test_a_crowd_looks_as_its_parts_would(monkeypatch: pytest.MonkeyPatch) -> None:
    sheet = map_grid(torch.randn(CROWD, 6, 6), "maps")
    together = rendered(sheet)
    monkeypatch.setattr(pen, "CROWD", 10**6)
    different = np.abs(together - rendered(sheet)).max(axis=2) > 60
    assert different.mean() < 0.03


def rendered(sheet: Sheet) -> Any:
    canvas = FigureCanvasAgg(sheet.figure())
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].astype(int)


def test_pictures_that_do_not_fit_are_averaged() -> None:
    fine = np.zeros((4, 4, 3), dtype=np.uint8)
    fine[::2] = 200
    assert resized(fine, 2, 2).tolist() == [[[100] * 3] * 2] * 2
    assert resized(fine, 8, 4)[:, 0, 0].tolist() == [200, 200, 0, 0, 200, 200, 0, 0]
