"""What the explorer's page takes of memory, as a person has it: in a Chromium whose network nobody records.

A browser that is driven for tests keeps a copy of every response for whoever drives it. Here Chromium is
told by its pipe to load, press and point, and nothing else.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

Call = Callable[..., dict[str, Any]]


def page_memory(
    chromium: str,
    flags: Sequence[str],
    address: str,
    layers: Sequence[str],
    script: str,
    *,
    changes: int = 12,
) -> float:
    """Private memory of the page's process in MB after a walk through layers, their filters and pixels.

    Args:
        chromium: the browser.
        flags: its arguments.
        address: of the explorer.
        layers: those opened one after the other.
        script: run in the page before its own, as the `probe` that knows what is drawn.
        changes: of the filter in every layer, each looked at for a quarter of a second.
    """
    with driven(chromium, flags) as call:
        target = call("Target.createTarget", url="about:blank")["targetId"]
        session = call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

        def tell(method: str, **options: Any) -> dict[str, Any]:
            return call(method, session, **options)

        def evaluate(expression: str) -> Any:
            found = tell("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
            if "exceptionDetails" in found:
                raise RuntimeError(found["exceptionDetails"]["exception"]["description"])
            return found["result"].get("value")

        tell("Emulation.setDeviceMetricsOverride", width=1280, height=800, deviceScaleFactor=1, mobile=False)
        tell("Page.enable")
        tell("Page.addScriptToEvaluateOnNewDocument", source=script)
        tell("Page.navigate", url=address)
        while not evaluate("Boolean(window.probe) && document.readyState === 'complete'"):
            time.sleep(0.1)
        evaluate("probe.drawn(null)")
        for layer in layers:
            evaluate(f"location.hash = {json.dumps(f'#layer={layer}&filter=0')}")
            evaluate(f"probe.drawn({json.dumps(f'{layer}:0')})")
            walk(tell, evaluate, layer, changes)
        processes = call("SystemInfo.getProcessInfo")["processInfo"]
        return max(private_mb(each["id"]) for each in processes if each["type"] == "renderer")


def walk(tell: Call, evaluate: Callable[[str], Any], layer: str, changes: int) -> None:
    """Open the next filters one after the other, then point at pixels of the last one."""
    filters = evaluate("document.querySelectorAll('.filter-tile').length")
    for change in range(1, changes + 1):
        time.sleep(0.25)
        for kind in ("keyDown", "keyUp"):
            tell("Input.dispatchKeyEvent", type=kind, key="j", text="j" if kind == "keyDown" else "")
        evaluate(f"probe.drawn({json.dumps(f'{layer}:{change % filters}')})")
    box = evaluate(
        "(({ x, y, width, height }) => ({ x, y, width, height }))"
        "(document.querySelector('[data-result=aggregated] .map-shape').getBoundingClientRect())"
    )
    random = Random(0)
    for _ in range(60):
        x, y = box["x"] + random.random() * box["width"], box["y"] + random.random() * box["height"]
        tell("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        time.sleep(0.03)


@contextmanager
def driven(chromium: str, flags: Sequence[str]) -> Iterator[Call]:
    """A Chromium without a window; yields the function that calls its methods and waits for the answer."""
    (read_asked, asked), (answers, write_answer) = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory() as profile:
        # The pipe is file descriptors 3 and 4 by convention.
        shell = f'exec "$0" "$@" 3<&{read_asked} 4>&{write_answer}'
        options = ["--headless", "--remote-debugging-pipe", f"--user-data-dir={profile}", *flags]
        with subprocess.Popen(
            ["bash", "-c", shell, chromium, *options],
            pass_fds=(read_asked, write_answer),
            stderr=subprocess.DEVNULL,
        ) as process:
            os.close(read_asked)
            os.close(write_answer)
            with os.fdopen(asked, "wb", buffering=0) as out, os.fdopen(answers, "rb") as back:
                messages = received(back)
                count = 0

                def call(method: str, session: str = "", **options: Any) -> dict[str, Any]:
                    nonlocal count
                    count += 1
                    message = {"id": count, "method": method, "params": options}
                    out.write(
                        json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0"
                    )
                    answer = next(each for each in messages if each.get("id") == count)
                    if "error" in answer:
                        raise RuntimeError(f"{method}: {answer['error']['message']}")
                    found: dict[str, Any] = answer["result"]
                    return found

                try:
                    yield call
                finally:
                    process.terminate()


def received(back: Any) -> Iterator[dict[str, Any]]:
    """The messages of a browser, each ended by a zero byte."""
    rest = b""
    while piece := os.read(back.fileno(), 1 << 16):
        *whole, rest = (rest + piece).split(b"\0")
        for each in whole:
            yield json.loads(each)


def private_mb(process: int) -> float:
    """Memory that a process shares with no other, from the kernel's count."""
    text = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="utf-8")
    return sum(int(kilobytes) for kilobytes in re.findall(r"Private_\w+:\s+(\d+) kB", text)) / 1024
