"""What a person gets: text of 80 columns, a page that needs nothing, strict JSON, pictures."""

from __future__ import annotations

import json
import re

import pytest
import torch
from torch import nn

from convitro import diagnose
from convitro.anatomy import Diagnosis, Finding
from convitro.models import small_vgg
from convitro.plots import Display


@pytest.fixture(scope="module")
def ill() -> Diagnosis:
    """A network with many faults."""
    torch.manual_seed(3)
    model = small_vgg()
    for filter in range(9):
        nn.init.constant_(model.get_parameter("conv2_1.bias")[filter], -100)
    with torch.no_grad():
        for name in ("conv2_2.weight", "conv2_2.bias"):
            model.get_parameter(name)[3] = model.get_parameter(name)[1]
    nn.init.normal_(model.get_parameter("conv3_1.weight"), std=1e5)
    images = torch.rand(128, 3, 32, 32)
    return diagnose(model, (images, torch.arange(128) % 10))


def test_text_has_80_columns_and_names_everything(ill: Diagnosis) -> None:
    text = str(ill)
    assert max(map(len, text.splitlines())) <= 80
    assert text.startswith(f"Sequential: {len(ill.findings)} findings in 6 layers over 128 images")
    assert "conv2_1: 9 filters are dead" in text
    assert "… and 7 more: 2, 3, 4, 5, 6, 7, 8" in text
    assert "network: under-fitting" in text
    assert text.count("\n  dead: ") == 1  # what to try is said once


def test_long_names_fit_too() -> None:
    name = "features_of_the_first_branch_of_the_network"
    model = nn.ModuleDict({name: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())})[name]
    outer = nn.Sequential()
    outer.add_module(name, model)
    text = str(diagnose(outer, torch.rand(2, 3, 8, 8)))
    assert max(map(len, text.splitlines())) <= 80


def test_groups_hold_the_kinds(ill: Diagnosis) -> None:
    kinds = {found.kind for found in ill.findings}
    assert {"dead", "redundant", "untrained", "exploding", "under-fitting"} <= kinds
    grouped = [*ill.dead, *ill.noisy, *ill.redundant, *ill.saturated, *ill.cancelled, *ill.spread, *ill.fit]
    assert sorted(map(id, grouped)) == sorted(map(id, ill.findings)) == sorted(map(id, ill.of("any")))


def test_json_is_strict(ill: Diagnosis) -> None:
    read = json.loads(json.dumps(ill.to_dict(), allow_nan=False))
    assert len(read["findings"]) == len(ill.findings)
    assert read["layers"][0]["name"] == "conv1_1"
    redundant = next(found for found in read["findings"] if found["kind"] == "redundant")
    assert (redundant["filter"], redundant["partner"]) == (3, 1)


def test_values_that_are_not_finite_are_json_too() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    nn.init.constant_(model.get_parameter("0.weight"), torch.nan)
    diagnosis = diagnose(model, torch.rand(20, 3, 8, 8))
    assert [found.kind for found in diagnosis.findings] == ["not finite"]
    json.dumps(diagnosis.to_dict(), allow_nan=False)
    assert max(map(len, str(diagnosis).splitlines())) <= 80


def test_the_page_is_whole_and_plain(ill: Diagnosis) -> None:
    page = ill._repr_html_()
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="(?!data:)', page)
    assert 6 <= page.count("<img") <= 2 * 6  # pictures of the first findings, and no more
    assert "what to try" in page


def test_every_finding_has_a_number_beyond_its_limit_and_a_picture(ill: Diagnosis) -> None:
    for found in ill.findings:
        assert isinstance(found, Finding)
        assert found.advice
        assert found.measure
        assert all(isinstance(picture, Display) for picture in found.pictures)
        assert found.pictures
        below = found.kind in ("dead", "almost dead", "untrained", "noisy", "vanishing", "under-fitting")
        assert found.value < found.threshold if below else found.value >= found.threshold


def test_pictures_can_be_drawn(ill: Diagnosis) -> None:
    drawn = {found.kind: found for found in ill.findings}
    for found in drawn.values():
        assert found.plot().figure is not None
        assert found.pictures[-1].encoded("png", dpi=40).startswith(b"\x89PNG")
    assert ill.plot().get_title(loc="left") == ill.title


def test_a_healthy_network_has_a_picture_as_well() -> None:
    diagnosis = diagnose(small_vgg(), torch.zeros(1, 3, 32, 32))
    assert diagnosis.picture.encoded("svg").strip().endswith(b"</svg>")
