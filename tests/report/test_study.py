"""The usual report: a section for every question, and the command that writes it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from convitro.anatomy.costs.count import Accountant
from convitro.anatomy.indexing import evenly
from convitro.datasets import open_dataset
from convitro.report.study import study
from convitro.sources import Network
from tests.command_line import invoke

NETWORK = """
import torch
from torch import nn
def small_net():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3), nn.ReLU(),
                        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3))
    with torch.no_grad():
        net[3].bias[2] = -100.0
    return net
"""


@pytest.fixture
def folder(workplace: Path) -> Path:
    (workplace / "network_of_report_test.py").write_text(NETWORK)
    torch.manual_seed(0)
    import numpy as np

    np.save(workplace / "images.npy", torch.rand(12, 16, 16).numpy())
    return workplace


def test_the_sections_and_what_they_find() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3), nn.ReLU())
    with torch.no_grad():
        model.get_parameter("3.bias")[2] = -100.0
    sections = study(Network(model.eval(), "tiny", (3, 16, 16)), open_dataset("photographs", (3, 16, 16)))
    titles = [section.title for section in sections]
    assert titles == [
        "Summary",
        "Receptive fields",
        "Diagnosis",
        "First kernels",
        "What filters look for",
        "About this report",
    ]
    health, seen = sections[2], sections[4]
    assert 2 in health.filters["3"]
    assert "never above" in health.html or "dead" in health.html
    assert sorted(seen.filters) == ["0", "3"]
    assert seen.html.count("<img") == 2
    for section in sections:
        assert not re.search(r"<script|https?://(?!www\.w3\.org)", section.html)


def test_a_network_without_convolutions_has_a_report_too() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 2)).eval()
    sections = study(Network(model, "linear", (3, 8, 8)), open_dataset("photographs", (3, 8, 8)))
    assert [section.title for section in sections][:2] == ["Summary", "Receptive fields"]


def test_layers_are_spread_with_both_ends() -> None:
    chosen = evenly(53, 6)
    assert (chosen[0], chosen[-1], len(set(chosen))) == (0, 52, 6)
    assert evenly(3, 6) == [0, 1, 2]


def test_the_command(folder: Path) -> None:
    arguments = ["report", "network_of_report_test:small_net", "--input", "1x16x16", "--data", "images.npy"]
    code, out, err = invoke(*arguments, "-o", "out.html")
    assert (code, err) == (0, "")
    assert re.fullmatch(r"out\.html: \d\.\d MB, open it in a browser\n", out)
    page = (folder / "out.html").read_text(encoding="utf-8")
    assert page.count('data-document="network\n') == 3
    assert "small_net: 1 finding" in page or "findings in 2 layers" in page


def test_layers_are_counted_once_for_tables_and_page(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count, counted = Accountant.run, list[str]()

    def counting(self: Accountant, input: object, mode: str = "same") -> object:
        counted.append(mode)
        return count(self, input, mode)

    monkeypatch.setattr(Accountant, "run", counting)
    arguments = ["report", "network_of_report_test:small_net", "--input", "1x16x16", "--data", "images.npy"]
    assert invoke(*arguments, "-o", "out.html")[0] == 0
    assert counted == ["same"]
    page = (folder / "out.html").read_text(encoding="utf-8")
    assert 'data-document="table"' in page
    assert re.search(r"<th[^>]*>advice</th>", page)


def test_wrong_use_writes_nothing(folder: Path) -> None:
    arguments = ["report", "network_of_report_test:small_net", "--input", "1x16x16", "--data", "images.npy"]
    code, _, err = invoke(*arguments, "-o", "nowhere/out.html")
    assert code == 2
    assert "cannot be written" in err
    assert invoke(*arguments, "--image", "none.png", "-o", "out.html")[0] == 2
    assert not (folder / "out.html").exists()


def test_the_embedded_network_has_a_report_of_ten_megabytes(workplace: Path) -> None:
    code, _, err = invoke("report")
    assert (code, err) == (0, "")
    page = (workplace / "report.html").read_bytes()
    assert 3 * 10**6 < len(page) <= 10**7
    assert b'"kept"' not in page
