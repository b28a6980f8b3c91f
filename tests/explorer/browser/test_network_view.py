"""The Network view: all layers, what leads to what, what a pixel sees; quick with many layers."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from convitro.anatomy import receptive_field
from tests.explorer.networks import small

OpenPage = Callable[..., Page]
ROWS = ".network-row"


def opened(open_page: OpenPage, name: str, **how: object) -> Page:
    page = open_page(name, **how)
    page.get_by_role("button", name="Network").click()
    expect(page.locator(ROWS).first).to_be_visible()
    return page


def test_every_layer_has_a_row_in_order(open_page: OpenPage) -> None:
    page = opened(open_page, "odd")
    names = page.locator(f"{ROWS}[data-kind=layer] .node-title .link").all_inner_texts()
    assert names == ["0", "2", "5", "7", "9", "10"]
    expect(page.locator(f"{ROWS} .node-maps[data-ready=false]")).to_have_count(0)


def test_a_map_opens_its_filter_and_back_leads_here(open_page: OpenPage) -> None:
    page = opened(open_page, "small")
    canvas = page.locator(f"{ROWS}[data-kind=layer] canvas").nth(1)
    canvas.click(position={"x": 2 * 52 + 10, "y": 20})
    expect(page.locator("#layer-name")).to_have_text("layer 3 filter 2")
    page.go_back()
    expect(page.locator(ROWS).first).to_be_visible()
    expect(page).to_have_url(re.compile("view=network"))


def test_the_view_has_a_place_in_the_address_and_a_key(open_page: OpenPage) -> None:
    page = open_page("small")
    page.keyboard.press("1")
    expect(page.locator(ROWS).first).to_be_visible()
    page.reload()
    expect(page.locator(ROWS).first).to_be_visible()
    page.keyboard.press("2")
    expect(page.locator(".chain")).to_be_visible()


def test_residual_ways_and_only_the_rows_in_sight(open_page: OpenPage) -> None:
    page = opened(open_page, "resnet", height=600)
    kinds = page.locator(ROWS).evaluate_all("rows => rows.map((row) => row.dataset.kind)")
    assert kinds[:2] == ["input", "layer"]
    assert "add" in kinds
    assert len(kinds) < 20  # of 30
    page.mouse.move(700, 400)
    page.mouse.wheel(0, 5000)
    expect(page.locator(f"{ROWS}[data-kind=output]")).to_be_visible()
    widths = page.locator(f"{ROWS} .ways").evaluate_all("each => each.map((way) => way.clientWidth)")
    assert len(set(widths)) == 1
    assert widths[0] > 24  # room for a shortcut


def test_groups_fold_and_unfold(open_page: OpenPage) -> None:
    page = opened(open_page, "resnet")
    page.get_by_role("button", name="Fold all groups").click()
    cards = page.locator(".group-card")
    expect(cards).to_have_count(8)
    expect(cards.nth(2)).to_contain_text("3 layers")
    cards.nth(0).click()
    expect(cards).to_have_count(7)
    expect(page.locator(".node-title .link", has_text="4.conv1")).to_be_visible()


def test_searching(open_page: OpenPage) -> None:
    page = opened(open_page, "resnet")
    page.get_by_role("searchbox").fill("shortcut")
    expect(page.locator(ROWS)).to_have_count(3)
    expect(page.get_by_role("status").filter(has_text="3 found")).to_be_visible()
    page.get_by_role("searchbox").fill("no such layer")
    expect(page.get_by_text("No layer has these words")).to_be_visible()


def test_the_pixel_under_the_pointer_is_framed_on_the_picture(open_page: OpenPage) -> None:
    page = opened(open_page, "small")
    canvas = page.locator(f"{ROWS}[data-kind=layer] canvas").nth(1)
    page.wait_for_timeout(100)
    canvas.hover(position={"x": 52 + 24, "y": 24})  # map 1 of 6x6: row 3, column 3 of layer "3"
    seen = page.locator(".seen")
    expect(seen).to_be_visible()
    field = receptive_field(small().model, (3, 16, 16))
    top, left, bottom, right = field.region("3", 3, 3)
    style = seen.get_attribute("style") or ""
    shares = [float(part) for part in re.findall(r"(-?[\d.]+)%", style)]
    expected = [left / 16, top / 16, (right - left) / 16, (bottom - top) / 16]
    assert shares == [pytest.approx(100 * share) for share in expected]
    expect(page.locator(".sight p")).to_contain_text("row 3, column 3")
    expect(page.locator(".sight p")).to_contain_text(
        "Made of 5 channels, each with a kernel of its own: click"
    )


def test_on_a_narrow_screen_nothing_is_wider_than_the_page(open_page: OpenPage) -> None:
    page = opened(open_page, "resnet", width=360)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("width", [360, 520, 768])
def test_what_stands_in_a_row_stays_in_it(open_page: OpenPage, width: int) -> None:
    """Long facts in a narrow column: no line reaches into the next row, and no count is cut."""
    page = open_page("resnet", width=width, view="network")
    expect(page.locator(".node-maps[data-ready=true] .more-maps").first).to_be_visible()
    page.evaluate("scrollTo(0, 900)")
    expect(page.locator(".network-row", has_text="8.conv1")).to_be_visible()
    over = page.locator(".network-row[data-kind=layer]").evaluate_all(
        """rows => rows.filter((row) => {
            const outer = row.getBoundingClientRect();
            const inner = row.querySelector(".node-head").getBoundingClientRect();
            const more = row.querySelector(".more-maps")?.getBoundingClientRect();
            return inner.height > outer.height || (more && more.right > outer.right + 0.5);
        }).map((row) => row.innerText)"""
    )
    assert over == []
