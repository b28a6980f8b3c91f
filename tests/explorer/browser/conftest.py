"""A real Chromium on a real server; a test fails when the page writes any error or warning to the console."""

import re
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, expect, sync_playwright

from convitro.anatomy import Anatomy
from convitro.explorer import create_app
from convitro.explorer.server import bound_socket, web_server
from convitro.explorer.training import Run
from convitro.sources import Network
from tests.explorer.networks import NETWORKS, anatomy_of
from tests.explorer.runs import finished, opened

TOKEN = "a-token-for-tests"
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
]
PATIENCE_MS = 60_000  # a busy machine is slow, not broken


class Explorer:
    """A running explorer that can be stopped and started again on the same port."""

    def __init__(self, network: Network | list[Network], run: Run | None = None) -> None:
        self.app = create_app(network, None, TOKEN, run=run)
        self.port = 0
        self.start()

    def start(self) -> None:
        self.listener = bound_socket("127.0.0.1", self.port)
        self.port = self.listener.getsockname()[1]
        self.server = web_server(self.app)
        self.thread = threading.Thread(
            target=self.server.run, kwargs={"sockets": [self.listener]}, daemon=True
        )
        self.thread.start()

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join()
        self.listener.close()

    def address(self, **chosen: object) -> str:
        """The address with its token, and after "#" what is chosen."""
        hash = "&".join(f"{name}={value}" for name, value in chosen.items())
        return f"http://127.0.0.1:{self.port}/?token={TOKEN}#{hash}"


@pytest.fixture(scope="session")
def explorers() -> Iterator[Callable[[str], Explorer]]:
    """Explorers by the name of their network, each started once."""
    running: dict[str, Explorer] = {}

    def find(name: str) -> Explorer:
        if name not in running:
            running[name] = Explorer(NETWORKS[name]())
        return running[name]

    yield find
    for explorer in running.values():
        explorer.stop()


@pytest.fixture(scope="module")
def anatomies() -> Callable[[str], Anatomy]:
    """The library's own numbers about the picture that is open at first, by the name of the network."""
    return cache(lambda name: anatomy_of(NETWORKS[name]()))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training that has ended."""
    return finished(tmp_path_factory.mktemp("runs") / "whole")


@pytest.fixture(scope="module")
def followed(whole: Path) -> Iterator[Explorer]:
    """An explorer that shows this training."""
    explorer = Explorer(*opened(whole))
    yield explorer
    explorer.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(playwright), args=FLAGS)
        yield browser
        browser.close()


def find_chromium(playwright: Playwright) -> str:
    """The system's Chromium, or else Playwright's own."""
    own = playwright.chromium.executable_path
    found = next(filter(None, map(shutil.which, NAMES)), own if Path(own).is_file() else None)
    if found is None:
        pytest.skip("no Chromium is here: install one, or run `playwright install chromium`")
    return found


class Console:
    """What the page wrote to the console, and what a test expects there."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.expected: list[str] = []

    def hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.messages.append(message.text)

    def expect(self, pattern: str) -> None:
        """The browser itself reports failed requests; a test that makes one says so."""
        self.expected.append(pattern)

    def unexpected(self) -> list[str]:
        return [text for text in self.messages if not any(re.search(each, text) for each in self.expected)]


@pytest.fixture
def console() -> Console:
    return Console()


@pytest.fixture
def new_page(browser: Browser, console: Console) -> Iterator[Callable[..., Page]]:
    """Empty pages in contexts of their own, whose console is heard: `new_page(width=360, has_touch=True)`."""
    contexts = []

    def open_one(width: int = 1280, height: int = 800, within: Browser = browser, **options: Any) -> Page:
        contexts.append(within.new_context(viewport={"width": width, "height": height}, **options))
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", console.hear)
        page.on("pageerror", lambda error: console.messages.append(str(error)))
        return page

    expect.set_options(timeout=PATIENCE_MS)
    yield open_one
    for context in contexts:
        context.close()
    assert console.unexpected() == []


@pytest.fixture
def open_page(new_page: Callable[..., Page], explorers: Callable[[str], Explorer]) -> Callable[..., Page]:
    """Opens the page of a network: `open_page("small", width=360, scheme="dark", layer="0")`."""

    def open_one(
        name: str = "small", width: int = 1280, height: int = 800, scheme: str = "light", **chosen: object
    ) -> Page:
        page = new_page(width, height, color_scheme=scheme)
        page.goto(explorers(name).address(**chosen))
        if chosen.get("view", "filter") == "filter":
            settled(page)
        return page

    return open_one


@pytest.fixture
def open_play(new_page: Callable[..., Page], explorers: Callable[[str], Explorer]) -> Callable[..., Page]:
    """Opens the view at a setting: `open_play("edges*s2", width=360)`."""

    def open_one(play: str = "", name: str = "small", width: int = 1280, **options: Any) -> Page:
        page = new_page(width, 900, **options)
        page.goto(explorers(name).address(view="play", **({"play": play} if play else {})))
        expect(page.locator(".bench")).to_be_visible()
        return page

    return open_one


def settled(page: Page) -> None:
    """Wait until the chain and all small maps are there."""
    expect(page.locator(".chain[data-pending=false] .channel-row").first).to_be_visible()
    expect(page.locator(".mosaic[data-ready=false]")).to_have_count(0)
