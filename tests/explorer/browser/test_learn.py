"""The view "Learn": every tour walked to its end, on networks of several kinds, with and without a server."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from convitro.pictures import load_picture, to_input
from convitro.report import full_report
from tests.explorer.browser.conftest import PATIENCE_MS, Explorer
from tests.explorer.browser.playing import TIMES
from tests.explorer.networks import small

OpenPage = Callable[..., Page]

POLL_MS = 100
TOURS = ("why-sum", "conv2d", "maps", "network", "kernels")

# How much of what is marked lies behind the panel, or on the screen; and whether all of it could be shown.
HIDDEN = """() => {
    const panel = document.querySelector(".tour").getBoundingClientRect();
    const [first] = document.querySelectorAll("[data-tour-mark]");
    if (!first) return null;
    const box = first.getBoundingClientRect();
    const across = Math.min(box.right, panel.right) - Math.max(box.left, panel.left);
    const down = Math.min(box.bottom, panel.bottom) - Math.max(box.top, panel.top);
    const covered = Math.max(0, across) * Math.max(0, down) / (box.width * box.height);
    const seen = Math.min(box.bottom, innerHeight) - Math.max(box.top, 0);
    return {covered, seen: seen / box.height, fits: box.height < innerHeight - panel.height - 48};
}"""


def step(page: Page) -> str:
    return page.locator(".tour").get_attribute("data-step") or ""


def count_of(page: Page) -> int:
    """How many steps the open tour has."""
    return int(page.locator(".tour-count").inner_text().rpartition(" ")[2])


def walk(page: Page, tour: str, look: Callable[[Page], None] = lambda page: None) -> list[str]:
    """Every step of a tour, with its words; the panel says "Done" at the last one."""
    said = []
    for number in range(1, count_of(page) + 1):
        panel = page.locator(f'.tour[data-step="{tour}.{number}"]')
        expect(panel).to_have_attribute("data-ready", "true")
        expect(panel.locator(".tour-lost")).to_have_count(0)
        words = panel.locator(".tour-words")
        if words.get_attribute("data-missing") == "true":
            expect(words).to_contain_text("no server behind it")
        else:
            expect(page.locator("[data-tour-mark]").first).to_be_attached()
            look(page)
        said.append(words.inner_text())
        panel.locator(".tour-next").click()
    expect(page.locator(".tour")).to_have_count(0)
    expect(page.locator("#learn-title")).to_be_visible()
    assert all(re.search(r"undefined|NaN|null", words) is None for words in said)
    return said


def test_the_questions(open_page: OpenPage) -> None:
    page = open_page(view="learn")
    expect(page.locator(".question")).to_have_count(len(TOURS))
    for card, tour in zip(page.locator(".question").all(), TOURS, strict=True):
        expect(card).to_have_attribute("data-tour", tour)
        expect(card).to_contain_text(re.compile(r"[5-9] steps, about [3-5] minutes"))
    page.get_by_role("button", name="Start the tour: Why the sum?").click()
    expect(page.locator(".tour h2")).to_have_text("One partial map for each channel")
    expect(page.locator(".tour-next")).to_be_focused()
    page.locator(".view-tab", has_text="Learn").click()
    expect(page.locator(".tour")).to_contain_text("You wandered off")
    page.get_by_role("button", name="Go on with the tour: Why the sum?").click()
    expect(page.locator("main")).to_have_attribute("data-view", "filter")
    expect(page.locator(".tour-lost")).to_have_count(0)


@pytest.mark.parametrize("tour", TOURS)
def test_on_the_embedded_network_nothing_that_is_spoken_of_is_covered(open_page: OpenPage, tour: str) -> None:
    def look(page: Page) -> None:
        for _ in range(PATIENCE_MS // POLL_MS):
            hidden = page.evaluate(HIDDEN)  # the page may still be on its way there
            if hidden and hidden["covered"] == 0 and (hidden["seen"] > 0.99 or not hidden["fits"]):
                return
            page.wait_for_timeout(POLL_MS)
        raise AssertionError((step(page), hidden))

    page = open_page("embedded", view="learn", width=1440, height=900)
    page.locator(f".question[data-tour={tour}] .primary").click()
    walk(page, tour, look)


@pytest.mark.parametrize("tour", TOURS)
def test_on_a_network_of_one_channel(open_page: OpenPage, tour: str) -> None:
    page = open_page("digits", view="learn", width=360, height=740)
    page.locator(f".question[data-tour={tour}] .primary").click()
    walk(page, tour)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    network = small()
    full_report(network, [("cat", to_input(load_picture("cat"), network.input_size))]).save(path)
    return path


@pytest.mark.parametrize("tour", TOURS)
def test_without_a_server(new_page: OpenPage, report: Path, tour: str) -> None:
    page = new_page()
    page.goto(f"{report.as_uri()}#tour={tour}.1")
    said = walk(page, tour)
    told = sum("no server behind it" in words for words in said)
    assert (told > 0) == (tour in ("why-sum", "conv2d", "network")), said


def test_the_words_are_the_numbers_on_the_page(open_page: OpenPage) -> None:
    page = open_page(view="learn")
    page.locator(".question[data-tour=why-sum] .primary").click()
    page.keyboard.press("n")
    expect(page.locator(".tour h2")).to_have_text("Then one pixel is added up")
    expect(page.locator(".tour[data-ready=true]")).to_be_visible()
    for place in ({"x": 20, "y": 30}, {"x": 60, "y": 70}):
        page.locator("[data-result=aggregated] .map-shape").click(position=place)  # type: ignore[arg-type]
        values = page.locator(".partial-value").all_inner_texts()
        total = page.locator("[data-line=aggregated] b").inner_text().removeprefix("= ")
        words = page.locator(".tour-words")
        for value in [*(each.lstrip("\N{MINUS SIGN}") for each in values), total]:
            expect(words).to_contain_text(value)
        expect(page.locator(".tour-lost")).to_have_count(0)  # looking at another pixel is no detour


def test_keys_lead_through_a_tour(open_page: OpenPage) -> None:
    page = open_page(tour="conv2d.1", view="play")
    expect(page.locator(".tour")).to_be_visible()
    for key, number in [("n", 2), ("ArrowRight", 3), ("b", 2), ("ArrowLeft", 1), ("ArrowLeft", 1)]:
        page.keyboard.press(key)
        expect(page.locator(".tour")).to_have_attribute("data-step", f"conv2d.{number}")
    page.locator(".bench-result .map-shape").focus()
    page.keyboard.press("ArrowRight")  # there it moves the pixel
    assert step(page) == "conv2d.1"
    page.locator(".term").first.focus()
    page.keyboard.press("Escape")  # closes the explanation, not the tour
    expect(page.locator(".tour")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".tour")).to_have_count(0)
    expect(page).not_to_have_url(re.compile("tour="))
    expect(page.locator("main")).to_have_attribute("data-view", "play")
    assert page.locator("[data-tour-mark]").count() == 0
    page.keyboard.press("n")
    expect(page.locator(".tour")).to_have_count(0)


def test_an_address_and_the_back_button(open_page: OpenPage) -> None:
    page = open_page(view="learn")
    page.locator(".question[data-tour=kernels] .primary").click()
    expect(page).to_have_url(re.compile(r"tour=kernels\.1&layer|tour=kernels\.1&"))
    for number in (2, 3, 4):
        page.locator(".tour-next").click()
        expect(page).to_have_url(re.compile(rf"tour=kernels\.{number}&view=play.*play="))
    page.go_back()
    expect(page.locator(".tour")).to_have_attribute("data-step", "kernels.3")
    expect(page.locator(".editor-head")).to_contain_text(f"2 {TIMES} 2")
    page.go_back()
    expect(page.locator(".play")).to_have_attribute("data-preset", "edges")
    page.go_back()
    expect(page.locator("main")).to_have_attribute("data-view", "filter")
    page.go_back()
    expect(page.locator("#learn-title")).to_be_visible()
    expect(page.locator(".tour")).to_have_count(0)
    page.go_forward()
    expect(page.locator(".tour")).to_have_attribute("data-step", "kernels.1")
    page.reload()
    expect(page.locator(".tour")).to_have_attribute("data-step", "kernels.1")
    expect(page.locator(".tour[data-ready=true]")).to_be_visible()


def test_a_short_address_sets_the_page(open_page: OpenPage) -> None:
    page = open_page(view="learn")
    page.goto(page.url.partition("#")[0] + "#tour=maps.6")
    page.reload()
    expect(page.locator(".kept-apart")).to_have_attribute("data-tour-mark", "here")
    expect(page.locator(".tour-words")).to_contain_text(f"4 {TIMES} 5 = 20")
    expect(page).to_have_url(re.compile(r"tour=maps\.6&.*layer=3.*aggregation=none"))


def test_who_wanders_off_is_shown_the_way_back(open_page: OpenPage) -> None:
    page = open_page(tour="maps.4")
    expect(page.locator(".chain")).to_have_attribute("data-filter", re.compile("^3:"))
    page.locator(".layer-card").first.click(position={"x": 20, "y": 8})
    expect(page.locator(".tour-lost")).to_be_visible()
    assert page.locator("[data-tour-mark]").count() == 0
    page.get_by_role("button", name="Back to the step").click()
    expect(page.locator(".chain")).to_have_attribute("data-filter", re.compile("^3:"))
    expect(page.locator(".tour-lost")).to_have_count(0)
    expect(page.locator("[data-tour-mark]").first).to_be_visible()
    page.locator(".view-tab", has_text="Table").click()
    expect(page.locator(".tour-lost")).to_be_visible()
    page.locator(".tour-next").click()
    expect(page.locator(".tour h2")).to_have_text("Many go in, one comes out")
    expect(page.locator("[data-result=aggregated]")).to_have_attribute("data-tour-mark", "here")


def test_letters_rest_where_shortcuts_are_off(open_page: OpenPage) -> None:
    page = open_page(tour="conv2d.1", view="play")
    expect(page.locator(".tour")).to_be_visible()
    page.keyboard.press("?")
    page.get_by_role("checkbox", name="single-key shortcuts").uncheck()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(".tour")).to_be_visible()
    page.keyboard.press("n")
    assert step(page) == "conv2d.1"
    page.keyboard.press("ArrowRight")
    expect(page.locator(".tour")).to_have_attribute("data-step", "conv2d.2")


def test_a_step_is_heard_once(open_page: OpenPage) -> None:
    page = open_page(tour="why-sum.2")
    heard = page.locator(".tour [role=status]")
    expect(heard).to_contain_text("Step 2 of 8: Then one pixel is added up. At row")
    before = heard.inner_text()
    page.locator("[data-result=aggregated] .map-shape").click(position={"x": 5, "y": 5})
    expect(page.locator(".sentence")).to_have_attribute("data-pixel", re.compile(r"\d+,\d+"))
    assert heard.inner_text() == before


def test_nothing_glides_for_those_who_asked_for_less_motion(
    new_page: OpenPage, explorers: Callable[[str], Explorer]
) -> None:
    page = new_page(height=700, reduced_motion="reduce")
    page.add_init_script(
        """const real = scrollTo;
        window.scrolled = [];
        window.scrollTo = (to) => { scrolled.push(to.behavior); real(to); };"""
    )
    page.goto(explorers("small").address(tour="conv2d.4"))
    expect(page.locator(".play-chain .sentence")).to_have_attribute("data-tour-mark", "here")
    expect(page.locator(".play-chain .sentence")).to_be_in_viewport()
    assert set(page.evaluate("window.scrolled")) == {"instant"}
