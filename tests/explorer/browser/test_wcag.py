"""Every view against WCAG 2.2 AA, as far as a browser can measure it: in light and dark, narrow and wide.

The views come from the page's own list, so that a new one is measured, too.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from convitro.view import page_files
from tests.explorer.browser.conftest import Console

OpenPage = Callable[..., Page]
SCRIPT = Path(__file__).with_name("wcag.js").read_text(encoding="utf-8")
VIEWS = re.findall(r'\bid: "(\w+)"', page_files()["state/views.js"].content.decode())
UNRESTED = (
    ".loading, [aria-busy=true], [data-pending=true], [data-ready=false],"
    "[data-state=running], [data-state=waiting]"
)
RULES = ("contrast", "unreached", "unseenFocus", "unseenEdges", "smallTargets")
INTERACTIVE = {
    *(
        "button",
        "link",
        "radio",
        "checkbox",
        "textbox",
        "slider",
        "combobox",
        "tab",
        "spinbutton",
        "searchbox",
    ),
    *("switch", "option", "menuitem", "application"),
}


FINISHED = """() => Promise.allSettled(
    document.getAnimations()
        .filter(({ effect }) => effect.getComputedTiming().endTime < Infinity)
        .map(({ finished }) => finished),
)"""


LOOK_AT = """async (arriving) => {
    const end = performance.now() + 60_000;
    // a view may be about to ask for more
    for (let still = 0; still < 3 && performance.now() < end; still += 1) {
        const next = document.querySelector(arriving);
        if (next) still = 0;
        next?.scrollIntoView({ block: "center", behavior: "instant" });
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
    scrollTo({ top: 0, behavior: "instant" });
}"""


def rested(page: Page) -> None:
    """All that was on its way is there, also what is only fetched when seen; and nothing moves any more."""
    page.evaluate(LOOK_AT, UNRESTED)
    expect(page.locator(UNRESTED)).to_have_count(0)
    page.evaluate(FINISHED)


def check(page: Page, *rules: str) -> None:
    """Nothing falls short of the rules."""
    page.evaluate(SCRIPT)
    found = {rule: page.evaluate(f"wcag.{rule}()") for rule in rules}
    short = {rule: places for rule, places in found.items() if places}
    assert not short, f"{page.viewport_size} {json.dumps(short, indent=1, ensure_ascii=False)}"


def nameless(page: Page) -> list[str]:
    """Controls that the browser itself has no name for."""
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    found = []
    for node in tree:
        role = node.get("role", {}).get("value")
        if role in INTERACTIVE and not node["ignored"] and not node.get("name", {}).get("value", "").strip():
            found.append(f"{role} {node.get('backendDOMNodeId')}")
    return found


def test_the_views_are_those_of_the_page(open_page: OpenPage) -> None:
    shown = open_page().locator(".view-tab")
    expect(shown).to_have_count(len(VIEWS))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_can_be_read_and_used(open_page: OpenPage, view: str, scheme: str) -> None:
    page = open_page("faulty", scheme=scheme, view=view, layer="3", filter=2)
    rested(page)
    check(page, *RULES)
    assert nameless(page) == []


@pytest.mark.parametrize("view", VIEWS)
def test_no_view_scrolls_sideways(open_page: OpenPage, view: str) -> None:
    page = open_page(width=360, view=view, layer="3")
    rested(page)
    for width in (360, 768, 1440, 3840):
        page.set_viewport_size({"width": width, "height": 900})
        check(page, "sideways")
    page.set_viewport_size({"width": 360, "height": 800})
    rested(page)
    check(page, "contrast", "smallTargets")


OPENINGS = {
    "keys and words": "?",
    "pictures": "p",
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("key", OPENINGS.values(), ids=OPENINGS.keys())
def test_a_dialog_can_be_read_and_used(open_page: OpenPage, key: str, scheme: str) -> None:
    page = open_page(scheme=scheme, layer="0")
    page.keyboard.press(key)
    expect(page.get_by_role("dialog")).to_be_visible()
    rested(page)
    check(page, *RULES)
    assert nameless(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_lies_over_the_page_can_be_read(open_page: OpenPage, console: Console, scheme: str) -> None:
    console.expect("status of 404")
    page = open_page(scheme=scheme, layer="0", filter=0)
    page.locator(".products").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    rested(page)
    check(page, *RULES)
    page.keyboard.press("Escape")
    page.locator(".lead .term").first.focus()
    expect(page.get_by_role("tooltip")).to_be_visible()
    check(page, "contrast")
    page.get_by_role("radio", name="none", exact=True).click()
    expect(page.locator(".kept-apart")).to_be_visible()
    rested(page)
    check(page, *RULES)
    page.evaluate("location.hash = '#picture=own-0000000000000000'")
    expect(page.locator(".banner")).to_be_visible()
    rested(page)
    check(page, *RULES)


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_moves_for_who_wants_less_motion(open_page: OpenPage, view: str) -> None:
    page = open_page(layer="3", filter=0)
    page.emulate_media(reduced_motion="reduce")
    page.locator(".view-tab").nth(VIEWS.index(view)).click()
    check(page, "moving")
    page.keyboard.press("j")
    page.keyboard.press("t")
    check(page, "moving")


SHIFTS = """() => {
    window.shifts = [];
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) {
            const places = entry.sources.map(({ node }) => node?.className ?? node?.parentElement?.className);
            window.shifts.push([entry.value, ...places]);
        }
    }).observe({ type: "layout-shift", buffered: true });
}"""


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_jumps(open_page: OpenPage, view: str, width: int) -> None:
    """On loading a view, and on coming to it from another one: less than a tenth of the screen moves."""
    page = open_page(width=width, view=view, layer="3", filter=1)
    rested(page)
    page.evaluate(SHIFTS)
    assert total(page) < 0.1, page.evaluate("shifts")
    for other in ("filter" if view != "filter" else "table", view):
        page.evaluate("view => (location.hash = `#view=${view}&layer=3&filter=1`)", other)
        expect(page.locator("main")).to_have_attribute("data-view", other)
        rested(page)
    assert total(page) < 0.1, page.evaluate("shifts")


def total(page: Page) -> float:
    page.wait_for_timeout(100)  # the observer is told a moment later
    return float(page.evaluate("shifts.reduce((sum, [value]) => sum + value, 0)"))
