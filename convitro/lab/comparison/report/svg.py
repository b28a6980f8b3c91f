"""Charts as SVG inside a page, in the colours and letters of that page."""

from __future__ import annotations

import html
import io
import re
import threading

from convitro.plots import Display
from convitro.plots.display import INK, MUTED, check_matplotlib

PAGE_COLOURS = {
    INK: "var(--ink)",
    MUTED: "var(--ink-soft)",
    "#c9cdd2": "var(--line)",
    "#ffffff": "var(--surface)",
    "#2f6fb5": "var(--gain)",
    "#cf6a16": "var(--loss)",
    "#7a828c": "var(--open)",
}
LETTERS = re.compile(r"(font(?:-family)?): ([\d.]+px)? ?'DejaVu Sans'[^;\"]*")
LOCK = threading.Lock()


def inline_svg(display: Display) -> str:
    """A chart as an <svg> element: text stays text, and both follow the page's colours, light or dark.

    Raises:
        LoadError: matplotlib is not installed.
    """
    check_matplotlib()
    from matplotlib import rc_context

    figure, page = display.figure(), io.StringIO()
    figure.patch.set_alpha(0)
    for axes in figure.axes:
        axes.patch.set_alpha(0)
    with LOCK, rc_context({"svg.fonttype": "none", "svg.hashsalt": "convitro", "svg.image_inline": True}):
        figure.savefig(page, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return adopted(page.getvalue(), display)


def adopted(drawing: str, display: Display) -> str:
    """The drawing without its own head, colours and letters."""
    drawing = drawing[drawing.index("<svg") :]
    drawing = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", drawing, flags=re.DOTALL)
    head, _, rest = drawing.partition(">")
    box = re.search(r'viewBox="[^"]*"', head)
    assert box is not None
    for own, page in PAGE_COLOURS.items():
        rest = rest.replace(own, page)
    rest = LETTERS.sub(lambda found: f"font-size: {found[2]}" if found[2] else "", rest)
    rest = re.sub(r"<style.*?</style>", "", rest, flags=re.DOTALL)  # it would be the whole page's
    rest = re.sub(r'<g id="[^"]*"', "<g", rest)  # every chart has the same ones
    rest = re.sub(r"\d+\.\d{3,}", lambda found: f"{float(found[0]):.2f}", rest)
    rest = re.sub(r">\s+<", "><", rest)
    width = round(96 * display.size[0])
    alt = html.escape(display.alt)
    return f'<svg class="chart" {box[0]} width="{width}" role="img" aria-label="{alt}">{rest.strip()}'
