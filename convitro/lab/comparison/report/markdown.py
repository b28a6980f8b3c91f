"""The report as Markdown: the same words and tables, pictures as sentences."""

from __future__ import annotations

from collections.abc import Sequence

from convitro.lab.comparison.report.blocks import Block, Bullets, Code, Grid, Item, Part, Words


def markdown(title: str, lead: str, parts: Sequence[Part]) -> str:
    """All parts as one text."""
    lines = [f"# {plain(title)}", "", plain(lead), ""]
    for part in parts:
        lines += [f"{'###' if part.under else '##'} {plain(part.title)}", ""]
        for block in part.blocks:
            lines += [block_text(block), ""]
    return "\n".join(lines).rstrip() + "\n"


def block_text(block: Block) -> str:
    """One block."""
    if isinstance(block, Words):
        return (f"**{plain(block.lead)}** " if block.lead else "") + plain(block.text)
    if isinstance(block, Bullets):
        return "\n".join(f"- {plain(sentence)}" for sentence in block.sentences)
    if isinstance(block, Code):
        return f"```\n{block.text}\n```"
    if isinstance(block, Grid):
        return grid_text(block)
    return f"*{plain(block.display.alt)}*"


def grid_text(grid: Grid) -> str:
    """A table; numbers to the right."""
    above = [""] + [name for name, count in grid.groups for _ in range(count)]
    above += [""] * (len(grid.columns) - len(above))
    names = [f"{group} {name}".strip() for group, name in zip(above, grid.columns, strict=True)]
    head = "| " + " | ".join(map(plain, names)) + " |"
    rule = "|---|" + ("---|" if grid.facts else "--:|") * (len(grid.columns) - 1)
    rows = ["| " + " | ".join(map(item_text, row)) + " |" for row in grid.rows]
    return "\n".join([f"{plain(grid.caption)}:", "", head, rule, *rows])


def item_text(item: Item) -> str:
    """A number, and in brackets what stands below it."""
    return plain(f"{item.text} ({item.below})" if item.below else item.text)


def plain(text: str) -> str:
    """Without anything that Markdown would take for its own."""
    for sign in "\\`*_<>[]|":
        text = text.replace(sign, f"\\{sign}")
    return text
