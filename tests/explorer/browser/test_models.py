"""Switching between networks, and opening a model file in the page."""

import base64
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.explorer.browser.conftest import Console, Explorer, settled
from tests.explorer.browser.test_files import DROP
from tests.explorer.networks import digits, odd, of_any_size, small

OpenPage = Callable[..., Page]


@pytest.fixture(scope="module")
def several() -> Iterator[Explorer]:
    explorer = Explorer([small(), digits(), odd()])
    yield explorer
    explorer.stop()


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnx")
    path = tmp_path_factory.mktemp("models") / "any.onnx"
    path.write_bytes(of_any_size())
    return path


@pytest.fixture
def open_page(new_page: OpenPage, several: Explorer) -> OpenPage:
    def open_one(width: int = 1280, scheme: str = "light", **chosen: object) -> Page:
        page = new_page(width, color_scheme=scheme)
        page.goto(several.address(**chosen))
        return page

    return open_one


def switch(page: Page, name: str) -> None:
    page.get_by_role("button", name=re.compile("Open another$")).first.click()
    page.locator(".model-choice", has_text=name).click()
    expect(page.get_by_role("dialog")).to_have_count(0)


def shows(page: Page, name: str, layer: str) -> None:
    expect(page.locator(".network-name")).to_contain_text(name)
    expect(page.locator(".chain")).to_have_attribute("data-filter", re.compile(f"^{layer}:"))
    settled(page)


def test_to_another_network_and_back_where_one_was(open_page: OpenPage) -> None:
    page = open_page(layer="3", filter=2, pixel="1,4", picture="cup")
    shows(page, "small", "3")
    switch(page, "digits")
    shows(page, "digits", "conv1")
    expect(page).to_have_url(re.compile("model=1&picture=cup"))
    expect(page.locator(".input-picture b")).to_have_text("cup")
    switch(page, "small")
    shows(page, "small", "3")
    expect(page.locator(".chain")).to_have_attribute("data-filter", "3:2")
    expect(page.locator(".sentence")).to_have_attribute("data-pixel", "1,4")


def test_the_back_button_and_a_shared_address(open_page: OpenPage) -> None:
    page = open_page(layer="3", filter=2)
    shows(page, "small", "3")
    switch(page, "digits")
    shows(page, "digits", "conv1")
    page.keyboard.press("l")
    shows(page, "digits", "conv2")
    address = page.url
    page.go_back()
    shows(page, "digits", "conv1")
    page.go_back()
    shows(page, "small", "3")
    expect(page.locator(".chain")).to_have_attribute("data-filter", "3:2")
    page.goto(address)
    page.reload()
    shows(page, "digits", "conv2")


def test_every_view_follows(open_page: OpenPage) -> None:
    page = open_page(view="table")
    expect(page.locator("#table-title")).to_have_text("small in numbers")
    rows = page.locator(".table-view tbody tr").count()
    switch(page, "digits")
    expect(page.locator("#table-title")).to_have_text("digits in numbers")
    expect(page.locator(".table-view tbody")).to_contain_text("conv2")
    assert page.locator(".table-view tbody tr").count() != rows
    page.keyboard.press("1")
    expect(page.locator("#network-title")).to_have_text("digits")
    page.get_by_role("button", name="What it sees").click()
    expect(page.locator(".projected[data-ready=true]")).to_be_visible()
    switch(page, "small")
    expect(page.locator(".projected[data-ready=true]")).to_be_visible()
    expect(page.locator("#layer-name")).to_contain_text("layer 0")


def test_the_newest_choice_wins(open_page: OpenPage) -> None:
    page = open_page(layer="0", filter=1)
    shows(page, "small", "0")
    page.route("**/api/network?model=1&*", lambda route: None)  # never answered
    switch(page, "digits")
    expect(page.locator(".model-button")).to_have_attribute("aria-busy", "true")
    expect(page.locator(".chain")).to_have_attribute("data-filter", "0:1")
    switch(page, "odd layers")
    shows(page, "odd layers", "0")
    expect(page).to_have_url(re.compile("model=2"))


def test_a_network_that_is_not_here_any_more(open_page: OpenPage, console: Console) -> None:
    console.expect("status of 404")
    page = open_page(model="own-0000000000000000", layer="3")
    expect(page.locator(".banner")).to_contain_text("not here any more")
    shows(page, "small", "3")
    page.evaluate("location.hash = '#model=9&layer=0'")
    expect(page.locator(".banner")).to_contain_text("not here any more")
    expect(page.locator(".network-name")).to_contain_text("small")


def test_a_model_file_says_what_is_missing_and_opens(
    open_page: OpenPage, console: Console, program: Path
) -> None:
    console.expect("status of 422")
    page = open_page(layer="0", filter=1)
    shows(page, "small", "0")
    page.keyboard.press("o")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="A model file …").click()
    chooser.value.set_files(program)
    expect(page.get_by_role("alert")).to_contain_text("The input size of this network cannot be told")
    expect(page.locator(".chain")).to_have_attribute("data-filter", "0:1")  # the one before stays
    page.get_by_label("input size").fill("3x8x8")
    page.get_by_role("button", name="Open any.onnx again").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(".network-name")).to_contain_text("any")
    settled(page)
    expect(page).to_have_url(re.compile("model=own-[0-9a-f]{16}"))
    page.keyboard.press("o")
    expect(page.locator(".model-choice[aria-current=true]")).to_contain_text("from a file")


def test_a_model_may_be_dropped(open_page: OpenPage, console: Console) -> None:
    console.expect("status of 422")
    page = open_page(layer="0", filter=1)
    shows(page, "small", "0")
    data = base64.b64encode(b"no model").decode()
    page.evaluate(DROP, ["drop", data, "broken.onnx"])
    dialog = page.get_by_role("dialog", name="Open a model")
    expect(dialog.get_by_role("alert")).to_contain_text("broken.onnx")
    page.keyboard.press("Escape")
    page.keyboard.press("o")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("alert")).to_have_count(0)


def test_what_is_plainly_no_model_is_not_even_sent(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(layer="0", filter=1)
    shows(page, "small", "0")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    (tmp_path / "notes.txt").write_text("hello")
    page.keyboard.press("o")
    page.locator("dialog input[type=file]").set_input_files(tmp_path / "notes.txt")
    expect(page.get_by_role("alert")).to_contain_text("notes.txt is no model file")
    assert "POST" not in sent


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
def test_the_dialog_fits(open_page: OpenPage, width: int, scheme: str) -> None:
    page = open_page(width=width, scheme=scheme, layer="0", filter=1)
    shows(page, "small", "0")
    page.keyboard.press("o")
    page.locator("summary").click()
    expect(page.get_by_label("deviation")).to_be_visible()
    assert page.evaluate("document.querySelector('dialog').scrollWidth <= innerWidth")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
