"""Take the pictures of the explorer that the README shows; a page that raises an error takes none."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

IMAGES = Path(__file__).parents[1] / "docs/images"
SCHEMES: dict[str, Literal["light", "dark"]] = {"explorer": "light", "explorer-dark": "dark"}


def take(browser: Browser, address: str, name: str) -> None:
    page = browser.new_page(
        viewport={"width": 1280, "height": 800},
        color_scheme=SCHEMES[name],
        device_scale_factor=1.5,
    )
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address, wait_until="networkidle")
    page.locator(".chain[data-pending=false] .channel-row").first.wait_for()
    page.locator(".mosaic[data-ready=false]").first.wait_for(state="detached")
    page.wait_for_timeout(1000)  # maps are drawn after the data has come
    if errors:
        raise SystemExit("\n".join(errors))
    shown = page.locator("main").bounding_box()
    assert shown is not None
    height = round(shown["y"] + shown["height"]) - 16
    page.set_viewport_size({"width": 1280, "height": height})  # no row is cut
    page.wait_for_timeout(300)
    Image.open(BytesIO(page.screenshot())).convert("RGB").save(IMAGES / f"{name}.png", optimize=True)
    page.close()


def main() -> None:
    command = [sys.executable, "-m", "convitro", "explore", "--no-browse"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
        sync_playwright() as playwright,
    ):
        assert server.stdout is not None
        address = re.search(r"http\S+", server.stdout.readline())
        assert address is not None
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for name in SCHEMES:
            take(browser, address[0], name)
        browser.close()
        server.terminate()


if __name__ == "__main__":
    main()
