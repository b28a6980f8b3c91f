"""What a filter sees, and the network's health: the library's numbers, methods, links, empty states."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from convitro import deconvnet, diagnose, top_patches
from convitro.datasets import open_dataset
from convitro.view.seeing import around_grey, picture
from tests.explorer.browser.reading import reads
from tests.explorer.networks import input_of, small

OpenPage = Callable[..., Page]


def pixels_of(page: Page, selector: str) -> list[int]:
    """The bytes of a canvas, without its opacity."""
    found: list[int] = page.locator(selector).evaluate(
        "canvas => Array.from(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data)"
    )
    return [value for index, value in enumerate(found) if index % 4 != 3]


@pytest.mark.parametrize("method", ["deconvnet", "guided", "gradient"])
def test_a_projection_is_the_librarys(open_page: OpenPage, method: str) -> None:
    page = open_page("small", view="sees", layer="3", filter=1, pixel="2,4")
    if method != "deconvnet":
        page.get_by_role("radio", name=method).click()
    expect(page.locator(f".projected[data-ready=true][data-method={method}]")).to_be_visible()
    network = small()
    seen = deconvnet(network.model, input_of(network), "3", 1, unit=(2, 4), method=method)
    expect(page.locator(".seeing-part").first).to_contain_text("row 2, column 4")
    assert reads(page.locator(".seeing-part .number").first.inner_text(), seen.value)
    expected = around_grey(seen.image).flatten().tolist()
    assert pixels_of(page, ".projected figure:nth-child(2) canvas") == expected


def test_the_strongest_patches_are_the_librarys(open_page: OpenPage) -> None:
    page = open_page("small", view="sees", layer="0", filter=2)
    patches = page.locator(".patches li[title]")  # not the places of those on their way
    expect(patches).to_have_count(9)
    network = small()
    images = open_dataset("details", network.input_size).sample(300)
    found = top_patches(network.model, images.mapped(network.normalize), "0", k=9, filters=[2])
    for rank, text in enumerate(page.locator(".patches .number").all_inner_texts()):
        assert reads(text, float(found.values[0, rank]))
    expected = picture(found.patch(2, 0)).flatten().tolist()
    assert pixels_of(page, ".patches li:first-child .small-picture:first-child canvas") == expected


def test_another_filter_replaces_everything(open_page: OpenPage) -> None:
    page = open_page("small", view="sees", layer="0", filter=0)
    expect(page.locator(".patches li").first).to_be_visible()
    page.keyboard.press("j")
    expect(page.locator("#layer-name")).to_contain_text("filter 1")
    expect(page.locator(".projected[data-ready=true]")).to_be_visible()
    expect(page.locator(".patches li").first).to_be_visible()
    expect(page.locator(".kernels .map")).to_have_count(3)


def test_another_picture_has_its_own_projection(open_page: OpenPage) -> None:
    page = open_page("small", view="sees", layer="3", filter=1)
    shown = page.locator(".sent-back .number")
    expect(shown).to_be_visible()
    before = shown.inner_text()
    page.get_by_role("button", name="Picture: cat").click()
    page.get_by_role("button", name="cup", exact=True).click()
    expect(shown).not_to_have_text(before)
    network = small()
    back = deconvnet(network.model, input_of(network, "cup"), "3", 1, top=1)
    assert reads(shown.inner_text(), back.value)


def test_health_of_a_network_without_training(open_page: OpenPage) -> None:
    page = open_page("small", view="health")
    network = small()
    images = open_dataset("details", network.input_size).sample(300)
    findings = diagnose(network.model, images.mapped(network.normalize)).findings
    expect(page.locator(".health-view")).to_be_visible()
    assert page.locator(".findings li").count() == len(findings)
    rows = page.locator(".health-view tbody tr")
    assert rows.count() == 2
    if findings:
        page.locator(".findings .link").first.click()
        expect(page.locator(".chain")).to_be_visible()


def test_a_dead_filter_is_found_in_three_clicks(open_page: OpenPage) -> None:
    page = open_page("faulty")
    page.get_by_role("button", name="Health").click()
    link = page.locator(".findings[aria-label=dead] .link").first
    expect(link).to_have_text("3, filter 2")
    link.click()
    expect(page.locator("#layer-name")).to_have_text("layer 3 filter 2")


@pytest.mark.parametrize(("view", "width"), [("sees", 360), ("sees", 1280), ("health", 360), ("sees", 2560)])
def test_nothing_is_wider_than_the_page(open_page: OpenPage, view: str, width: int) -> None:
    page = open_page("paged", view=view, layer="2", filter=1, width=width)
    expect(page.locator(".patches li, .health-view").first).to_be_visible()
    page.wait_for_timeout(200)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
