"""Keys that act only where they are seen, the tabs on every screen, the kernel sliding in "Filter"."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.explorer.browser.conftest import Explorer, settled
from tests.explorer.browser.reading import mark_box, point_at, reads
from tests.explorer.networks import anatomy_of, small

OpenPage = Callable[..., Page]

# What the letters change, whether it can be seen or not.
CHOSEN = "new URLSearchParams(location.hash.slice(1))"


def chosen(page: Page, *names: str) -> list[str | None]:
    return [page.evaluate(f"{CHOSEN}.get({name!r})") for name in names]


@pytest.mark.parametrize("view", ["play", "table", "health", "learn", "network"])
def test_letters_change_nothing_that_is_hidden(open_page: OpenPage, view: str) -> None:
    page = open_page(view=view, layer="0", filter=1, pixel="2,3")
    expect(page.locator("main h2").first).to_be_visible()
    before = chosen(page, "layer", "filter", "aggregation", "map", "pixel")
    shared = page.get_by_role("radio", name="shared by all maps of a column")
    for key in ["j", "k", "k", "l", "a", "A", "a", "0", "g", ".", ","]:
        page.keyboard.press(key)
    if view != "play":
        page.keyboard.press("m")
    if view in ("table", "health", "learn"):
        page.keyboard.press("s")
        page.keyboard.press("p")
        expect(page.get_by_role("dialog")).to_have_count(0)
    expect(shared).to_be_checked()
    assert chosen(page, "layer", "filter", "aggregation", "map", "pixel") == before


def test_letters_act_where_they_are_seen(open_page: OpenPage) -> None:
    page = open_page(view="sees", layer="0", filter=1, pixel="2,3")
    expect(page.locator("#layer-name")).to_contain_text("filter 1")
    page.keyboard.press("j")
    expect(page.locator("#layer-name")).to_contain_text("filter 2")
    page.keyboard.press("a")
    page.keyboard.press("m")
    expect(page).not_to_have_url(re.compile("pixel="))
    assert chosen(page, "aggregation") == [None]
    page.locator(".view-tab", has_text="Play").click()
    page.locator(".bench-result .map-shape").click(position={"x": 2, "y": 2})
    expect(page).to_have_url(re.compile("play=edges.x0_0"))
    page.keyboard.press("m")
    expect(page).to_have_url(re.compile("play=edges(&|$)"))


def test_the_list_is_ordered_by_views(open_page: OpenPage) -> None:
    page = open_page(view="play")
    expect(page.locator(".bench")).to_be_visible()
    page.keyboard.press("?")
    groups = page.locator(".keys")
    expect(groups.first.locator(".keys-here")).to_have_text("open now")
    titles = [
        title.removesuffix(" open now").removesuffix("open now")
        for title in groups.locator("h3").all_inner_texts()
    ]
    assert titles[:3] == ["Play", "Everywhere", "During a tour"]
    of_a_filter = "Filter, Aggregation, What it sees and Training"
    assert {"Filter and Aggregation", "Aggregation", of_a_filter} < set(titles)
    expect(groups.first).to_contain_text("slide the kernel, pause")
    expect(groups.first).not_to_contain_text("next, previous aggregation")


@pytest.mark.parametrize("view", ["filter", "network", "play", "table", "learn"])
def test_the_skip_link_leads_to_the_open_view(open_page: OpenPage, view: str) -> None:
    page = open_page(view=view)
    expect(page.locator("main h2").first).to_be_visible()
    expect(page.locator("main [aria-busy=true]")).to_have_count(0)  # what is on its way has nothing to reach
    before = page.url
    page.keyboard.press("Tab")
    expect(page.locator(".skip-link")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")
    assert page.url == before


@pytest.mark.parametrize("width", [360, 768, 1100, 1280, 1920, 3840])
def test_the_open_tab_is_on_the_screen(open_page: OpenPage, width: int) -> None:
    page = open_page(view="learn", width=width)
    expect(page.locator("main h2").first).to_be_visible()
    tabs = page.locator(".view-tab")
    for index in [*range(min(tabs.count(), 9)), 0]:
        page.keyboard.press(str(index + 1))
        tab = tabs.nth(index)
        expect(tab).to_have_attribute("aria-current", "page")
        box = tab.bounding_box()
        assert box is not None
        assert box["x"] >= 0, (index, box)
        assert box["x"] + box["width"] <= width, (index, box)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    fades = page.evaluate("({...document.querySelector('.views').dataset})")
    assert fades == {"before": "false", "after": "true" if width < 500 else "false"}


def drawn(page: Page, selector: str) -> str:
    """What a map shows."""
    image = page.locator(f"{selector} .map-shape img").first
    expect(image).to_have_attribute("src", re.compile("^data:"))  # one off the screen is drawn later
    return str(image.get_attribute("src"))


def test_the_kernel_slides_over_every_channel(open_page: OpenPage) -> None:
    page = open_page(layer="0", filter=2)
    maps = [
        ".channel-row [data-column=partial]",
        "[data-result=aggregated]",
        "[data-result=activated]",
        "[data-result=pooled]",
    ]
    whole = [drawn(page, each) for each in maps]
    page.get_by_role("button", name="One place on").click()
    expect(page.locator(".slide-reached")).to_contain_text("place 1 of 256")
    for _ in range(20):
        page.keyboard.press(".")
    page.keyboard.press(",")
    expect(page.locator(".slide-reached")).to_contain_text("place 20 of 256")
    expect(page.locator(".sentence")).to_have_attribute("data-pixel", "1,3")
    trace = anatomy_of(small())["0"].pixel(2, 1, 3)
    for row, value in zip(page.locator(".channel-row").all(), trace.partials, strict=True):
        assert reads(row.locator(".partial-value").inner_text(), float(value))
        assert mark_box(row.locator("[data-column=input] .map-shape"), "window", (16, 16)) == (0, 2, 3, 3)
    assert [drawn(page, each) != before for each, before in zip(maps, whole, strict=True)] == [True] * 4
    assert page.locator(".dots").count() == 0
    page.get_by_role("button", name="show all").click()
    assert [drawn(page, each) for each in maps] == whole
    page.get_by_label("Speed").fill("1")
    page.get_by_role("button", name="▶ Slide the kernel").click()
    expect(page.locator(".slide-reached")).to_contain_text(re.compile(r"place \d+ of 256"))
    expect(page.locator(".slide-reached")).to_contain_text("256 places")


def test_a_frame_that_began_before_the_key_does_not_end_it(
    new_page: OpenPage, explorers: Callable[[str], Explorer]
) -> None:
    page = new_page()
    page.add_init_script(
        "const frames = requestAnimationFrame;"
        "requestAnimationFrame = (draw) => frames((now) => draw(now - 200));"
    )
    page.goto(explorers("small").address(layer="0", filter=1))
    settled(page)
    page.keyboard.press("x")
    expect(page.locator(".slide-reached")).to_contain_text(re.compile(r"place ([2-9]|\d\d+) of 256"))


def test_it_stops_when_someone_points_and_when_something_else_is_opened(open_page: OpenPage) -> None:
    page = open_page(layer="0", filter=2)
    page.get_by_label("Speed").fill("0")
    page.keyboard.press("Tab")
    page.keyboard.press("x")
    expect(page.get_by_role("button", name="❚❚ Pause")).to_be_visible()
    point_at(page, page.locator("[data-result=aggregated] .map-shape"), 5, 6, (16, 16))
    expect(page.get_by_role("button", name="▶ Go on")).to_be_visible()
    expect(page.locator(".sentence")).to_have_attribute("data-pixel", "5,6")
    page.mouse.move(2, 2)
    expect(page.locator(".sentence")).to_have_attribute("data-pixel", re.compile("^0,[01]$"))
    page.keyboard.press("j")
    expect(page.locator(".slide-reached")).to_contain_text("256 places")
    page.keyboard.press(".")
    page.locator("[data-result=aggregated] .map-shape").click(position={"x": 2, "y": 2})
    expect(page.locator(".slide-reached")).to_contain_text("256 places")


def test_by_hand_only_where_less_motion_is_asked_for(
    new_page: OpenPage, explorers: Callable[[str], Explorer]
) -> None:
    page = new_page(reduced_motion="reduce")
    page.goto(explorers("small").address(layer="0", filter=1))
    expect(page.locator(".slide-bar")).to_contain_text("less motion: step by hand")
    page.keyboard.press("x")
    expect(page.locator(".slide-reached")).to_contain_text("256 places")
    page.keyboard.press(".")
    expect(page.locator(".slide-reached")).to_contain_text("place 1 of 256")
