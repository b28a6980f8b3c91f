"""The files of the page, found once and listed by name: nobody who asks for a file ever names a path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


SHEET = re.compile(rb'<link rel="stylesheet" href="view/(styles/.+?)" />\n\s*')
ALL_SHEETS = "styles/all.css"


@dataclass(frozen=True)
class PageFile:
    """One file of the page: its bytes and what a browser should take them for."""

    content: bytes
    media_type: str


@cache
def page_files() -> dict[str, PageFile]:
    """All files of the page by name: "index.html", "main.js", "styles/tokens.css", "vendor/preact.mjs" …

    Example:
        >>> page_files()["main.js"].media_type
        'text/javascript; charset=utf-8'
    """
    folder = Path(__file__).parent
    found = {
        file.relative_to(folder).as_posix(): PageFile(file.read_bytes(), MEDIA_TYPES[file.suffix])
        for file in sorted(folder.rglob("*"))
        if file.suffix in MEDIA_TYPES
    }
    page = found["index.html"]
    sheets = [name.decode() for name in SHEET.findall(page.content)]  # in the order of the page
    content = with_one_sheet(with_preloads(page.content, list(found)))
    styles = b"\n".join(found[name].content for name in sheets)
    return {
        **found,
        ALL_SHEETS: PageFile(styles, MEDIA_TYPES[".css"]),
        "index.html": PageFile(content, page.media_type),
    }


def with_one_sheet(page: bytes) -> bytes:
    """`page` with all its style sheets as one: each would be a request that the first paint waits for."""
    link = f'<link rel="stylesheet" href="view/{ALL_SHEETS}" />\n    '.encode()
    start = b'<script type="importmap"'
    return SHEET.sub(b"", page).replace(start, link + start)


def with_preloads(page: bytes, names: list[str]) -> bytes:
    """`page` with a hint for every module: a browser then asks for all at once, not import by import."""
    modules = [name for name in names if name.endswith((".js", ".mjs"))]
    links = "".join(f'<link rel="modulepreload" href="view/{name}" />\n    ' for name in modules)
    start = b'<script type="module"'
    return page.replace(start, links.encode() + start)
