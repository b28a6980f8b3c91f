"""What stands in a view until its numbers are here, and where they cannot be had."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from torch import Tensor, nn

from convitro.sources import Network
from tests.explorer.browser.conftest import Console, Explorer, settled
from tests.explorer.networks import faulty, small

Open = Callable[..., Page]
LONG = "convnext_tiny_with_a_very_long_name.onnx"


class Gated(nn.Module):
    """A network that runs on many images only as often as it is let."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.gate = inner, threading.Semaphore(0)

    def forward(self, input: Tensor) -> Any:
        if input.shape[0] > 1:
            self.gate.acquire(timeout=60)
        return self.inner(input)


class OneAtATime(nn.Module):
    """A network that takes a single image only."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, input: Tensor) -> Any:
        if input.shape[0] > 1:
            raise ValueError("one image at a time, please")
        return self.inner(input)


@pytest.fixture
def shown(new_page: Open, request: pytest.FixtureRequest) -> Open:
    """Opens the page of an explorer of these networks: `shown(network, view="health")`."""

    def show(*networks: Network, width: int = 1280, **chosen: object) -> Page:
        explorer = Explorer(list(networks))
        request.addfinalizer(explorer.stop)
        page = new_page(width)
        request.addfinalizer(page.close)  # before the explorer: nobody asks a stopped one
        page.goto(explorer.address(**chosen))
        return page

    return show


@pytest.fixture
def gated() -> Iterator[Gated]:
    gated = Gated(small().model)
    yield gated
    for _ in range(20):
        gated.gate.release()  # whoever still waits


def test_how_far_the_look_is_stands_there(shown: Open, gated: Gated) -> None:
    page = shown(Network(gated.eval(), "gated", (3, 16, 16)), view="health")
    bar = page.get_by_role("progressbar", name="Looking the network over")
    expect(page.locator(".waiting")).to_contain_text("0 of 300 images")
    expect(page.locator("main h2")).to_have_text("Looking the network over")
    for _ in range(3):
        gated.gate.release()
    expect(page.locator(".waiting")).to_contain_text("96 of 300 images")
    expect(bar).to_have_attribute("aria-valuenow", "32")
    for _ in range(7):
        gated.gate.release()
    expect(page.locator(".health-view table tbody tr")).to_have_count(2)
    expect(bar).to_have_count(0)


def test_how_far_the_search_for_patches_is(shown: Open, gated: Gated) -> None:
    page = shown(Network(gated.eval(), "gated", (3, 16, 16)), view="sees")
    expect(page.locator(".strongest-words")).to_have_text("Looking through the pictures: 0 of 300 …")
    gated.gate.release()
    expect(page.locator(".strongest-words")).to_have_text("Looking through the pictures: 32 of 300 …")


@pytest.mark.parametrize(("view", "title"), [("health", "Looking"), ("table", "Counting")])
def test_a_refusal_stands_in_the_view_and_can_be_tried_again(
    shown: Open, console: Console, view: str, title: str
) -> None:
    page = shown(small(), view="learn")
    expect(page.get_by_role("button", name="Start the tour").first).to_be_visible()
    page.route(
        f"**/api/{view}*",
        lambda route: route.fulfill(
            status=422, json={"problem": "It cannot.", "received": "nothing", "hint": "wait"}
        ),
    )
    console.expect("422")
    page.locator(".views").get_by_role("button", name=view.capitalize(), exact=True).click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("It cannot. Received: nothing. What to do: wait.")
    expect(page.locator("main h2")).to_contain_text(title)
    expect(page.locator(".banner")).to_have_count(0)
    page.unroute(f"**/api/{view}*")
    alert.get_by_role("button", name="Try again").click()
    expect(page.locator(f".{view}-view")).to_be_visible()
    expect(alert).to_have_count(0)


def test_a_network_that_raises_on_many_images(shown: Open, console: Console) -> None:
    console.expect("500")
    page = shown(Network(OneAtATime(small().model).eval(), "single", (3, 16, 16)), view="health")
    expect(page.get_by_role("alert")).to_contain_text("ValueError: one image at a time, please")


def test_nothing_to_look_over(shown: Open) -> None:
    flat = Network(nn.Sequential(nn.Flatten(), nn.Linear(192, 4)).eval(), "flat", (3, 8, 8))
    page = shown(flat, view="health")
    expect(page.locator("main h2")).to_have_text("Nothing to look over")


@pytest.mark.parametrize("view", ["network", "filter", "play", "training", "health", "table", "learn"])
def test_a_network_that_cannot_be_shown_says_so_in_every_view(
    shown: Open, console: Console, view: str
) -> None:
    console.expect("400")
    page = shown(Network(nn.Conv2d(5, 2, 3).eval(), "five", (5, 8, 8)), view=view)
    expect(page.get_by_role("alert")).to_contain_text("A picture has 1 or 3 channels")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    page.get_by_role("button", name="Open a model").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def test_keys_act_before_a_network_is_here(new_page: Open, explorers: Callable[[str], Explorer]) -> None:
    page = new_page()
    page.route("**/api/network?*", lambda route: None)  # never answered
    page.goto(explorers("small").address(view="filter"))
    dialog = page.get_by_role("dialog")
    expect(page.locator(".loading")).to_be_visible()
    for key, title in [("?", "Keys and words"), ("o", "Open a model")]:
        page.keyboard.press(key)
        expect(dialog).to_have_accessible_name(title)
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
    before = page.locator("html").get_attribute("data-theme")
    page.keyboard.press("t")
    expect(page.locator("html")).not_to_have_attribute("data-theme", before or "")
    page.keyboard.press("9")
    expect(page.locator("main")).to_have_attribute("data-view", "learn")
    page.keyboard.press("2")
    for key in "jlmaxy.eps":  # these need its maps
        page.keyboard.press(key)
    expect(page.locator(".loading")).to_be_visible()
    expect(dialog).to_have_count(0)


@pytest.mark.parametrize("width", [360, 1280])
def test_a_dialog_stays_where_it_is_when_its_pictures_arrive(
    new_page: Open, explorers: Callable[[str], Explorer], width: int
) -> None:
    page, held = new_page(width), []
    page.route("**/api/pictures*", lambda route: held.append(route))
    page.goto(explorers("small").address())
    settled(page)
    page.keyboard.press("p")
    own = page.get_by_role("button", name="Your own picture …")
    expect(page.locator("dialog .loading")).to_be_visible()
    before = own.bounding_box()
    held[0].continue_()
    expect(page.locator(".picture-choice").first).to_be_visible()
    assert own.bounding_box() == before


@pytest.mark.parametrize("view", ["health", "table"])
def test_an_address_of_another_network_shows_that_one(
    new_page: Open, request: pytest.FixtureRequest, view: str
) -> None:
    """Whose numbers are asked for is known only when the network is."""
    explorer = Explorer([faulty(), Network(small().model, "second", (3, 16, 16))])
    request.addfinalizer(explorer.stop)
    page = new_page()
    asked: list[str] = []
    page.on("request", lambda sent: asked.append(sent.url))
    page.goto(explorer.address(view=view, model="1"))
    expect(page.locator(f".{view}-view")).to_contain_text("second")
    about = [url for url in asked if f"/api/{view}" in url]
    assert len(about) == 1
    assert "model=1" in about[0]


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_a_long_name_leaves_the_bar_whole(shown: Open, width: int) -> None:
    network = small()
    page = shown(Network(network.model, LONG, network.input_size), width=width, view="learn")
    button = page.get_by_role("button", name=LONG)
    expect(button).to_be_visible()
    assert LONG in (button.get_attribute("title") or "")
    boxes = [page.locator(each).bounding_box() for each in (".model-button", ".bar-settings", ".brand img")]
    name, settings, brand = (box for box in boxes if box is not None)
    assert brand["x"] + brand["width"] <= name["x"]
    assert name["x"] + name["width"] <= settings["x"] + 0.5
    assert settings["x"] + settings["width"] <= width
    assert name["y"] >= 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    button.click()
    expect(page.get_by_role("dialog").get_by_text(LONG)).to_be_visible()


def test_of_many_findings_of_a_kind_the_first_are_shown(shown: Open) -> None:
    network = small()
    for name in ("0", "3"):
        nn.init.constant_(network.model.get_parameter(f"{name}.bias"), -100.0)
    page = shown(network, view="health")
    dead = page.get_by_role("region", name="dead", exact=True)
    expect(dead.locator("li")).to_have_count(6)
    dead.get_by_role("button", name="All 9 of this kind").click()
    expect(dead.locator("li")).to_have_count(9)
    expect(dead.get_by_role("button", name="All 9")).to_have_count(0)
