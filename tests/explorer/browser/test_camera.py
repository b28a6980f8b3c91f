"""A picture from the camera: the browser's own test picture stands for one."""

import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.explorer.browser.conftest import FLAGS, NAMES, Explorer, settled

OpenCamera = Callable[..., Page]
FAKE = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
REMEMBER = """
    const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    window.tracks = [];
    navigator.mediaDevices.getUserMedia = async (wanted) => {
        const stream = await open(wanted);
        window.tracks.push(...stream.getTracks());
        return stream;
    };
"""
REFUSE = """
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", "{name}"));
"""
ENDED = "() => window.tracks.length > 0 && window.tracks.every((track) => track.readyState === 'ended')"


@pytest.fixture(scope="module")
def filming(browser: Browser) -> Iterator[Browser]:
    """A browser with a camera."""
    path = next(filter(None, map(shutil.which, NAMES)), browser.browser_type.executable_path)
    with browser.browser_type.launch(executable_path=path, args=[*FLAGS, *FAKE]) as other:
        yield other


@pytest.fixture
def open_dialog(new_page: OpenCamera, filming: Browser, explorers: Callable[[str], Explorer]) -> OpenCamera:
    def open_one(script: str = REMEMBER) -> Page:
        page = new_page(within=filming)
        page.add_init_script(script)
        page.goto(explorers("small").address())
        settled(page)
        page.keyboard.press("p")
        expect(page.get_by_role("dialog")).to_be_visible()
        return page

    return open_one


def look(page: Page) -> None:
    page.get_by_role("button", name="Camera", exact=True).click()
    expect(page.locator(".camera video")).to_have_attribute("data-ready", "true")


def test_a_picture_is_taken_and_opened(open_dialog: OpenCamera) -> None:
    page = open_dialog()
    look(page)
    page.get_by_role("button", name="Take the picture").click()
    expect(page.locator(".input-picture b")).to_contain_text("camera ")
    expect(page.get_by_role("dialog")).to_have_count(0)
    settled(page)
    greenish = """() => {
        const context = document.createElement("canvas").getContext("2d");
        context.drawImage(document.querySelector(".input-picture img"), 0, 0);
        const [r, g, b] = context.getImageData(2, 8, 1, 1).data;
        return g > r + 30 && g > b + 30;
    }"""
    assert page.evaluate(greenish)  # the test picture is green
    page.wait_for_function(ENDED)


@pytest.mark.parametrize("how", ["the button", "the same button", "Escape", "another picture"])
def test_the_camera_goes_off_however_it_is_closed(open_dialog: OpenCamera, how: str) -> None:
    page = open_dialog()
    look(page)
    if how == "the button":
        page.get_by_role("button", name="Close the camera").click()
    elif how == "the same button":
        page.get_by_role("button", name="Camera", exact=True).click()
    elif how == "Escape":
        page.keyboard.press("Escape")
    else:
        page.get_by_role("button", name="cup", exact=True).click()
    page.wait_for_function(ENDED)
    expect(page.locator(".camera")).to_have_count(0)


def test_a_permission_that_comes_too_late_films_nobody(open_dialog: OpenCamera) -> None:
    late = "await new Promise((go) => { window.allow = go; });\n        const stream"
    page = open_dialog(REMEMBER.replace("const stream", late))
    page.get_by_role("button", name="Camera", exact=True).click()
    expect(page.get_by_role("button", name="Asking for the camera …")).to_be_disabled()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.evaluate("window.allow()")
    page.wait_for_function(ENDED)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NotAllowedError", "does not let this page use the camera"),
        ("NotFoundError", "There is no camera here"),
        ("NotReadableError", "another program may be using it"),
    ],
)
def test_a_camera_that_cannot_be_had(open_dialog: OpenCamera, name: str, words: str) -> None:
    page = open_dialog(REFUSE.replace("{name}", name))
    page.get_by_role("button", name="Camera", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text(words)
    page.get_by_role("button", name="Back", exact=True).click()
    expect(page.locator(".camera")).to_have_count(0)


def test_without_a_camera_interface_there_is_no_button(open_dialog: OpenCamera) -> None:
    page = open_dialog("Object.defineProperty(navigator, 'mediaDevices', { value: undefined });")
    expect(page.get_by_role("button", name="Your own picture …")).to_be_visible()
    expect(page.get_by_role("button", name="Camera", exact=True)).to_have_count(0)
