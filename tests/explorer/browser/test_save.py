"""What can be taken away: the view as a picture, its numbers, the session as one file."""

import json
import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Page, expect

from convitro import dissect
from convitro.pictures import load_picture, to_input
from convitro.report import full_report
from tests.explorer.browser.conftest import settled
from tests.explorer.browser.playing import SOBEL, layer, picture
from tests.explorer.networks import small

OpenPage = Callable[..., Page]


def save(page: Page, kind: str) -> tuple[str, bytes]:
    """Choose one of the kinds; the name of the file and what is in it."""
    page.keyboard.press("e")
    with page.expect_download() as download:
        page.locator(f".save-choice[data-kind={kind}]").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_picture_of_a_view_is_what_the_page_shows(open_page: OpenPage, scheme: str) -> None:
    page = open_page("small", scheme=scheme, layer="3", filter=1)
    page.mouse.move(1, 1)
    name, data = save(page, "png")
    assert name == "small-filter-3-filter-1.png"
    saved = Image.open(BytesIO(data)).convert("RGB")
    page.evaluate("document.activeElement.blur()")
    shown = Image.open(BytesIO(page.locator("main").screenshot())).convert("RGB")
    assert saved.size == (2 * shown.width, 2 * shown.height)
    small_one = np.asarray(saved.resize(shown.size, Image.Resampling.BOX), np.float32)
    difference = np.abs(small_one - np.asarray(shown, np.float32))
    assert float(difference.mean()) < 4  # of 255: letters at twice the size have other edges
    corner = page.locator("main").bounding_box()
    maps = page.locator(".map-shape > img, .filter-tile img, .input-picture img, .mosaic img")
    assert corner is not None
    assert maps.count() > 10
    for each in maps.all():
        box = each.bounding_box()
        assert box is not None
        top, left = round(box["y"] - corner["y"]), round(box["x"] - corner["x"])
        part = difference[top + 2 : top + int(box["height"]) - 2, left + 2 : left + int(box["width"]) - 2]
        assert float(part.mean()) < 16, each.evaluate("shown => shown.parentElement.outerHTML.slice(0, 200)")
    assert float(np.asarray(shown, np.float32).std()) > 8  # and the page is not empty


def test_the_svg_stands_alone(open_page: OpenPage, new_page: OpenPage, tmp_path: Path) -> None:
    page = open_page("small", layer="0", filter=2)
    name, data = save(page, "svg")
    text = data.decode()
    assert "<title>Convitro: small on cat: Filter, layer 0, filter 2</title>" in text
    assert "<script" not in text
    assert not re.search(r"(href|src)=\"(?!data:)", text)
    (tmp_path / name).write_text(text, encoding="utf-8")
    requests: list[str] = []
    alone = new_page()
    alone.on("request", lambda request: requests.append(request.url))
    alone.goto((tmp_path / name).as_uri())
    expect(alone.get_by_text("This layer turns")).to_be_visible()
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []


def test_all_rows_of_a_long_network_are_in_its_picture(open_page: OpenPage) -> None:
    page = open_page("resnet", view="network", height=500)
    expect(page.locator(".network-row").first).to_be_visible()
    rows = page.locator(".network-row").count()
    text = save(page, "svg")[1].decode()
    assert page.locator(".network-row").count() == rows
    assert "the answer" in text
    for name in (each["name"] for each in json.loads(save(page, "json")[1])["network"]["layers"]):
        assert f">{name}<" in text


def test_the_numbers_of_a_view_are_the_librarys(open_page: OpenPage) -> None:
    network = small()
    page = open_page("small", layer="3", filter=2)
    name, data = save(page, "json")
    found = json.loads(data)
    assert name == "small-filter-3-filter-2.json"
    assert (found["network"], found["picture"], found["layer"], found["filter"]) == ("small", "cat", "3", 2)
    pixels = to_input(load_picture("cat"), network.input_size)
    dissected = dissect(network.model, network.normalize(pixels))["3"]
    arrays = found["chain"]["arrays"]
    for key, expected in (
        ("kernels", dissected.weight[2]),
        ("partial_maps", dissected.partial_maps(2)[0]),
        ("activated", dissected.activated[0, 2]),
    ):
        np.testing.assert_allclose(np.float32(arrays[key]), expected.detach().numpy(), rtol=1e-6, atol=1e-7)


def test_the_table_also_as_csv(open_page: OpenPage) -> None:
    page = open_page("small", view="table")
    expect(page.locator(".table-view tbody tr").first).to_be_visible()
    name, data = save(page, "csv")
    assert name == "small-table.csv"
    assert data.decode().startswith("layer,kind,output")


def test_the_numbers_of_a_kernel_made_by_hand_are_the_librarys(open_play: OpenPage) -> None:
    page = open_play("edges*b0.25*arelu*m2")
    name, data = save(page, "json")
    found = json.loads(data)
    assert name == "small-play.json"
    assert found["kernels"] == [SOBEL]
    grey = picture().mean(1, keepdim=True)
    model = layer(1, [SOBEL], torch.nn.ReLU(), torch.nn.MaxPool2d(2))
    with torch.no_grad():
        model.get_parameter("0.bias").fill_(0.25)
    expected = dissect(model, grey)["0"]
    assert expected.pooled is not None
    for key, map in (
        ("aggregated", expected.aggregated(0)[0]),
        ("output", expected.output[0, 0]),
        ("activated", expected.activated[0, 0]),
        ("pooled", expected.pooled[0, 0]),
    ):
        np.testing.assert_allclose(np.float32(found[key]), map.detach().numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.float32(found["channels"]["grey"]), grey[0, 0].numpy(), rtol=1e-6)


def test_learn_has_a_picture_but_no_numbers(open_page: OpenPage) -> None:
    page = open_page("small", view="learn")
    expect(page.locator("main[data-view=learn] h2").first).to_be_visible()
    page.get_by_role("button", name="Save …").click()
    expect(page.locator(".save-choice[data-kind=png]")).to_be_focused()
    expect(page.locator(".save-choice[data-kind=json]")).to_have_count(0)
    expect(page.get_by_role("dialog")).to_contain_text("no numbers of its own")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert save(page, "png")[0] == "small-learn.png"


def test_closing_the_dialog_withdraws_the_session(open_page: OpenPage) -> None:
    page = open_page("small")
    page.route("**/api/session?*", lambda route: None)  # never answered
    page.keyboard.press("e")
    page.locator(".save-choice[data-kind=html]").click()
    expect(page.get_by_role("progressbar", name="Making it")).to_be_visible()
    with page.expect_event("requestfailed") as failed:
        page.keyboard.press("Escape")
    assert failed.value.failure == "net::ERR_ABORTED"
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("e")
    expect(page.locator(".save-choice[data-kind=html]")).to_be_enabled()
    expect(page.locator(".banner")).to_have_count(0)


def test_a_report_offers_what_it_can(new_page: OpenPage, tmp_path: Path) -> None:
    network = small()
    pixels = to_input(load_picture("cat"), network.input_size)
    path = full_report(network, [("cat", pixels)]).save(tmp_path / "report.html")
    page = new_page()
    page.goto(path.as_uri())
    settled(page)
    page.keyboard.press("e")
    expect(page.locator(".save-choice")).to_have_count(3)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert save(page, "png")[1][:4] == b"\x89PNG"
