"""The files of the page, found once and listed by name: nobody who asks for a file ever names a path."""

from __future__ import annotations

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
    return {
        file.relative_to(folder).as_posix(): PageFile(file.read_bytes(), MEDIA_TYPES[file.suffix])
        for file in sorted(folder.rglob("*"))
        if file.suffix in MEDIA_TYPES
    }
