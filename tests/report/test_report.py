"""A report is one file: bounded, whole, without an address in it, and it says what it leaves out."""

from __future__ import annotations

import base64
import gzip
import html
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import convitro
from convitro.anatomy import dissect, summary
from convitro.errors import ArgumentError
from convitro.models import CLASSES, INPUT_SIZE, small_vgg
from convitro.pictures import load_picture, to_input
from convitro.report import Report, Runs, full_report
from convitro.report.budget import chosen_filters
from convitro.report.documents import PageDocuments
from convitro.report.sections import Section, origin_section, result_section
from convitro.sources import Network
from convitro.view import Document, read_document
from convitro.view.standalone import standalone_page
from tests.explorer.networks import odd, small


@pytest.fixture(scope="module")
def embedded() -> Report:
    network = Network(small_vgg(), "small_vgg", INPUT_SIZE, CLASSES)
    pictures = [(name, to_input(load_picture(name), INPUT_SIZE)) for name in ("cat", "cup", "rocket")]
    table = summary(network.model, INPUT_SIZE, verbose=0)
    sections = [result_section("Summary", "What each layer costs.", table), origin_section(network)]
    return full_report(network, pictures, sections)


def test_the_embedded_network_fits_whole_with_three_pictures(embedded: Report) -> None:
    assert embedded.size_bytes <= 10 * 10**6
    for picture in range(3):
        for layer in ("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2"):
            assert f'data-document="layer\npicture-{picture}\n{layer}"' in embedded.html
    assert '"kept"' not in embedded.html


def test_nothing_in_it_can_be_fetched(embedded: Report) -> None:
    assert "default-src 'none'" in embedded.html
    outside_of_data = re.sub(
        r'<script type="(text/plain|importmap)".*?</script>', "", embedded.html, flags=re.DOTALL
    )
    found = re.findall(r"""(?:src|href)\s*=\s*["']([^"']*)|url\(([^)]*)\)""", outside_of_data)
    addresses = {one or other for one, other in found}
    assert all(address.startswith(("data:", "#")) for address in addresses), addresses


def test_the_same_input_gives_the_same_bytes() -> None:
    network, pictures = small(), [("noise", torch.rand(1, 3, 16, 16))]
    assert full_report(network, pictures).html == full_report(network, pictures).html


def test_what_it_is_called_is_text() -> None:
    network = Network(nn.Conv2d(3, 4, 3), "<b onload='x'>&", (3, 8, 8))
    section = Section("A <b>", "with & in it", "<p>own</p>", {})
    page = full_report(network, [('"></script>', torch.rand(1, 3, 8, 8))], [section]).html
    assert "<b onload" not in page
    assert '"></script>' not in page
    assert html.escape("A <b>") in page


def test_a_network_that_is_too_large_keeps_its_liveliest_filters() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 64, 3), nn.ReLU(), nn.Conv2d(64, 128, 3), nn.ReLU()).eval()
    anatomy = dissect(model, torch.rand(1, 3, 32, 32))
    inputs = {"0": 4 * 3 * 32 * 32, "2": 4 * 64 * 30 * 30}
    everything = chosen_filters(anatomy, 10**8, inputs, {})
    assert {name: len(filters) for name, filters in everything.items()} == {"0": 64, "2": 128}
    some = chosen_filters(anatomy, 900_000, inputs, {"2": [77, 3]})
    assert 4 <= len(some["2"]) < 128
    assert {77, 3} <= set(some["2"])
    spread = anatomy["2"].activated[0].flatten(1).std(dim=1)
    others = set(some["2"]) - {77, 3}
    assert others <= set(spread.topk(len(others) + 2).indices.tolist())
    assert len(some["0"]) >= 4
    little = chosen_filters(anatomy, 200_000, inputs, {})
    assert little["2"] == []
    assert len(little["0"]) >= 4
    assert chosen_filters(anatomy, 0, inputs, {}) == {"0": [], "2": []}


@pytest.mark.parametrize("max_bytes", [1_100_000, 1_400_000, 2_500_000])
def test_the_size_that_was_asked_for_is_kept(max_bytes: int) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 64, 3), nn.ReLU(), nn.Conv2d(64, 128, 3), nn.ReLU()).eval()
    pictures = [(str(index), torch.rand(1, 3, 32, 32)) for index in range(2)]
    report = full_report(Network(model, "wide", (3, 32, 32)), pictures, max_bytes=max_bytes)
    assert report.size_bytes <= max_bytes


@pytest.fixture(scope="module")
def wide() -> Network:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 64, 3), nn.ReLU(), nn.Conv2d(64, 128, 3), nn.ReLU()).eval()
    return Network(model, "wide", (3, 48, 48))


def own_bytes(network: Network) -> int:
    """What a report takes besides its documents."""
    return len(standalone_page({}, "", f"{network.name}: convolution layers, taken apart").encode())


def test_small_maps_and_further_documents_leave_room_for_the_layers(wide: Network) -> None:
    torch.manual_seed(0)
    pictures = [(str(index), torch.rand(1, 3, 48, 48)) for index in range(4)]
    numbers = torch.rand(100_000).numpy()
    more = {"first": numbers[:10_000], "too large": numbers, "small": numbers[:10]}
    documents = {key: Document({}, {"numbers": values}) for key, values in more.items()}
    runs = replace(Runs.of(wide, pictures), ids=["a", "b", "c", "d"], more=documents)
    room = 900_000
    found = full_report(wide, pictures, max_bytes=own_bytes(wide) + room, runs=runs)
    assert found.size_bytes <= own_bytes(wide) + room
    kept = set(re.findall(r'data-document="([^"]+)"', found.html))
    assert {"first", "small", "network\nd", "layer\na\n0"} <= kept
    assert "too large" not in kept
    shares = PageDocuments(wide, pictures, {}, runs).packed(room)
    assert sum(len(text) for key, text in shares.items() if key.startswith("maps")) <= room / 3


def test_what_is_wanted_is_there_on_the_first_picture(wide: Network) -> None:
    torch.manual_seed(0)
    pictures = [(str(index), torch.rand(1, 3, 48, 48)) for index in range(4)]
    documents = PageDocuments(wide, pictures, {"2": [77]}, Runs.of(wide, pictures))
    kept = documents.packed(2_400_000)
    first = read_document(gzip.decompress(base64.b64decode(kept["layer\npicture-0\n2"])))
    assert 77 in first.manifest["filters"]
    assert "layer\npicture-3\n2" not in kept  # a fourth of the page would have been too little
    without = PageDocuments(wide, pictures, {}, Runs.of(wide, pictures)).packed(2_400_000)
    assert "layer\npicture-0\n2" not in without


def test_unusual_layers_bring_their_partial_maps() -> None:
    network = odd()
    assert full_report(network, [("noise", torch.rand(1, 3, 48, 64))]).size_bytes < 3 * 10**6


def test_saving_replaces_at_once_or_not_at_all(tmp_path: Path) -> None:
    report = full_report(small(), [("noise", torch.rand(1, 3, 16, 16))])
    path = report.save(tmp_path / "report.html")
    assert path.read_text(encoding="utf-8") == report.html
    with pytest.raises(ArgumentError, match="cannot be written"):
        report.save(tmp_path / "nowhere" / "report.html")
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_a_report_of_nothing_is_refused() -> None:
    with pytest.raises(ArgumentError, match="expected: 1 to 8 pictures"):
        full_report(small(), [])


def test_as_table_and_in_a_notebook(embedded: Report) -> None:
    assert max(map(len, str(embedded).splitlines())) <= 80
    assert [section["title"] for section in embedded.to_dict()["sections"]] == [
        "The network",
        "Summary",
        "About this report",
    ]
    frame = embedded._repr_html_()
    assert frame.startswith('<iframe srcdoc="&lt;!doctype html&gt;')
    assert frame.count("<iframe") == 1


def test_grey_pictures_and_many_channels_have_thumbnails() -> None:
    for channels in (1, 2, 5):
        network = Network(convitro.Conv2d(channels, 3, 3), "one", (channels, 9, 9))
        assert full_report(network, [("noise", torch.rand(1, channels, 9, 9))]).html
