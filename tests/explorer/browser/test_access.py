"""Keyboard alone, screen readers, light and dark, wide and narrow, and networks of every kind."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.explorer.browser.conftest import settled

OpenPage = Callable[..., Page]


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until what has the focus fits `selector`."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab never reaches {selector}")


def test_everything_by_keyboard(open_page: OpenPage) -> None:
    page = open_page(layer="0", filter=0)
    tab_to(page, ".layer-card")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".chain")).to_have_attribute("data-filter", re.compile("^3:"))
    page.keyboard.press("ArrowLeft")
    tab_to(page, ".filter-tile")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".chain")).to_have_attribute("data-filter", "0:1")
    tab_to(page, ".chip")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".chain")).to_have_attribute("data-aggregation", "mean")
    tab_to(page, ".products")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name=re.compile("^green at row"))).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert (
        page.evaluate("document.activeElement.getAttribute('aria-label')") == "green: write out the products"
    )
    tab_to(page, "[data-result=aggregated] .map-shape")
    before = pixel(page)
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    assert pixel(page) == (max(before[0] - 2, 0), min(before[1] + 1, 15))
    page.keyboard.press("Shift+ArrowLeft")
    assert pixel(page) == (max(before[0] - 2, 0), max(min(before[1] + 1, 15) - 5, 0))
    expect(page.get_by_role("status")).to_contain_text(re.compile(r"row \d+, column \d+: mean of .* = "))
    page.keyboard.press("Home")
    assert pixel(page) == before
    assert focus_is_seen(page)


def pixel(page: Page) -> tuple[int, int]:
    y, x = (page.locator(".sentence").get_attribute("data-pixel") or "").split(",")
    return int(y), int(x)


def focus_is_seen(page: Page) -> bool:
    return bool(page.evaluate("getComputedStyle(document.activeElement).outlineStyle !== 'none'"))


def test_single_keys(open_page: OpenPage) -> None:
    page = open_page(layer="0", filter=3)
    chain = page.locator(".chain")
    steps: list[tuple[str, str, str | re.Pattern[str]]] = [
        ("j", "data-filter", "0:4"),
        ("j", "data-filter", "0:0"),
        ("k", "data-filter", "0:4"),
        ("a", "data-aggregation", "mean"),
        ("A", "data-aggregation", "sum"),
        ("l", "data-filter", re.compile("^3:")),
        ("h", "data-filter", re.compile("^0:")),
    ]
    for key, attribute, value in steps:
        page.keyboard.press(key)
        expect(chain).to_have_attribute(attribute, value)
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys and words")
    expect(dialog).to_contain_text("next, previous filter")
    expect(dialog).to_contain_text("A small matrix of weights")
    dialog.get_by_role("checkbox", name="single-key shortcuts").uncheck()
    page.keyboard.press("Escape")
    before = chain.get_attribute("data-filter")
    page.keyboard.press("j")
    page.keyboard.press("?")
    expect(dialog).to_be_visible()
    assert chain.get_attribute("data-filter") == before


def test_every_control_has_a_name(open_page: OpenPage) -> None:
    page = open_page(layer="3", aggregation="max")
    nameless = page.evaluate(
        """[...document.querySelectorAll("button, input, [role=application], [role=img]")]
        .filter((element) => !(element.getAttribute("aria-label") || element.innerText?.trim()))
        .map((element) => element.outerHTML.slice(0, 120))"""
    )
    assert nameless == []


CONTRAST = """() => {
    const style = getComputedStyle(document.documentElement);
    const luminance = (name) => {
        const hex = style.getPropertyValue("--" + name).trim();
        const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255)
            .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const pairs = [["ink", "paper"], ["ink-soft", "paper"], ["ink-soft", "sunken"], ["ink-soft", "surface"],
        ["accent", "paper"], ["accent", "surface"], ["negative", "paper"], ["positive", "paper"],
        ["warning", "warning-soft"]];
    return pairs.map(([a, b]) => {
        const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
        return [a, b, (high + 0.05) / (low + 0.05)];
    });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(open_page: OpenPage, scheme: str) -> None:
    page = open_page(scheme=scheme)
    root = page.locator("html")
    expect(root).to_have_attribute("data-theme", scheme)
    for text, ground, ratio in page.evaluate(CONTRAST):
        assert ratio >= 4.5, (text, ground, ratio)
    page.keyboard.press("t")
    other = "dark" if scheme == "light" else "light"
    expect(root).to_have_attribute("data-theme", other)
    page.reload()
    settled(page)
    expect(root).to_have_attribute("data-theme", other)


@pytest.mark.parametrize("layer", ["0", "3"])
def test_no_width_makes_the_page_scroll_sideways(open_page: OpenPage, layer: str) -> None:
    page = open_page(width=360, layer=layer, aggregation="logmeanexp(beta=1.0)")
    for width in (360, 400, 768, 1024, 1280, 1920):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
        assert outside(page) == [], width


def outside(page: Page) -> list[str]:
    """Which parts reach beyond the screen."""
    return page.evaluate(
        """[...document.querySelectorAll(".map, .matrix, .node, .value, .lead, .line")].filter((element) => {
            const {left, right} = element.getBoundingClientRect();
            return left < -1 || right > innerWidth + 1;
        }).map((element) => element.className)"""
    )


def test_less_motion(open_page: OpenPage) -> None:
    page = open_page()
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate("getComputedStyle(document.querySelector('.chain')).transitionDuration") == "0s"


@pytest.mark.parametrize(("name", "layers"), [("digits", 2), ("odd", 6), ("resnet", 20)])
def test_every_layer_of_every_network(open_page: OpenPage, name: str, layers: int) -> None:
    page = open_page(name)
    cards = page.locator(".layer-card")
    expect(cards).to_have_count(layers)
    for index in range(0, layers, 1 if layers < 10 else 4):
        title = cards.nth(index).locator(".layer-title").inner_text()
        cards.nth(index).click(position={"x": 20, "y": 8})
        expect(page.locator(".chain")).to_have_attribute("data-filter", re.compile(rf"^{re.escape(title)}:"))
        expect(page.locator(".channel-row .partial-value").first).not_to_be_empty()
    expect(page.locator(".banner")).to_have_count(0)


def test_pages_of_many_channels(open_page: OpenPage) -> None:
    page = open_page("resnet", layer="11.conv2", filter=7)
    expect(page.locator(".channel-row")).to_have_count(64)
    page.locator(".pages button").last.click()
    expect(page.locator(".channel-name").first).to_have_text(re.compile("64"))
    expect(page.locator(".pages")).to_contain_text("channels 64 to 127 of 512")
    expect(page).to_have_url(re.compile("start=64"))
