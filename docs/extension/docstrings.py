"""Our docstrings as reStructuredText: they are plain text with `code` between backticks, and sections.

"Shape: (N, C) -> (N,)" is a field like parameters and errors; stars and bars are themselves.
"""

from __future__ import annotations

import re
import sys
from typing import Any

from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer

SECTIONS = ("Shape", "Source", "Accuracy", "Units")
FIELD = re.compile(rf"^(?={'|'.join(SECTIONS)})(\w+):(?= |$)")
CODE = re.compile(r"(`+)(.+?)\1")
MARKS = re.compile(r"([*|\\]|(?<=\w)_(?=\W|$))")


def as_restructured_text(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Change the lines of one docstring; runs before napoleon reads them."""
    if what == "data":
        lines[:] = said_of(name.rpartition(".")[2])
    lines[:] = [*plain_text(sections(lines))]


def sections(lines: list[str]) -> list[str]:
    """Sections of our own as fields."""
    return [FIELD.sub(r":\1:", line) for line in lines]


def plain_text(lines: list[str]) -> list[str]:
    """Code between single backticks as literals, signs as themselves; examples are left alone."""
    changed, verbatim = [], False
    for line in lines:
        start = line.lstrip()
        verbatim = start.startswith(">>>") or (verbatim and bool(start))
        changed.append(line if verbatim else escaped(line))
    return changed


def escaped(line: str) -> str:
    """One line of text: "`x` * |y|" -> "``x`` \\* \\|y\\|"."""
    parts, end = [], 0
    for code in CODE.finditer(line):
        parts += [MARKS.sub(r"\\\1", line[end : code.start()]), f"``{code[2]}``"]
        if line[code.end() : code.end() + 1].isalnum():
            parts.append("\\ ")  # a literal ends before a space or a full stop
        end = code.end()
    return "".join([*parts, MARKS.sub(r"\\\1", line[end:])])


def said_of(name: str) -> list[str]:
    """The docstring below a constant, wherever it is defined."""
    for module in sorted(one for one in sys.modules if one.startswith("convitro")):
        if name in vars(sys.modules[module]):
            found = ModuleAnalyzer.for_module(module).find_attr_docs().get(("", name))
            if found:
                return list(found)
    return []


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", as_restructured_text, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
