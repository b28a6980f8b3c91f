"""The same filter on several pictures, side by side."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from convitro import dissect
from convitro.pictures import load_picture, to_input
from convitro.report import full_report
from tests.explorer.browser.conftest import Console, settled
from tests.explorer.browser.reading import point_at, reads
from tests.explorer.networks import small

OpenPage = Callable[..., Page]


def ready(page: Page, count: int) -> None:
    expect(page.locator(".side-card[data-ready=true]")).to_have_count(count)


def test_pictures_are_chosen_in_the_dialog(open_page: OpenPage) -> None:
    page = open_page("small", layer="0", filter=1)
    page.get_by_role("button", name="Compare with other pictures").click()
    for name in ("cup", "rocket", "person"):
        page.get_by_role("button", name=f"Compare with {name}", exact=True).click()
    expect(page.get_by_role("button", name="Compare with moon", exact=True)).to_be_disabled()  # four at most
    expect(page.get_by_role("button", name="Compare with cup", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    page.keyboard.press("Escape")
    ready(page, 4)
    expect(page.locator(".side-name")).to_have_text(["cat", "cup", "rocket", "person"])
    expect(page).to_have_url(re.compile("compare=cup%2Crocket%2Cperson"))
    page.get_by_role("button", name="No longer compare with rocket").click()
    ready(page, 3)


def test_the_values_are_those_of_each_picture(open_page: OpenPage) -> None:
    network = small()
    page = open_page("small", layer="3", filter=2, compare="cup,rocket")
    ready(page, 3)
    cup = page.locator(".side-card[data-picture=cup] .map-shape")
    cup.scroll_into_view_if_needed()
    point_at(page, cup, 4, 1, (6, 6))
    expect(page.locator(".sentence")).to_have_attribute("data-pixel", "4,1")
    for name in ("cat", "cup", "rocket"):
        pixels = to_input(load_picture(name), network.input_size)
        layer = dissect(network.model, network.normalize(pixels))["3"]
        text = page.locator(f".side-card[data-picture={name}] .value").inner_text()
        assert reads(text, float(layer.activated[0, 2, 4, 1]))


def test_one_scale_for_all_or_each_its_own(open_page: OpenPage) -> None:
    page = open_page("small", layer="0", filter=1, compare="cup,rocket")
    ready(page, 3)
    colours = (
        """() => [...document.querySelectorAll(".side-card .map-shape img")].map((each) => each.src).join()"""
    )
    shared = page.evaluate(colours)
    page.keyboard.press("s")
    page.wait_for_function(f"shared => ({colours})() !== shared", arg=shared)


@pytest.mark.parametrize("kind", ["aggregated", "pooled"])
def test_other_maps_of_the_filter(open_page: OpenPage, kind: str) -> None:
    page = open_page("small", layer="0", filter=1, compare="cup")
    ready(page, 2)
    page.get_by_role("radio", name=f"{kind} map").click()
    expect(page.get_by_role("img", name=f"{kind} map of cup")).to_be_visible()
    ready(page, 2)


def test_opening_one_of_them_puts_the_open_one_in_its_place(open_page: OpenPage) -> None:
    page = open_page("small", layer="0", filter=1, compare="cup,rocket")
    ready(page, 3)
    page.get_by_role("button", name="Open rocket").click()
    expect(page.locator(".input-picture b")).to_have_text("rocket")
    expect(page.locator(".side-name")).to_have_text(["rocket", "cup", "cat"])
    ready(page, 3)


def test_the_newest_filter_wins(open_page: OpenPage) -> None:
    page = open_page("small", layer="0", filter=0, compare="cup")
    ready(page, 2)
    page.route("**/api/compared?*filter=1&*", lambda route: None)  # never answered
    page.keyboard.press("j")
    expect(page.locator(".side-card[data-ready=false]")).to_have_count(1)
    page.keyboard.press("j")
    expect(page.locator(".chain")).to_have_attribute("data-filter", "0:2")
    ready(page, 2)


def test_a_picture_that_is_gone_is_said_on_its_card(open_page: OpenPage, console: Console) -> None:
    console.expect("status of 404")
    page = open_page("small", layer="0", filter=1, compare="own-0000000000000000,cup")
    ready(page, 2)
    expect(page.locator(".side-cards")).to_contain_text("not here any more")
    expect(page.locator(".banner")).to_have_count(0)
    page.get_by_role("button", name="No longer compare with own-0000000000000000").click()
    expect(page.locator(".side-card")).to_have_count(2)


def test_in_a_report_its_own_pictures(new_page: OpenPage, tmp_path: Path) -> None:
    network = small()
    pictures = [(name, to_input(load_picture(name), network.input_size)) for name in ("cat", "cup")]
    path = full_report(network, pictures).save(tmp_path / "report.html")
    page = new_page()
    page.goto(path.as_uri() + "#layer=0&filter=1")
    settled(page)
    page.keyboard.press("p")
    page.get_by_role("button", name="Compare with cup", exact=True).click()
    page.keyboard.press("Escape")
    ready(page, 2)


@pytest.mark.parametrize("width", [360, 700, 1000, 1100, 1440, 2560])
def test_nothing_is_wider_than_the_page(open_page: OpenPage, width: int) -> None:
    page = open_page("small", width=width, layer="0", filter=1, compare="cup,rocket,person")
    ready(page, 4)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box = page.locator(".side-cards").bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= width
