"""How much the channels of a filter take from each other: by hand, by chance, pair by pair."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

import convitro
from convitro.anatomy import Cancellation, dissect
from convitro.errors import ArgumentError


def by_hand() -> Cancellation:
    """Three channels of two pixels through the weights 1, -1, 2."""
    conv = nn.Conv2d(3, 1, 1, bias=False)
    conv.weight.data = torch.tensor([[1.0, -1.0, 2.0]])[..., None, None]
    image = torch.tensor([[3.0, 0.0], [4.0, 0.0], [-1.0, 0.0]])[None, :, None]  # (1, 3, 1, 2)
    return dissect(conv, image)["conv2d"].filter(0).cancellation


def test_pixels_and_value_by_hand() -> None:
    found = by_hand()  # partial maps 3, -4, -2 and 0, 0, 0
    assert_close(found.map, torch.tensor([[[1 - 3 / 9, 0.0]]]))
    assert found.value == pytest.approx(1 - 3 / 9)
    assert found.baseline == pytest.approx(1 - 26**0.5 / 8)  # patches of length 3, 4 and 1
    assert found.to_dict()["value"] == pytest.approx(2 / 3)
    assert "cancellation of 3 channels" in str(found)
    assert "random weights" in found._repr_html_()


def test_pairs_by_hand() -> None:
    found = by_hand()
    assert found.pairs(0, 0) == ((0, 3.0, 1, -4.0),)
    assert found.pairs(0, 1) == ()
    with pytest.raises(ArgumentError, match="x"):
        found.pairs(0, 2)


def test_pairs_match_the_strongest_of_both_signs() -> None:
    conv = nn.Conv2d(8, 4, 3, groups=2, bias=False)
    part = dissect(conv, torch.randn(2, 8, 6, 6))["conv2d"].filter(3)
    values = dict(zip(part.channels, part.partial_maps[1, :, 2, 3].tolist(), strict=True))
    ups = sorted((c for c in values if values[c] > 0), key=lambda c: -values[c])
    downs = sorted((c for c in values if values[c] < 0), key=lambda c: values[c])
    expected = [(up, values[up], down, values[down]) for up, down in zip(ups, downs, strict=False)]
    assert list(part.cancellation.pairs(2, 3, image=1)) == expected[:3]
    assert set(values) == {4, 5, 6, 7}


def test_all_filters_agree_with_the_layer() -> None:
    layer = dissect(nn.Conv2d(6, 5, 3, padding=1), torch.randn(2, 6, 7, 7))["conv2d"]
    values = torch.tensor([layer.filter(index).cancellation.value for index in range(5)])
    assert_close(values, layer.cancellation())


@pytest.mark.parametrize("uneven", [False, True])
@pytest.mark.parametrize("channels", [2, 3, 16, 64])
def test_random_weights_lose_what_the_baseline_says(channels: int, uneven: bool) -> None:
    conv = nn.Conv2d(channels, 400, 3, stride=2, padding=1, bias=False)
    nn.init.normal_(conv.weight)
    strengths = torch.rand(channels) ** 3 if uneven else torch.ones(channels)
    layer = dissect(conv, torch.randn(1, channels, 9, 9) * strengths[:, None, None])["conv2d"]
    maps = torch.stack([layer.partial_maps(index)[0] for index in range(400)])
    kept, brought = maps.sum(1).abs().sum(), maps.abs().sum()
    baseline = layer.filter(0).cancellation.baseline
    assert baseline == pytest.approx(float(1 - kept / brought), abs=0.03)


def test_one_channel_has_nothing_to_cancel() -> None:
    layer = dissect(nn.Conv2d(4, 4, 3, groups=4), torch.randn(1, 4, 6, 6))["conv2d"]
    found = layer.filter(2).cancellation
    assert found.value == found.baseline == 0
    assert float(found.map.max()) == 0


def test_no_baseline_where_windows_are_no_sums_of_products() -> None:
    layer = dissect(convitro.Conv2d(3, 2, 3, combine="absolute_difference"), torch.randn(1, 3, 6, 6))
    found = layer["conv2d"].filter(0).cancellation
    assert found.baseline is None
    assert found.to_dict()["baseline"] is None
    assert "random weights" not in str(found)


def test_what_is_not_finite_stays_so() -> None:
    conv = nn.Conv2d(2, 1, 1, bias=False)
    image = torch.tensor([[float("nan"), 1.0], [1.0, 1.0]])[None, :, None]
    found = dissect(conv, image)["conv2d"].filter(0).cancellation
    assert found.map.isnan().tolist() == [[[True, False]]]
