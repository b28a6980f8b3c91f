"""One's own picture, good and bad, and a server that goes away."""

import base64
import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.explorer.browser.conftest import Console, Explorer, settled
from tests.explorer.networks import small

OpenPage = Callable[..., Page]


def picture(format: str = "PNG") -> bytes:
    data = BytesIO()
    Image.linear_gradient("L").convert("RGB").save(data, format)
    return data.getvalue()


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_an_own_picture_by_the_file_button(open_page: OpenPage, tmp_path: Path, format: str) -> None:
    file = tmp_path / f"gradient.{format.lower()}"
    file.write_bytes(picture(format))
    page = open_page()
    page.keyboard.press("p")
    with page.expect_file_chooser() as chooser:
        page.locator("dialog .primary").click()
    chooser.value.set_files(file)
    expect(page.locator(".input-picture b")).to_have_text(file.name)
    settled(page)
    expect(page).to_have_url(re.compile("picture=own-[0-9a-f]{16}"))


DROP = """([kind, data, name]) => {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name, {type: "image/png"}));
    const event = kind === "paste"
        ? new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true})
        : new DragEvent(kind, {dataTransfer: transfer, bubbles: true, cancelable: true});
    document.querySelector("main").dispatchEvent(event);
}"""


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_an_own_picture_by_drop_and_paste(open_page: OpenPage, kind: str) -> None:
    page = open_page()
    data = base64.b64encode(picture()).decode()
    if kind == "drop":
        page.evaluate(DROP, ["dragover", data, "dropped.png"])
        expect(page.locator(".drop-here")).to_be_visible()
    page.evaluate(DROP, [kind, data, "dropped.png"])
    expect(page.locator(".input-picture b")).to_have_text("dropped.png")
    expect(page.locator(".drop-here")).to_have_count(0)


def test_a_bad_file_says_what_to_do(open_page: OpenPage, console: Console, tmp_path: Path) -> None:
    console.expect("status of 422")
    file = tmp_path / "broken.png"
    file.write_bytes(b"this is no picture")
    page = open_page()
    page.keyboard.press("p")
    page.locator("input[type=file]").set_input_files(file)
    banner = page.locator(".banner")
    expect(banner).to_contain_text("not a picture that can be read")
    expect(banner).to_contain_text("What to do: save the picture as PNG or JPEG")
    expect(page.locator(".input-picture b")).to_have_text("cat")
    banner.get_by_role("button", name="Dismiss").click()
    expect(banner).to_have_count(0)


def test_a_file_that_is_plainly_no_picture_is_not_even_sent(open_page: OpenPage, tmp_path: Path) -> None:
    text, giant = tmp_path / "notes.txt", tmp_path / "giant.png"
    text.write_text("hello")
    giant.write_bytes(bytes(20 * 2**20 + 1))
    page = open_page()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    for file, words in ((text, "is not a picture"), (giant, "is larger than 20 MB")):
        page.keyboard.press("p")
        page.locator("input[type=file]").set_input_files(file)
        expect(page.locator(".banner")).to_contain_text(words)
    assert "POST" not in sent


def test_a_forgotten_picture_of_an_old_address(open_page: OpenPage, console: Console) -> None:
    console.expect("status of 404")
    page = open_page()
    page.evaluate("location.hash = '#picture=own-0000000000000000'")
    expect(page.locator(".banner")).to_contain_text("not here any more")
    expect(page.locator(".channel-row")).to_have_count(3)


def test_a_server_that_goes_away_and_comes_back(new_page: OpenPage, console: Console) -> None:
    explorer = Explorer(small())
    page = new_page()
    console.expect("ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE")
    page.goto(explorer.address(layer="0", filter=1))
    settled(page)
    explorer.stop()
    page.keyboard.press("j")  # the next filter may be here already, the one after it is not
    page.keyboard.press("j")
    expect(page.locator(".banner")).to_contain_text("does not answer")
    expect(page.locator(".banner")).to_contain_text("convitro explore")
    page.locator("[data-result=aggregated] .map-shape").hover(position={"x": 10, "y": 10})
    expect(page.locator(".sentence-place")).to_contain_text("row 1")  # what is here still works
    explorer.start()
    expect(page.locator(".banner")).to_have_count(0)
    expect(page.locator(".chain")).to_have_attribute("data-filter", "0:3")
    page.close()
    explorer.stop()
