"""The reference is made of names: `reference.md` lists them by task, and every group becomes a page.

A name is known by where users import it from (`convitro.dissect`), not by the file that it lies in; whatever
mentions it, in code on a page, in a docstring or in a signature, links to its entry.
"""

from __future__ import annotations

import inspect
import re
from functools import cache
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode

from .docstrings import escaped, said_of

REFERENCE = Path(__file__).parents[1] / "reference.md"
GROUP = re.compile(r"^## (?P<title>.+?)\n(?P<text>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
NAMES = re.compile(r"^```\{names\}\n(.*?)^```", re.MULTILINE | re.DOTALL)
CALL = re.compile(r"[\w.]+")
OWN = "convitro"


@cache
def groups() -> dict[str, tuple[str, ...]]:
    """The names of each group, by its title."""
    text = REFERENCE.read_text("utf-8")
    found = {group["title"]: " ".join(NAMES.findall(group["text"])).split() for group in GROUP.finditer(text)}
    return {title: tuple(names) for title, names in found.items() if names}


@cache
def listed() -> tuple[str, ...]:
    """All names of the reference."""
    return tuple(name for names in groups().values() for name in names)


def found(name: str) -> Any:
    """The object that a name stands for."""
    module, _, last = name.rpartition(".")
    return getattr(import_module(module), last)


@cache
def places() -> dict[str, str]:
    """Listed names by where their objects are defined, and by their last word alone."""
    objects = {name: found(name) for name in listed()}
    defined = {
        f"{one.__module__}.{one.__qualname__}": name
        for name, one in objects.items()
        if hasattr(one, "__qualname__")
    }
    last = [name.rpartition(".")[2] for name in listed()]
    short = {word: name for word, name in zip(last, listed(), strict=True) if last.count(word) == 1}
    return {**short, **defined, **{name: name for name in listed()}}


def resolved(target: str) -> str | None:
    """The entry that a mention means: a listed name, or an attribute of one."""
    known = places()
    if target in known:
        return known[target]
    owner, _, attribute = target.rpartition(".")
    if owner in known and hasattr(found(known[owner]), attribute):
        return f"{known[owner]}.{attribute}"
    return None


def kind(name: str) -> str:
    """Which directive of autodoc documents a name."""
    one = found(name)
    if inspect.isclass(one):
        return "autoexception" if issubclass(one, BaseException) else "autoclass"
    return "autofunction" if callable(one) else "autodata"


def slug(title: str) -> str:
    """The title of a group as the name of its page."""
    return re.sub(r"\W+", "-", title.lower()).strip("-")


def write_pages(app: Sphinx) -> None:
    """One page for each group; a page that is up to date is not touched."""
    folder = Path(app.srcdir) / "reference"
    folder.mkdir(exist_ok=True)
    pages = {folder / f"{slug(title)}.rst": page(title, names) for title, names in groups().items()}
    for file, text in pages.items():
        if not file.exists() or file.read_text("utf-8") != text:
            file.write_text(text, "utf-8")
    for file in set(folder.glob("*.rst")) - set(pages):
        file.unlink()


def hang_below(app: Sphinx, name: str, source: list[str]) -> None:
    """Put the pages that a page leads to below it in the tree; on a code host nobody needs that."""
    below = {"reference": [f"reference/{slug(title)}" for title in groups()], "design/README": ["*"]}
    if name in below:
        source[0] += "\n".join(["", "```{toctree}", ":hidden:", ":glob:", "", *below[name], "```", ""])


def page(title: str, names: tuple[str, ...]) -> str:
    """The page of one group, as reStructuredText."""
    lines = [title, "=" * len(title), ""]
    for name in names:
        directive = kind(name)
        options = ["   :show-inheritance:"] if directive == "autoexception" else []
        lines += [f".. {directive}:: {name}", *options, ""]
    return "\n".join(lines)


def sentence(name: str) -> str:
    """The first sentence of a docstring, as reStructuredText and Markdown both read it."""
    lines = said_of(name) if kind(name) == "autodata" else (inspect.getdoc(found(name)) or "").splitlines()
    first = escaped(" ".join(takewhile(str.strip, lines)))
    return first.split(". ")[0].rstrip(".") + "."


class Names(SphinxDirective):
    """A table of names with the first sentence of each docstring."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        body = nodes.tbody()
        for name in " ".join(self.content).split():
            link = addnodes.pending_xref("", refdomain="py", reftype="obj", reftarget=name, refexplicit=True)
            link += nodes.literal("", name)
            words, messages = self.parse_inline(sentence(name))
            cells = nodes.paragraph("", "", link), nodes.paragraph("", "", *words, *messages)
            body += nodes.row("", *(nodes.entry("", cell) for cell in cells))
        widths = [nodes.colspec(colwidth=width) for width in (36, 64)]
        return [nodes.table("", nodes.tgroup("", *widths, body, cols=2), classes=["names"])]


class LinkedNames(SphinxPostTransform):
    """`convitro.dissect` in a text becomes a link to its entry."""

    default_priority = 5

    def run(self, **kwargs: Any) -> None:
        for literal in list(self.document.findall(nodes.literal)):
            mention = CALL.match(literal.astext())
            if mention is None or isinstance(literal.parent, nodes.reference | addnodes.pending_xref):
                continue
            inside = self.env.docname.startswith("reference/")
            if not (inside or mention[0].startswith(f"{OWN}.")):
                continue  # on a page a bare word is a word
            if inside and mention[0] in parameters_around(literal):
                continue
            target = resolved(mention[0])
            if target is not None and mention.end() in (len(literal.astext()), literal.astext().find("(")):
                link = addnodes.pending_xref(
                    "", refdomain="py", reftype="obj", reftarget=target, refexplicit=True, refwarn=False
                )
                literal.replace_self(link)
                link += literal


def parameters_around(node: nodes.Node) -> set[str]:
    """The parameters of the entry that a text belongs to: there a word means these."""
    while node is not None and not isinstance(node, addnodes.desc):
        node = node.parent
    if node is None:
        return set()
    return {one.astext().partition(":")[0].strip("* ") for one in node[0].findall(addnodes.desc_parameter)}


def resolve(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, content: nodes.TextElement
) -> nodes.Node | None:
    """What Sphinx does not find under the name that a signature or a docstring uses.

    Names of other projects stay words, and so do our own that are no part of the reference; one that is
    nowhere is left to be a warning.
    """
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"]
    entry = resolved(target)
    known = env.domains.python_domain.objects.get(entry or "")
    if known is not None:
        return make_refnode(app.builder, node["refdoc"], known.docname, known.node_id, content, entry)
    return content if not target.startswith(f"{OWN}.") or exists(target) else None


def exists(target: str) -> bool:
    """Whether there is such an object, or such a module."""
    module, _, attribute = target.rpartition(".")
    try:
        return hasattr(import_module(module), attribute) or bool(import_module(target))
    except ImportError:
        return False


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", write_pages)
    app.connect("source-read", hang_below)
    app.connect("missing-reference", resolve)
    app.add_directive("names", Names)
    app.add_post_transform(LinkedNames)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
