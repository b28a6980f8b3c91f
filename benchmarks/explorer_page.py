"""How long a person waits for the explorer: a real server, a real Chromium, a ResNet-18 at 224x224.

    python benchmarks/explorer_page.py [--network embedded] [--rounds 3] [--checkout FOLDER] [--output FILE]

Measured, each with its limit: the start of the server, the first paint, the change of a filter, the pixel
under the pointer, and the page's memory. Needs what the browser tests need. The machine should have nothing
else to do: the load before and after is written beside the figures. For before and after, name another
checkout and take turns.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median, quantiles
from typing import Any
from urllib.request import urlopen

from explorer_memory import page_memory
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
PROBE = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
]

SERVERS = {
    "resnet18": "from convitro.explorer import serve\n"
    "from tests.explorer.networks import resnet\n"
    "serve(resnet(), browse=False)",
    "embedded": "from convitro.cli import main; main()",
}
LAYERS = {  # from large maps with few channels to small maps with many
    "resnet18": ("0", "4.conv1", "6.conv1", "8.conv2", "10.conv2", "11.conv2"),
    "embedded": ("conv1_1", "conv2_1", "conv3_2"),
}
LIMITS = {
    "server_start_ms": 3000.0,
    "first_paint_ms": 1000.0,
    "first_maps_ms": 1000.0,
    "filter_change_ms": 100.0,
    "hover_ms": 16.0,
    "memory_mb": 300.0,
}


@dataclass
class Figures:
    """Everything measured, by name; milliseconds and megabytes."""

    samples: dict[str, list[float]] = field(default_factory=dict)
    by_layer: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, name: str, value: float, layer: str = "") -> None:
        self.samples.setdefault(name, []).append(value)
        if layer:
            self.by_layer.setdefault(layer, {}).setdefault(name, []).append(value)

    def summary(self) -> dict[str, Any]:
        rows = {name: summarised(values) for name, values in self.samples.items()}
        for name, limit in LIMITS.items():
            if name in rows:
                rows[name] |= {"limit": limit, "within": rows[name]["p95"] <= limit}
        layers = {
            layer: {name: summarised(values) for name, values in found.items()}
            for layer, found in self.by_layer.items()
        }
        return {"figures": rows, "layers": layers}


def summarised(values: list[float]) -> dict[str, float]:
    """Count, median, 95th percentile and largest."""
    p95 = quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]
    rounded = {"p50": median(values), "p95": p95, "max": max(values)}
    return {"count": len(values), **{name: round(value, 2) for name, value in rounded.items()}}


@contextmanager
def server(network: str, checkout: Path, figures: Figures) -> Iterator[str]:
    """A served explorer; yields its address. The start lasts from the process to the first answer."""
    arguments = ["explore", "--no-browse"] if network == "embedded" else []
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    begun = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", SERVERS[network], *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=checkout,
        env=environment,
    ) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http\S+", process.stdout.readline())
            if found is None:
                raise SystemExit("the explorer did not start: see above")
            urlopen(found[0]).read()
            figures.add("server_start_ms", (time.perf_counter() - begun) * 1000)
            yield found[0]
        finally:
            process.terminate()


def open_page(browser: Browser, address: str) -> tuple[Page, CDPSession]:
    """A fresh page with nothing cached, and the way to its inner figures in CPU time."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.add_init_script(PROBE)
    page.on("pageerror", lambda error: print(f"page error: {error}", file=sys.stderr))
    inner = page.context.new_cdp_session(page)
    inner.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(address)
    return page, inner


def first_paint(page: Page, figures: Figures) -> None:
    """From the navigation to the first content, and to the maps of the first filter."""
    drawn = page.evaluate("probe.drawn(null)")
    figures.add("first_maps_ms", drawn["to"])
    paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
    figures.add("first_paint_ms", page.evaluate(paint))


def filter_changes(
    page: Page, inner: CDPSession, figures: Figures, layer: str, count: int, pause_ms: int
) -> None:
    """From the key "j" to the new filter's maps on the screen, `count` times, with a look at each."""
    page.wait_for_timeout(500)
    for _ in range(count):
        page.wait_for_timeout(pause_ms)
        name, number = page.locator(".chain").get_attribute("data-filter").rsplit(":", 1)  # type: ignore[union-attr]
        filters = page.locator(".filter-tile").count()
        before = metrics(inner)
        page.keyboard.press("j")
        wanted = f"{name}:{(int(number) + 1) % filters}"
        drawn = page.evaluate("wanted => probe.drawn(wanted, probe.pressed)", wanted)
        figures.add("filter_change_ms", drawn["to"] - drawn["from"], layer)
        figures.add("filter_change_cpu_ms", metrics(inner)["TaskDuration"] - before["TaskDuration"], layer)


def hovers(page: Page, inner: CDPSession, figures: Figures, layer: str, count: int) -> None:
    """From a move of the pointer over the aggregated map to the frame with that pixel's numbers."""
    box = page.locator("[data-result=aggregated] .map-shape").bounding_box()
    assert box is not None
    random = Random(0)
    page.mouse.move(box["x"] + 1, box["y"] + 1)
    page.wait_for_timeout(100)
    page.evaluate("probe.moves.length = 0")
    before = metrics(inner)
    for _ in range(count):
        x, y = box["x"] + random.random() * box["width"], box["y"] + random.random() * box["height"]
        page.mouse.move(x, y)
        page.wait_for_timeout(20 + random.random() * 20)
    page.wait_for_timeout(100)
    after = metrics(inner)
    moves = [move for move in page.evaluate("probe.moves") if move["changed"]]
    for move in moves:
        figures.add("hover_ms", move["work"], layer)
        figures.add("hover_with_wait_for_frame_ms", move["whole"], layer)
    for part in ("Script", "RecalcStyle", "Layout", "Task"):
        spent = (after[f"{part}Duration"] - before[f"{part}Duration"]) / max(len(moves), 1)
        figures.add(f"hover_cpu_{part.lower()}_ms", spent, layer)


def metrics(inner: CDPSession) -> dict[str, float]:
    """Chromium's own counters of the page: durations in ms of the main thread's CPU time, sizes in MB."""
    found = {each["name"]: each["value"] for each in inner.send("Performance.getMetrics")["metrics"]}
    return {
        name: value * 1000 if name.endswith("Duration") else value / 2**20 for name, value in found.items()
    }


def measure_round(arguments: argparse.Namespace, figures: Figures, playwright: Any) -> None:
    """One server, one browser: everything once."""
    name = arguments.network
    with server(name, arguments.checkout, figures) as address:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        browser.new_page().goto("about:blank")  # a browser that runs already, as a person's does
        for _ in range(arguments.opens):
            page, _ = open_page(browser, address)
            first_paint(page, figures)
            page.context.close()
        page, inner = open_page(browser, address)
        page.evaluate("probe.drawn(null)")
        known = page.locator(".layer-title").all_inner_texts()
        layers = [each for each in LAYERS[name] if each in known] or known[:3]
        for layer in layers:
            page.evaluate("layer => (location.hash = `#layer=${layer}&filter=0`)", layer)
            page.evaluate("wanted => probe.drawn(wanted)", f"{layer}:0")
            page.wait_for_timeout(700)
            filter_changes(page, inner, figures, layer, arguments.changes, arguments.pause)
            hovers(page, inner, figures, layer, arguments.moves)
        figures.add("layout_shift", page.evaluate("probe.shifts"))
        browser.close()
        chromium = shutil.which("chromium") or "chromium"
        figures.add("memory_mb", page_memory(chromium, FLAGS, address, layers, PROBE))


def table(summary: dict[str, Any]) -> str:
    """The figures as a table for a terminal."""
    lines = [f"{'':32} {'count':>6} {'p50':>9} {'p95':>9} {'max':>9} {'limit':>7}"]
    groups = [("", summary["figures"]), *summary["layers"].items()]
    for title, rows in groups:
        lines += [f"\n{title}"] if title else []
        for name, row in rows.items():
            limit = f"{row['limit']:7.0f}{'' if row['within'] else '  over'}" if "limit" in row else ""
            lines.append(
                f"{name:32} {row['count']:6} {row['p50']:9.2f} {row['p95']:9.2f} {row['max']:9.2f} {limit}"
            )
    return "\n".join(lines)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", choices=SERVERS, default="resnet18")
    parser.add_argument("--rounds", type=int, default=1, help="servers and browsers, one after the other")
    parser.add_argument("--opens", type=int, default=5, help="openings of the page in a round")
    parser.add_argument("--changes", type=int, default=12, help="changes of the filter in each layer")
    parser.add_argument("--moves", type=int, default=60, help="moves of the pointer in each layer")
    parser.add_argument("--pause", type=int, default=250, help="ms for which each filter is looked at")
    parser.add_argument("--checkout", type=Path, default=ROOT, help="whose explorer is measured")
    parser.add_argument("--output", type=Path, help="where the JSON goes")
    return parser.parse_args()


def main() -> None:
    """Read the arguments, measure, print, write."""
    arguments, figures = parsed(), Figures()
    before = os.getloadavg()[0]
    with sync_playwright() as playwright:
        for _ in range(arguments.rounds):
            measure_round(arguments, figures, playwright)
    facts = {"network": arguments.network, "processors": os.cpu_count(), "rounds": arguments.rounds}
    result = {**facts, "load": [round(before, 2), round(os.getloadavg()[0], 2)], **figures.summary()}
    print(table(result))
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
