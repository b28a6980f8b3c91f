"""The view Training: its numbers and pixels are the snapshots'; slider, play, news; empty, broken folders."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from playwright.sync_api import Page, expect
from safetensors.torch import load_file
from torch import Tensor

from convitro import dissect
from convitro.lab import trained
from convitro.pictures import load_picture, to_input
from tests.explorer.browser.conftest import Console, Explorer
from tests.explorer.browser.reading import reads, shown_value
from tests.explorer.networks import small
from tests.explorer.runs import EPOCHS, goes_on, opened, stopped

Open = Callable[..., Page]


@pytest.fixture
def open_view(new_page: Open) -> Open:
    """Opens the view of an explorer: `open_view(followed, width=360, epoch=2)`."""

    def open_one(explorer: Explorer, width: int = 1280, options: Any = None, **chosen: object) -> Page:
        page = new_page(width, 900, **(options or {}))
        page.goto(explorer.address(view="training", **chosen))
        return page

    return open_one


def at_epoch(page: Page, epoch: int) -> None:
    """Wait until everything speaks of an epoch."""
    expect(page.locator(f".closeup[data-epoch='{epoch}']")).to_be_visible()
    name = "Before the first epoch" if epoch == 0 else f"After epoch {epoch} "
    expect(page.locator(".epoch-name")).to_contain_text(name)


def pixels_of(page: Page, selector: str) -> list[list[int]]:
    found: list[int] = page.locator(selector).first.evaluate(
        """shown => {
            const [width, height] = [shown.naturalWidth ?? shown.width, shown.naturalHeight ?? shown.height];
            const copy = new OffscreenCanvas(width, height);
            const context = copy.getContext("2d", { willReadFrequently: true });
            context.drawImage(shown, 0, 0);
            return Array.from(context.getImageData(0, 0, copy.width, copy.height).data);
        }"""
    )
    return [found[at : at + 3] for at in range(0, len(found), 4)]


def weights(whole: Path, epoch: int, layer: str = "conv1_1") -> Tensor:
    return load_file(whole / f"filters/{epoch:04}.safetensors")[f"{layer}.weight"]


@pytest.mark.parametrize("epoch", [0, 2, EPOCHS])
def test_the_numbers_are_the_snapshots(open_view: Open, followed: Explorer, whole: Path, epoch: int) -> None:
    page = open_view(followed, layer="conv1_1", filter=3, epoch=epoch)
    at_epoch(page, epoch)
    start, now = weights(whole, 0)[3], weights(whole, epoch)[3]
    for kind, kernels in (("start", start), ("now", now), ("added", now - start)):
        cells = page.locator(f"[data-kind={kind}] .cell").all_inner_texts()
        assert len(cells) == 27
        for text, value in zip(cells, kernels.flatten().tolist(), strict=True):
            shown, half = shown_value(text)
            assert abs(shown - value) <= half * 1.001, (text, value)
    moved = page.locator("[data-fact=moved]")
    expect(moved).to_be_visible()
    assert reads(moved.inner_text(), float((now - start).norm() / start.norm()))
    bias = load_file(whole / f"filters/{epoch:04}.safetensors")["conv1_1.bias"][3]
    assert reads(page.locator("[data-fact=bias]").inner_text(), float(bias))


@pytest.mark.parametrize("epoch", [0, 3])
def test_the_maps_are_those_of_the_network_then(
    open_view: Open, followed: Explorer, whole: Path, epoch: int
) -> None:
    """Each step of the colour scale has one colour, so pixels are alike exactly where the values are."""
    page = open_view(followed, layer="conv1_2", filter=7, epoch=epoch)
    at_epoch(page, epoch)
    anatomy = dissect(trained(whole, epoch=epoch), to_input(load_picture("cat"), (3, 12, 12)))
    map = anatomy["conv1_2"].activated[0, 7].flatten()
    expect(page.locator(".closeup-map .map-shape img")).to_be_visible()
    shown = pixels_of(page, ".closeup-map .map-shape img")
    steps = (
        (127.5 + map / map.abs().max() * 127.5).round().tolist() if map.abs().max() else [128.0] * len(map)
    )
    colours: dict[float, list[int]] = {}
    for step, colour in zip(steps, shown, strict=True):
        assert colours.setdefault(step, colour) == colour
    assert len({tuple(colour) for colour in colours.values()}) > len(colours) // 2
    scores = torch.softmax(anatomy.output[0].detach(), 0)
    said = page.locator(".closeup-said li").first.inner_text()
    assert said.split()[0] == str(int(scores.argmax()))


def test_a_filter_of_the_first_layer_is_a_colour_picture(
    open_view: Open, followed: Explorer, whole: Path
) -> None:
    page = open_view(followed, layer="conv1_1", filter=3, epoch=2)
    at_epoch(page, 2)
    weight = weights(whole, 2)
    scaled = 127.5 + weight[0] / weight.abs().max() * 127.5  # the scale is the layer's
    shown = torch.tensor(pixels_of(page, ".training-tile .kernel-picture"))
    torch.testing.assert_close(shown.float(), scaled.flatten(1).T, rtol=0, atol=0.51)
    page.get_by_role("radio", name="what training added to the kernels").click()
    added = weight - weights(whole, 0)
    scaled = 127.5 + added[0] / added.abs().max() * 127.5
    shown = torch.tensor(pixels_of(page, ".training-tile .kernel-picture"))
    torch.testing.assert_close(shown.float(), scaled.flatten(1).T, rtol=0, atol=0.51)


def test_the_curves_read_out_the_epoch_under_the_pointer(
    open_view: Open, followed: Explorer, whole: Path
) -> None:
    rows = json.loads((whole / "result.json").read_text())["epochs"]
    page = open_view(followed)
    at_epoch(page, EPOCHS)
    loss = page.locator("[data-measure=loss]")
    assert reads(loss.inner_text(), rows[-1]["loss"])
    box = page.locator(".curve-plot").first.bounding_box()
    assert box is not None
    inner = box["width"] - 50
    page.mouse.move(box["x"] + 40 + inner * 2 / EPOCHS, box["y"] + 60)
    expect(page.locator(".curve-here circle").first).to_have_attribute("cx", re.compile(r"."))
    assert reads(loss.inner_text(), rows[1]["loss"])
    assert reads(page.locator("[data-measure=validation_loss]").inner_text(), rows[1]["validation_loss"])
    shown = page.locator("[data-measure=accuracy]").inner_text()
    assert abs(float(re.sub(r"[^\d.]", "", shown)) - 100 * rows[1]["accuracy"]) <= 0.51
    page.mouse.click(box["x"] + 40 + inner * 2 / EPOCHS, box["y"] + 60)
    at_epoch(page, 2)
    assert "epoch=2" in page.url
    points = page.locator(".curve-line path").first.get_attribute("d") or ""
    assert points.count("L") == EPOCHS - 1


def test_slider_keys_and_the_address(open_view: Open, followed: Explorer) -> None:
    page = open_view(followed)
    at_epoch(page, EPOCHS)
    assert "epoch=" not in page.url  # the newest, whatever it is
    slider = page.get_by_role("slider", name="Epoch")
    slider.focus()
    page.keyboard.press("Home")
    at_epoch(page, 0)
    page.keyboard.press("ArrowRight")
    at_epoch(page, 1)
    assert "epoch=1" in page.url
    assert "After epoch 1: loss" in (slider.get_attribute("aria-valuetext") or "")
    page.locator("h2").first.click()
    page.keyboard.press(".")
    at_epoch(page, 2)
    page.keyboard.press(",")
    at_epoch(page, 1)
    page.reload()
    at_epoch(page, 1)


def test_play_goes_from_noise_to_the_end(open_view: Open, followed: Explorer) -> None:
    page = open_view(followed)
    at_epoch(page, EPOCHS)
    page.get_by_role("button", name="Play").last.click()
    at_epoch(page, 0)
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    at_epoch(page, EPOCHS)
    expect(page.locator(".epoch-play")).to_contain_text("Play")
    page.keyboard.press("x")
    at_epoch(page, 0)
    page.keyboard.press("x")
    expect(page.locator(".epoch-play")).to_contain_text("Play")


def test_less_motion_goes_by_hand(open_view: Open, followed: Explorer) -> None:
    page = open_view(followed, options={"reduced_motion": "reduce"}, epoch=2)
    at_epoch(page, 2)
    expect(page.locator(".epoch-play")).to_have_count(0)
    page.get_by_role("button", name="One epoch on").click()
    at_epoch(page, 3)
    page.keyboard.press("x")
    page.wait_for_timeout(300)
    at_epoch(page, 3)


def test_a_chosen_filter_is_open_in_other_views(open_view: Open, followed: Explorer) -> None:
    page = open_view(followed, layer="conv1_1", filter=3, epoch=1)
    at_epoch(page, 1)
    page.get_by_role("radio", name=re.compile(r"^filter 5\b")).click()
    expect(page.locator("#layer-name")).to_contain_text("filter 5")
    page.get_by_label("Layer", exact=True).select_option("conv2_1")
    expect(page.locator("#layer-name")).to_contain_text("conv2_1")
    page.keyboard.press("j")
    name = page.locator("#layer-name").inner_text()
    page.locator(".views").get_by_role("button", name="Filter", exact=True).click()
    expect(page.locator("main[data-view=filter] #layer-name")).to_have_text(name)


def test_news_come_by_themselves(
    open_view: Open, whole: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = stopped(whole, tmp_path / "run", 1)
    explorer = Explorer(*opened(folder))
    request.addfinalizer(explorer.stop)
    page = open_view(explorer)
    at_epoch(page, 1)
    expect(page.locator(".training-state")).to_have_text("running")
    goes_on(whole, folder, 2)
    at_epoch(page, 2)
    page.keyboard.press(",")
    at_epoch(page, 1)
    goes_on(whole, folder, EPOCHS)
    expect(page.locator(".training-state")).to_have_text("finished")
    at_epoch(page, 1)  # who looks at an epoch is not taken away from it
    asked = []
    page.on("request", lambda sent: asked.append(sent.url))
    page.wait_for_timeout(2500)
    assert asked == []  # a training that has ended has no news


def test_nothing_is_asked_while_another_view_is_open(
    open_view: Open, whole: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    explorer = Explorer(*opened(stopped(whole, tmp_path / "run", 1)))
    request.addfinalizer(explorer.stop)
    page = open_view(explorer)
    at_epoch(page, 1)
    page.get_by_role("button", name="Table").click()
    expect(page.locator(".table-view")).to_be_visible()
    asked = []
    page.on("request", lambda sent: asked.append(sent.url))
    page.wait_for_timeout(2500)
    assert [url for url in asked if "training" in url] == []


def test_before_the_first_epoch(
    open_view: Open, whole: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    explorer = Explorer(*opened(stopped(whole, tmp_path / "run", 0)))
    request.addfinalizer(explorer.stop)
    page = open_view(explorer)
    at_epoch(page, 0)
    expect(page.get_by_text("The first epoch is not finished yet")).to_be_visible()
    expect(page.locator(".training-tile")).to_have_count(16)


def test_a_damaged_folder_is_said_and_can_be_tried_again(
    open_view: Open, whole: Path, tmp_path: Path, request: pytest.FixtureRequest, console: Console
) -> None:
    folder = stopped(whole, tmp_path / "run", 2)
    explorer = Explorer(*opened(folder))
    request.addfinalizer(explorer.stop)
    good = (folder / "metrics.jsonl").read_bytes()
    (folder / "metrics.jsonl").write_bytes(b"damaged")
    console.expect("422")
    page = open_view(explorer)
    expect(page.get_by_role("alert")).to_contain_text("cannot be read")
    (folder / "metrics.jsonl").write_bytes(good)
    page.get_by_role("button", name="Try again").click()
    at_epoch(page, 2)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_without_a_training_the_view_says_how_to_make_one(
    open_view: Open, request: pytest.FixtureRequest
) -> None:
    explorer = Explorer(small())
    request.addfinalizer(explorer.stop)
    page = open_view(explorer, options={"permissions": ["clipboard-read", "clipboard-write"]})
    expect(page.locator(".command code").first).to_have_text("convitro train -o runs/first")
    page.get_by_role("button", name="Copy: convitro explore --run runs/first").click()
    expect(page.get_by_role("button", name="Copy: convitro explore")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "convitro explore --run runs/first"


@pytest.mark.parametrize("width", [360, 768, 1440, 2560])
@pytest.mark.parametrize("layer", ["conv1_1", "conv2_2"])
def test_nothing_is_wider_than_the_page(open_view: Open, followed: Explorer, width: int, layer: str) -> None:
    page = open_view(followed, width=width, layer=layer, filter=1)
    at_epoch(page, EPOCHS)
    expect(page.locator(".curve-plot")).to_have_count(3)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_every_control_has_a_name(open_view: Open, followed: Explorer) -> None:
    page = open_view(followed)
    at_epoch(page, EPOCHS)
    nameless = page.locator("main button, main input, main select, main [role=img]").evaluate_all(
        "all => all.filter((each) => !each.getAttribute('aria-label') && !each.textContent.trim()).length"
    )
    assert nameless == 0
