"""The session as one file, opened from disk: where the person was, and all that was looked at."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from safetensors.torch import load_file

from convitro import deconvnet, diagnose, dissect, top_patches
from convitro.anatomy import LayerAnatomy, rerun
from convitro.datasets import open_dataset
from tests.explorer.browser.checking import check_pixel
from tests.explorer.browser.conftest import PATIENCE_MS, Explorer, settled
from tests.explorer.browser.reading import reads
from tests.explorer.networks import digits, input_of, small
from tests.explorer.runs import EPOCHS

OpenPage = Callable[..., Page]
SAVING_MS = 60_000  # the first time kernels are compiled for every aggregation


def layer_on(name: str) -> LayerAnatomy:
    return dissect(small().model, input_of(small(), name))["3"]


def save(page: Page, folder: Path) -> Path:
    """Save the session of a page."""
    page.keyboard.press("e")
    with page.expect_download(timeout=SAVING_MS) as download:
        page.locator(".save-choice[data-kind=html]").click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


@pytest.fixture
def open_file(new_page: OpenPage) -> Iterator[OpenPage]:
    """Opens a file, which asks nobody for anything: `open_file(path, width=360)`."""
    requests: list[str] = []

    def open_it(path: Path, width: int = 1280) -> Page:
        page = new_page(width, 900)
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        return page

    yield open_it
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []


def open_view(page: Page, name: str) -> None:
    page.get_by_role("navigation", name="Views").get_by_role("button", name=name, exact=True).click()


def tabs(page: Page) -> list[str]:
    return page.locator(".view-tab").all_inner_texts()


def cards(page: Page, outcomes: int) -> None:
    """Wait until the map of every card is there, and so many of the answers."""
    expect(page.locator(".combining-progress[data-done=true]")).to_be_visible()
    expect(page.locator(".combining-card[data-pending=true]")).to_have_count(0)
    expect(page.locator(".outcome[data-state=same], .outcome[data-state=changed]")).to_have_count(outcomes)


def looked_at(page: Page) -> None:
    """Look at all that takes a run of the network or of a data set, and at some of the answers."""
    open_view(page, "Aggregation")
    expect(page.locator(".outcome[data-state=same], .outcome[data-state=changed]").first).to_be_visible()
    open_view(page, "What it sees")
    expect(page.locator(".projected[data-ready=true]")).to_be_visible()
    expect(page.locator(".patches li[title]").first).to_be_visible()
    open_view(page, "Health")
    expect(page.locator(".health-view")).to_be_visible()
    open_view(page, "Filter")
    settled(page)


@pytest.fixture(scope="module")
def file(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session on three pictures in which everything has been looked at, on a server of its own."""
    explorer = Explorer(small())
    page = browser.new_page()
    expect.set_options(timeout=PATIENCE_MS)
    chosen = {"layer": "3", "filter": 2, "pixel": "1,4", "picture": "cup", "compare": "rocket,cat"}
    page.goto(explorer.address(**chosen))
    expect(page.locator(".side-card[data-ready=true]")).to_have_count(3)
    looked_at(page)
    path = save(page, tmp_path_factory.mktemp("session"))
    page.close()
    explorer.stop()
    return path


@pytest.fixture
def session(open_file: OpenPage, file: Path) -> Page:
    """The file, opened."""
    return open_file(file)


def test_it_opens_where_the_person_was(session: Page) -> None:
    settled(session)
    expect(session.locator(".chain")).to_have_attribute("data-filter", "3:2")
    expect(session.locator(".input-picture b")).to_have_text("cup")
    check_pixel(session, layer_on("cup"), 2, (1, 4))
    assert tabs(session) == [
        "Network",
        "Filter",
        "Aggregation",
        "What it sees",
        "Play",
        "Health",
        "Table",
        "Learn",
    ]


def test_its_pictures_change_places_without_a_server(session: Page) -> None:
    expect(session.locator(".side-card[data-ready=true]")).to_have_count(3)
    for name in ("cup", "rocket", "cat"):
        value = session.locator(f".side-card[data-picture={name}] .value").inner_text()
        assert reads(value, float(layer_on(name).activated[0, 2, 1, 4]))
    session.get_by_role("button", name="Open rocket").click()
    expect(session.locator(".input-picture b")).to_have_text("rocket")
    expect(session.locator(".side-name")).to_have_text(["rocket", "cup", "cat"])
    expect(session.locator(".side-card[data-ready=true]")).to_have_count(3)
    check_pixel(session, layer_on("rocket"), 2, (1, 4))
    session.go_back()
    expect(session.locator(".input-picture b")).to_have_text("cup")


def test_its_aggregations_are_the_librarys(session: Page) -> None:
    open_view(session, "Aggregation")
    known = session.locator(".outcome[data-state=same], .outcome[data-state=changed]")
    expect(session.locator(".combining-progress[data-done=true]")).to_be_visible()
    assert known.count() > 0
    layer = layer_on("cup")
    for name in ("sum", "max", "median"):
        value = session.locator(f".combining-card[data-aggregation={name}] .value").inner_text()
        assert reads(value, float(layer.filter(2, name).activated[0, 1, 4])), name
    lost = session.locator("[data-bar=value] dd").inner_text()
    assert lost.startswith(f"{float(layer.cancellation()[2]) * 100:.1f}"[:2])
    network = small()
    run = session.locator(".combining-card", has=known).first.get_attribute("data-aggregation")
    assert run is not None
    share = rerun(network.model, input_of(small(), "cup"), {"3": run}).softmax(1).max().item()
    shown = session.locator(f".combining-card[data-aggregation='{run}'] .outcome b .share").first.inner_text()
    assert abs(float(shown.rstrip(" %")) / 100 - share) < 0.006
    session.get_by_role("radio", name="aggregated maps").click()
    value = session.locator(".combining-card[data-aggregation=max] .value").inner_text()
    assert reads(value, float(layer.filter(2, "max").aggregated[0, 1, 4]))


def test_the_open_filter_opens_under_every_aggregation(session: Page) -> None:
    settled(session)
    session.get_by_role("radio", name="max", exact=True).click()
    expect(session.locator(".chain[data-aggregation=max]")).to_be_visible()
    part = layer_on("cup").filter(2, "max")
    for kind, map in (("aggregated", part.aggregated), ("activated", part.activated)):
        assert reads(session.locator(f"[data-result={kind}] .value").inner_text(), float(map[0, 1, 4]))
    expect(session.locator(".comparison")).to_contain_text("max against sum, as trained")
    expect(session.locator(".side-card[data-ready=true]")).to_have_count(3)
    rocket = float(layer_on("rocket").filter(2, "max").activated[0, 1, 4])
    assert reads(session.locator(".side-card[data-picture=rocket] .value").inner_text(), rocket)
    session.keyboard.press("j")  # of which only the trained way is here
    expect(session.locator(".chain[data-aggregation=sum]")).to_be_visible()
    expect(session.locator(".aggregations")).to_contain_text("start convitro explore")
    session.keyboard.press("k")
    expect(session.locator(".chain[data-aggregation=max]")).to_be_visible()


def test_the_aggregations_are_there_on_every_picture(session: Page) -> None:
    session.get_by_role("button", name="Open cat").click()
    expect(session.locator(".input-picture b")).to_have_text("cat")
    open_view(session, "Aggregation")
    cards(session, outcomes=0)
    expect(session.locator(".outcome[data-state=none]").first).to_contain_text("had not run this way")
    value = session.locator(".combining-card[data-aggregation=max] .value").inner_text()
    assert reads(value, float(layer_on("cat").filter(2, "max").activated[0, 1, 4]))


def test_what_it_sees_is_the_librarys_by_every_method(session: Page) -> None:
    open_view(session, "What it sees")
    for method in ("deconvnet", "guided", "gradient"):
        session.get_by_role("radio", name=method).click()
        expect(session.locator(f".projected[data-ready=true][data-method={method}]")).to_be_visible()
        seen = deconvnet(small().model, input_of(small(), "cup"), "3", 2, unit=(1, 4), method=method)
        assert reads(session.locator(".sent-back .number").inner_text(), seen.value)
    network = small()
    images = open_dataset("details", network.input_size).sample(300)
    found = top_patches(network.model, images.mapped(network.normalize), "3", k=9, filters=[2])
    for rank, text in enumerate(session.locator(".patches .number").all_inner_texts()):
        assert reads(text, float(found.values[0, rank]))


def test_health_is_as_it_was(session: Page) -> None:
    open_view(session, "Health")
    network = small()
    images = open_dataset("details", network.input_size).sample(300)
    expected = diagnose(network.model, images.mapped(network.normalize))
    expect(session.locator(".health-view tbody tr")).to_have_count(2)
    assert session.locator(".findings li").count() == len(expected.findings)


@pytest.mark.parametrize(
    ("view", "words"), [("Aggregation", "How else"), ("What it sees", "What comes back")]
)
def test_another_filter_says_what_is_not_here(session: Page, view: str, words: str) -> None:
    open_view(session, view)
    session.keyboard.press("j")
    expect(session.locator("#layer-name")).to_contain_text("filter 3")
    expect(session.locator(".not-kept").first).to_contain_text(words)
    expect(session.locator(".banner")).to_have_count(0)
    session.locator(".not-kept .link").first.click()
    expect(session.locator("#layer-name")).to_contain_text("filter 2")
    expect(session.locator(".not-kept")).to_have_count(0)


def test_another_pixel_leads_back_to_the_one_that_was_looked_at(session: Page) -> None:
    open_view(session, "What it sees")
    expect(session.locator(".projected[data-ready=true]")).to_be_visible()
    session.keyboard.press("m")
    back = session.locator(".not-kept .link")
    expect(back).to_have_text("filter 2 of 3, from row 1, column 4")
    back.click()
    expect(session.locator(".projected[data-ready=true]")).to_be_visible()
    expect(session).to_have_url(re.compile("pixel=1%2C4"))


def test_what_was_not_looked_at_has_no_tab(new_page: OpenPage, open_file: OpenPage, tmp_path: Path) -> None:
    explorer = Explorer(digits())  # one that no other test has looked at
    page = new_page()
    page.goto(explorer.address(layer="conv2", filter=0))
    settled(page)
    page = open_file(save(page, tmp_path))
    explorer.stop()
    settled(page)
    assert tabs(page) == ["Network", "Filter", "Aggregation", "Play", "Table", "Learn"]


@pytest.mark.parametrize("width", [360, 800, 1440, 2560])
def test_nothing_is_wider_than_the_page(open_file: OpenPage, file: Path, width: int) -> None:
    alone = open_file(file, width)
    for view in ("Aggregation", "What it sees", "Health", "Filter"):
        open_view(alone, view)
        for _ in range(2):  # what is here, then what is not
            alone.wait_for_timeout(100)
            assert alone.evaluate("document.documentElement.scrollWidth") <= width, view
            alone.keyboard.press("j")


def test_a_training_brings_its_curves_and_two_epochs(
    new_page: OpenPage, open_file: OpenPage, followed: Explorer, whole: Path, tmp_path: Path
) -> None:
    page = new_page()
    page.goto(followed.address(view="training", layer="conv1_1", filter=3, epoch=2))
    expect(page.locator(".closeup[data-epoch='2']")).to_be_visible()
    alone = open_file(save(page, tmp_path))
    expect(alone.locator(".closeup[data-epoch='2']")).to_be_visible()
    expect(alone.locator(".epoch-name")).to_contain_text(f"of {EPOCHS}")
    expect(alone.locator(".curve-plot")).to_have_count(3)
    then, start = (
        load_file(whole / f"filters/{epoch:04}.safetensors")["conv1_1.weight"][3] for epoch in (2, 0)
    )
    assert reads(alone.locator("[data-fact=moved]").inner_text(), float((then - start).norm() / start.norm()))
    for kind, kernels in (("now", then), ("start", start), ("added", then - start)):
        shown = alone.locator(f"[data-kind={kind}] .cell").all_inner_texts()
        assert all(reads(text, value) for text, value in zip(shown, kernels.flatten().tolist(), strict=True))
    alone.keyboard.press(",")
    expect(alone.locator(".closeup[data-epoch='0']")).to_be_visible()
    alone.keyboard.press("j")
    expect(alone.locator("#layer-name")).to_contain_text("filter 4")
    expect(alone.locator(".closeup[data-epoch='0']")).to_be_visible()  # those of the same page are here, too
    alone.keyboard.press("l")
    expect(alone.locator(".not-kept")).to_contain_text("This filter as it was then")
    expect(alone.locator(".banner")).to_have_count(0)
