"""Numbers as the page shows them, and where its maps have their pixels."""

import math
import re

from playwright.sync_api import Locator, Page

MINUS = "\N{MINUS SIGN}"


def shown_value(text: str) -> tuple[float, float]:
    """A number on the page, and half a unit of its last digit."""
    text = text.strip().replace(MINUS, "-").replace("- ", "-")
    if text == "≈0":
        return 0.0, 0.005
    mantissa, _, exponent = text.partition("e")
    decimals = len(mantissa.partition(".")[2])
    scale = 10.0 ** int(exponent or 0)
    return float(mantissa) * scale, 0.5 * 10.0**-decimals * scale


def reads(text: str, value: float) -> bool:
    """Whether `text` is `value` to the digit shown; both come from float32, so the last bit may differ."""
    shown, half = shown_value(text)
    return math.isclose(shown, value, rel_tol=2e-6, abs_tol=half * 1.001)


def point_at(page: Page, map: Locator, y: int, x: int, size: tuple[int, int]) -> None:
    """Move the pointer over one pixel of a map, brought onto the screen."""
    map.scroll_into_view_if_needed()
    box = map.bounding_box()
    assert box is not None
    page.mouse.move(
        box["x"] + (x + 0.5) / size[1] * box["width"], box["y"] + (y + 0.5) / size[0] * box["height"]
    )


def mark_box(map: Locator, kind: str, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Top, left, height and width of a mark, in pixels of its map."""
    style = map.locator(f".mark[data-kind={kind}]").get_attribute("style") or ""
    percent: dict[str, float] = {
        name: float(value) / 100 for name, value in re.findall(r"(\w+): (-?[\d.]+)%", style)
    }
    height, width = size
    top, left = percent["top"] * height, percent["left"] * width
    rows, columns = percent["height"] * height, percent["width"] * width
    return round(top, 3), round(left, 3), round(rows, 3), round(columns, 3)
