"""Displays: drawn without any global state, as often as wanted, into files, pages and axes of one's own."""

from __future__ import annotations

import base64
import importlib.util
import io
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from convitro.errors import ArgumentError, LoadError, ShapeError
from convitro.plots import (
    Bars,
    Curves,
    Display,
    Histogram,
    colour_filters,
    kernel_matrix,
    map_grid,
    picture_grid,
)
from convitro.plots.colours import ramp

EPOCHS = torch.arange(4)
DISPLAYS: dict[str, Display] = {
    "maps": map_grid(torch.randn(5, 6, 7), "conv1: $maps$ <1>"),
    "kernels": kernel_matrix(torch.randn(8, 3, 3, 3), "conv1: kernels", scale="each"),
    "colour filters": colour_filters(torch.randn(8, 3, 5, 5), "conv1: filters"),
    "pictures": picture_grid([torch.rand(3, 8, 8), torch.rand(1, 4, 6)], "pictures", ["one", "two"]),
    "bars": Bars("activity", torch.rand(5), labels=("a", "b", "c", "d", "e"), marks={"dead": 0.1}),
    "histogram": Histogram.of(torch.randn(100), "weights", marks={"limit": 1.0}, notes=("A note.",)),
    "curves": Curves("loss", {"training": (EPOCHS, EPOCHS / 3), "validation": (EPOCHS, EPOCHS / 2)}),
}
BEGINNINGS = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


def pixels_of(display: Display, dpi: int = 100) -> Any:
    return np.asarray(Image.open(io.BytesIO(display.encoded("png", dpi))).convert("RGB")).astype(int)


def shows(picture: Any, colour: Any) -> int:
    """How many pixels have that colour, or nearly so."""
    return int((np.abs(picture - np.asarray(colour)).max(axis=2) <= 3).sum())


@pytest.mark.parametrize("name", DISPLAYS)
@pytest.mark.parametrize("form", BEGINNINGS)
def test_saved_in_every_format(name: str, form: str, tmp_path: Path) -> None:
    path = DISPLAYS[name].save(tmp_path / f"picture.{form}", dpi=50)
    assert path.read_bytes().startswith(BEGINNINGS[form])


@pytest.mark.parametrize("name", DISPLAYS)
def test_drawn_twice_alike(name: str) -> None:
    assert DISPLAYS[name].encoded("png", 50) == DISPLAYS[name].encoded("png", 50)


@pytest.mark.parametrize("name", DISPLAYS)
def test_drawn_into_axes_of_ones_own(name: str) -> None:
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert DISPLAYS[name].plot(right) is right
    drawn = [len(ax.images) + len(ax.patches) + len(ax.lines) for ax in (left, right)]
    assert drawn[0] == 0 < drawn[1]
    own = DISPLAYS[name].plot()
    assert own.get_figure() is not figure


@pytest.mark.parametrize("name", DISPLAYS)
def test_a_page_holds_the_picture_and_its_words(name: str) -> None:
    page = DISPLAYS[name]._repr_html_()
    found = re.fullmatch(
        r'<img alt="([^"<>]+)" style="[^"]*" width="\d+" src="data:image/(png|svg\+xml);base64,(\S+)">', page
    )
    assert found is not None
    assert base64.b64decode(found[3]).startswith((b"\x89PNG", b"<?xml"))
    assert str(DISPLAYS[name]) == DISPLAYS[name].alt
    assert "script" not in page


def test_no_global_state_and_no_backend() -> None:
    code = (
        "import sys, torch, convitro.plots as plots\n"
        "assert 'matplotlib' not in sys.modules\n"
        "plots.map_grid(torch.randn(3, 4, 4), 'maps').encoded('png', 50)\n"
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_threads_may_draw() -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: DISPLAYS["maps"].encoded("png", 50), range(4)))
    assert len(set(results)) == 1


def test_without_matplotlib_there_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for draw in (
        DISPLAYS["maps"].plot,
        DISPLAYS["maps"].figure,
        lambda: DISPLAYS["bars"].save(tmp_path / "x.png"),
    ):
        with pytest.raises(LoadError, match=re.escape('pip install "convitro[plots]"')):
            draw()
    page = DISPLAYS["maps"]._repr_html_()
    assert "5 maps of 6x7" in page
    assert "convitro[plots]" in page


@pytest.mark.parametrize("name", ["picture.gif", "picture", "png"])
def test_the_name_says_the_format(name: str, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="does not say which format"):
        DISPLAYS["maps"].save(tmp_path / name)


def test_maps_share_a_scale_or_have_their_own() -> None:
    maps = torch.stack([torch.full((4, 4), 1.0), torch.full((4, 4), -10.0)])
    shared, each = pixels_of(map_grid(maps, "maps")), pixels_of(map_grid(maps, "maps", scale="each"))
    weak, strong, full = ramp()[140], ramp()[0], ramp()[255]
    assert shows(shared, weak) > 5000  # 1 of 10 is pale where both share a scale
    assert shows(shared, full) < 500
    assert shows(each, full) > 5000
    assert shows(shared, strong) > 5000
    assert shows(each, strong) > 5000


def test_a_map_lies_where_it_belongs() -> None:
    maps = torch.tensor([[[1.0, -1.0], [-1.0, -1.0]]])
    picture = pixels_of(map_grid(maps, "", [""]))
    rows, columns = np.nonzero(np.abs(picture - ramp()[255]).max(axis=2) <= 3)
    others = np.nonzero(np.abs(picture - ramp()[0]).max(axis=2) <= 3)
    assert rows.min() < others[0].min() + 5
    bar = rows > others[0].max() - 40
    assert columns[~bar].max() <= (others[1].min() + others[1].max()) / 2 + 5


@pytest.mark.parametrize("count", [1, 2, 3, 7, 10, 32, 64, 96, 200, 512])
def test_any_number_of_maps_has_a_sensible_sheet(count: int) -> None:
    sheet = map_grid(torch.zeros(count, 6, 6), "maps")
    width, height = sheet.size
    assert 2 < width <= 11
    assert 1 < height <= 12
    assert sum(len(row) for block in sheet.blocks for row in block.rows) == count
    assert sheet.notes == ()


def test_what_is_not_shown_is_told() -> None:
    sheet = map_grid(torch.zeros(700, 2, 2), "maps")
    assert sum(1 for _ in sheet.blocks[0].tiles) == 512
    assert sheet.notes == ("188 more maps not shown.",)
    matrix = kernel_matrix(torch.zeros(60, 40, 3, 3), "kernels")
    assert matrix.notes[1:] == ("12 more filters not shown.", "8 more channels not shown.")
    assert picture_grid([torch.zeros(3, 2, 2)] * 5, "pictures", most=4).notes == (
        "1 more picture not shown.",
    )


def test_kernels_stand_in_rows_of_filters() -> None:
    kernels = torch.zeros(10, 3, 3, 3)
    kernels[7, 2, 0, 1] = 1
    sheet = kernel_matrix(kernels, "kernels", column_labels=["red", "green", "blue"])
    labels = [label for block in sheet.blocks for label in block.row_labels]
    rows = [row for block in sheet.blocks for row in block.rows]
    assert labels == [str(index) for index in range(10)]
    tile = rows[7][2]
    assert tile is not None
    assert (tile.pixels[0, 1] == ramp()[255]).all()
    assert all(block.column_labels == ("red", "green", "blue") for block in sheet.blocks)


def test_grey_pixels_are_explained() -> None:
    maps = torch.zeros(1, 2, 2)
    maps[0, 0, 0] = float("nan")
    assert map_grid(maps, "maps").notes == ("Grey: 1 value not a number.",)


def test_stretched_pictures_say_so() -> None:
    assert picture_grid([torch.tensor([[[-1.0, 2.0]]])], "x").notes == ("Black is -1, white is 2.",)


def test_empty_things_can_be_drawn() -> None:
    for display in (
        map_grid(torch.zeros(0, 3, 3), "none"),
        picture_grid([], "none"),
        Bars("none", torch.zeros(0)),
    ):
        assert display.encoded("png", 40)
    assert str(Histogram.of(torch.zeros(0), "none")) == "none: no values."


def test_a_histogram_counts_all_finite_values() -> None:
    values = torch.tensor([1.0, 2.0, 2.0, 3.0, float("nan"), float("inf")])
    histogram = Histogram.of(values, "values", bins=4)
    assert histogram.counts.tolist() == [1, 0, 2, 1]
    assert histogram.edges.tolist() == [1, 1.5, 2, 2.5, 3]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: map_grid(torch.zeros(2, 3), "x"), "are not maps"),
        (lambda: kernel_matrix(torch.zeros(2, 3, 3), "x"), "are not kernels"),
        (lambda: colour_filters(torch.zeros(2, 4, 3, 3), "x"), "three channels"),
        (lambda: picture_grid([torch.zeros(3, 3)], "x"), "no image"),
        (lambda: Bars("x", torch.zeros(2, 2)), "stand in a row"),
        (lambda: Histogram("x", torch.zeros(2), torch.zeros(2)), "do not fit"),
        (lambda: Curves("x", {"a": (torch.zeros(2), torch.zeros(3))}), "differ"),
    ],
)
def test_wrong_shapes_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: map_grid(torch.zeros(2, 3, 3), "x", scale="own"), "no such scale"),
        (lambda: kernel_matrix(torch.zeros(2, 3, 3, 3), "x", scale=""), "no such scale"),
        (lambda: colour_filters(torch.zeros(2, 3, 3, 3), "x", scale=""), "no such scale"),
        (lambda: map_grid(torch.zeros(2, 3, 3), "x", ["a"]), "one label"),
        (lambda: Bars("x", torch.zeros(2), labels=("a",)), "one label"),
    ],
)
def test_wrong_arguments_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()
