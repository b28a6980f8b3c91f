"""Colours: the page's own scale, symmetric around zero, honest about what is no number."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from convitro.plots.colours import (
    NO_NUMBER,
    PLACES,
    STOPS,
    Scale,
    composite,
    photograph,
    picture_range,
    ramp,
)

PAGE = Path(__file__).parents[2] / "convitro/view/numbers/colour.js"


def test_the_scale_is_that_of_the_page() -> None:
    text = PAGE.read_text("utf-8")
    light = re.search(r"light: \[(.*?)\]", text)
    places = re.search(r"PLACES = \[(.*?)\]", text)
    assert light is not None
    assert places is not None
    assert tuple(re.findall(r"#\w{6}", light[1])) == STOPS
    assert tuple(map(float, places[1].split(","))) == PLACES


def test_the_ramp_passes_through_its_stops() -> None:
    for stop, place in zip(STOPS, PLACES, strict=True):
        wanted = np.array([int(stop[at : at + 2], 16) for at in (1, 3, 5)])
        nearest = np.abs(ramp().astype(int) - wanted).max(axis=1).min()
        assert nearest <= (1 if place in (0, 1) else 6), stop  # others lie between two of the 256 steps


def test_both_ends_are_dark_and_zero_is_paper() -> None:
    light = ramp().astype(float) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(light[:127]) > 0).all()
    assert (np.diff(light[129:]) < 0).all()
    assert light[127:129].min() > 245


def test_values_get_the_colours_of_their_share() -> None:
    values = torch.tensor([-2.0, 0.0, 2.0, 1.0, float("nan"), float("inf"), float("-inf")])
    scale = Scale.of(values)
    assert scale == Scale(2.0, -2.0, 2.0)
    pixels = scale.colours(values)
    for place, step in enumerate([0, 128, 255, 191]):
        assert np.abs(pixels[place].astype(int) - ramp()[step]).max() <= 2
    assert tuple(pixels[4]) == NO_NUMBER
    assert (pixels[5] == ramp()[255]).all()
    assert (pixels[6] == ramp()[0]).all()


@pytest.mark.parametrize(
    ("values", "ends"),
    [([-1.0, 3.0], (-3, 3)), ([0.0, 3.0], (0, 3)), ([-2.0, -1.0], (-2, 0)), ([0.0], (0, 0)), ([], (0, 0))],
)
def test_the_bar_has_the_half_that_is_needed(values: list[float], ends: tuple[float, float]) -> None:
    assert Scale.of(torch.tensor(values)).ends == ends


def test_signed_colours_are_grey_at_zero() -> None:
    pixels = composite(torch.tensor([[[0.0, 4.0]], [[0.0, -4.0]], [[0.0, 2.0]]]), limit=4.0)
    assert pixels.tolist() == [[[128, 128, 128], [255, 0, 191]]]


def test_photographs_are_stretched_only_where_they_must() -> None:
    assert picture_range([torch.tensor([0.2, 0.7])]) == (0.0, 1.0)
    assert picture_range([torch.tensor([0.2]), torch.tensor([-1.0, 3.0])]) == (-1.0, 3.0)
    assert photograph(torch.tensor([[[-1.0, 3.0]]]), -1, 3).tolist() == [[[0, 0, 0], [255, 255, 255]]]
    two = torch.tensor([[[0.0]], [[1.0]]])
    assert photograph(two).tolist() == [[[128, 128, 128]]]
