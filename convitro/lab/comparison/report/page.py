"""The report as one HTML file: no script, nothing from elsewhere, light and dark as the reader likes it."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from pathlib import Path

from convitro.lab.comparison.report.blocks import Block, Bullets, Code, Grid, Item, Part, Picture, Words
from convitro.lab.comparison.report.svg import inline_svg
from convitro.plots import Sheet
from convitro.view.page import page_files
from convitro.view.standalone import data_url

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
STYLE = Path(__file__).with_name("page.css")
MINUS = re.compile(r"(?<![\w.)])-(?=\d)")


def page(title: str, lead: str, parts: Sequence[Part]) -> str:
    """All parts as a page.

    Args:
        title: of page and window.
        lead: the line below it.
        parts: from top to bottom.
    """
    files = page_files()
    links = "".join(
        f'<li><a href="#{part.anchor}">{text(part.title)}</a></li>' for part in parts if not part.under
    )
    body = "\n".join(map(section, families(parts)))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{text(title)}</title>
<link rel="icon" href="{data_url(files["icon.svg"])}">
<style>{by_preference(files["styles/tokens.css"].content.decode())}{STYLE.read_text(encoding="utf-8")}</style>
</head>
<body>
<header><h1>{text(title)}</h1><p class="lead">{text(lead)}</p>
<nav aria-label="Sections"><ul>{links}</ul></nav></header>
<main>
{body}
</main>
</body>
</html>
"""


def by_preference(tokens: str) -> str:
    """The explorer's colours, dark where the reader's system is: a page without script has no switch."""
    light, marker, dark = tokens.partition('[data-theme="dark"] {')
    assert marker
    return f"{light}@media screen and (prefers-color-scheme: dark) {{\n:root {{{dark}}}\n"


def families(parts: Sequence[Part]) -> list[list[Part]]:
    """Each part with those that stand under it."""
    found: list[list[Part]] = []
    for part in parts:
        if part.under and found:
            found[-1].append(part)
        else:
            found.append([part])
    return found


def section(family: Sequence[Part]) -> str:
    """A part with its heading, and those under it."""
    first, *others = family
    blocks = "\n".join(map(block_html, first.blocks))
    below = "".join(
        f'<section id="{part.anchor}"><h3>{text(part.title)}</h3>\n'
        + "\n".join(map(block_html, part.blocks))
        + "</section>\n"
        for part in others
    )
    below = f'<div class="under">\n{below}</div>' if below else ""
    return f'<section id="{first.anchor}"><h2>{text(first.title)}</h2>\n{blocks}\n{below}</section>'


def block_html(block: Block) -> str:
    """One block."""
    if isinstance(block, Words):
        lead = f"<strong>{text(block.lead)}</strong> " if block.lead else ""
        return f"<p>{lead}{text(block.text)}</p>"
    if isinstance(block, Bullets):
        return f"<ul>{''.join(f'<li>{text(sentence)}</li>' for sentence in block.sentences)}</ul>"
    if isinstance(block, Code):
        return f"<pre><code>{html.escape(block.text)}</code></pre>"
    if isinstance(block, Grid):
        return grid_html(block)
    return picture_html(block)


def grid_html(grid: Grid) -> str:
    """A table that scrolls on its own where it is wider than the page."""
    names = "".join(f'<th scope="col">{text(name)}</th>' for name in grid.columns)
    spans = "".join(
        f'<th scope="colgroup" colspan="{count}">{text(name)}</th>' for name, count in grid.groups
    )
    head = (f'<tr class="groups"><td></td>{spans}</tr>' if spans else "") + f"<tr>{names}</tr>"
    head = "" if grid.facts else f"<thead>{head}</thead>"
    kind = ' class="facts"' if grid.facts else ' class="stacked"' if grid.stacked else ""
    rows = "".join(map(row_html, grid.rows))
    caption = text(grid.caption)
    return (
        f'<div class="scrolled" tabindex="0" role="region" aria-label="{caption}">'
        f"<table{kind}><caption>{caption}</caption>{head}<tbody>{rows}</tbody></table></div>"
    )


def row_html(row: Sequence[Item]) -> str:
    """A name and its numbers."""
    first, *others = row
    numbers = "".join(map(item_html, others))
    return f'<tr><th scope="row">{breakable(first.text)}{small(first)}</th>{numbers}</tr>'


def item_html(item: Item) -> str:
    """A number, with a colour that says how far from the middle it is."""
    heat = ""
    if abs(item.heat) >= 0.02:
        side = "gain" if item.heat > 0 else "loss"
        heat = f' class="{side}" style="--heat:{min(abs(item.heat), 1):.2f}"'
    return f"<td{heat}>{text(item.text)}{small(item)}</td>"


def small(item: Item) -> str:
    """What stands after it, smaller."""
    return f" <small>{text(item.below)}</small>" if item.below else ""


def picture_html(picture: Picture) -> str:
    """Charts as vectors in the page's own colours, sheets of pixels as they are."""
    display = picture.display
    drawn = display.html() if isinstance(display, Sheet) else inline_svg(display)
    caption = f"<figcaption>{text(picture.caption)}</figcaption>" if picture.caption else ""
    return f'<figure><div class="scrolled" tabindex="0">{drawn}</div>{caption}</figure>'


def breakable(name: str) -> str:
    """A long name, which may go on in another line after a comma or bracket."""
    return re.sub(r"([,(:])", r"\1<wbr>", text(name))


def text(words: str) -> str:
    """Escaped, and with the minus that numbers have in print."""
    return html.escape(MINUS.sub("\u2212", words))
