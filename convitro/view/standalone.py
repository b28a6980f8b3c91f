"""The page as one HTML file that asks nobody for anything: modules, styles, icon and documents inside it."""

from __future__ import annotations

import base64
import gzip
import html
import json
import posixpath
import re
from collections.abc import Mapping

from convitro.view.page import ALL_SHEETS, PageFile, page_files

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' data:; style-src 'unsafe-inline'; img-src data: blob:"
)
TABLES_SHEET = "styles/report.css"  # of what follows the page
SPECIFIER = re.compile(rb"""(\bfrom\s*|\bimport\s*)(["'])(\.{1,2}/[^"']+)\2""")
BARE = re.compile(rb'<script type="importmap">(.*?)</script>', re.DOTALL)


def standalone_page(documents: Mapping[str, str], tables: str, title: str, opening: str = "") -> str:
    """The page with its documents, and below it what is not interactive.

    A browser shows it from disk, in an iframe, anywhere; its own policy forbids it to fetch anything.

    Args:
        documents: documents as text (`packed`) by the key under which the page looks for them.
        tables: HTML that follows the page: tables and pictures.
        title: of the window, as text.
        opening: what it shows first, as the part of an address after "#".
    """
    files = page_files()
    styles = "\n".join(files[name].content.decode() for name in (ALL_SHEETS, TABLES_SHEET))
    data = "\n".join(document_script(key, content) for key, content in documents.items())
    return f"""<!doctype html>
<html lang="en" data-theme="light" data-opening="{html.escape(opening)}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{html.escape(title)}</title>
<link rel="icon" href="{data_url(files["icon.svg"])}">
<style>{styles}</style>
<script type="importmap">{json.dumps({"imports": modules(files)})}</script>
</head>
<body>
<div id="app"><p class="loading">Opening the network …</p>
<noscript>The maps are drawn by the browser: please allow JavaScript. The tables need none.</noscript></div>
<div id="tables" class="tables">{tables}</div>
{data}
<script type="module">import "view/main.js";</script>
</body>
</html>
"""


def document_script(key: str, content: str) -> str:
    """A packed document as the page holds it."""
    return f'<script type="text/plain" data-document="{html.escape(key)}">{content}</script>'


def modules(files: Mapping[str, PageFile]) -> dict[str, str]:
    """An import map: every module of the page under "view/…", and the libraries' own names, as data."""
    named = {f"view/{name}": module_url(name, files) for name in files if name.endswith((".js", ".mjs"))}
    found = BARE.search(files["index.html"].content)
    assert found is not None
    libraries = json.loads(found[1])["imports"]
    return named | {name: named[path.removeprefix("./")] for name, path in libraries.items()}


def module_url(name: str, files: Mapping[str, PageFile]) -> str:
    """A module as data: its relative imports become names of the import map, for data has no folder."""

    def absolute(match: re.Match[bytes]) -> bytes:
        target = posixpath.normpath(posixpath.join("view", posixpath.dirname(name), match[3].decode()))
        return match[1] + b'"' + target.encode() + b'"'

    content = SPECIFIER.sub(absolute, files[name].content)
    icon = data_url(files["icon.svg"]).encode()
    return data_url(PageFile(content.replace(b"view/icon.svg", icon), "text/javascript"))


def data_url(file: PageFile) -> str:
    """A file inside an address."""
    return f"data:{file.media_type.partition(';')[0]};base64,{base64.b64encode(file.content).decode()}"


def packed(document: bytes) -> str:
    """A document as text: gzip, which every browser of today unpacks by itself, then base64."""
    return base64.b64encode(gzip.compress(document, compresslevel=6, mtime=0)).decode()


def framed(page: str, height: int = 820) -> str:
    """A page inside another one, such as a notebook: apart from it, and without any request."""
    return (
        f'<iframe srcdoc="{html.escape(page)}" style="width:100%;height:{height}px;border:0" '
        'title="Convitro report" sandbox="allow-scripts allow-popups allow-downloads"></iframe>'
    )
