"""Run the code of the documentation, and keep the pictures that it makes: `make pictures`."""

from __future__ import annotations

import contextlib
import doctest
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "docs/design").glob("*.md")])
IMAGES = ROOT / "docs/images"
CODE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def title(page: Path) -> str:
    return str(page.relative_to(ROOT))


def run(page: Path) -> str:
    """Run the code of a page as one session; what does not come out as the page says, or nothing."""
    text = page.read_text("utf-8")
    names: dict[str, Any] = {"__name__": "__main__"}
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner(verbose=False)
    report: list[str] = []
    for block in CODE.finditer(text):
        line = text.count("\n", 0, block.start(1))
        example = parser.get_doctest(block[1], names, title(page), str(page), line)
        names = example.globs
        runner.run(example, out=report.append, clear_globs=False)
    return "".join(report)


@contextlib.contextmanager
def own_folder() -> Iterator[Path]:
    """A folder that relative names mean for a while."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield Path(folder)
        finally:
            os.chdir(before)


def main() -> None:
    """Put the pictures that pages save where the pages show them."""
    for page in PAGES:
        if ".save(" not in "".join(CODE.findall(page.read_text("utf-8"))):
            continue
        with own_folder() as folder:
            report = run(page)
            if report:
                sys.exit(report)
            for picture in sorted(folder.glob("*.png")):
                (IMAGES / picture.name).write_bytes(picture.read_bytes())
                print(f"{title(page)}: {picture.name}, {picture.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
