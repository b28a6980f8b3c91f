"""The documentation tells the truth: its code runs, its links lead somewhere, the changelog is up to date."""

from __future__ import annotations

import doctest
import re
from importlib.metadata import version
from pathlib import Path

import pytest

from convitro.aggregation import registry

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
CODE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)|src(?:set)?=\"([^\"]+)\"")


def title(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_code_on_the_page_runs(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for known in ("_named", "_by_spec"):  # what a page registers stays there
        monkeypatch.setattr(registry, known, dict(getattr(registry, known)))
    text, names = page.read_text("utf-8"), {"__name__": "__main__"}  # one page is one session
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner(verbose=False)
    report: list[str] = []
    for block in CODE.finditer(text):
        line = text.count("\n", 0, block.start(1))
        example = parser.get_doctest(block[1], names, title(page), str(page), line)
        names = example.globs
        runner.run(example, out=report.append, clear_globs=False)
    assert report == [], "".join(report)


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_links_lead_somewhere(page: Path) -> None:
    targets = [first or second for first, second in LINK.findall(page.read_text("utf-8"))]
    own = [target.partition("#")[0] for target in targets if not target.startswith(("https://", "#"))]
    assert [target for target in own if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("folder", ["docs", "docs/design"])
def test_every_page_is_in_its_index(folder: str) -> None:
    pages = {page.name for page in (ROOT / folder).glob("*.md")} - {"README.md"}
    index = (ROOT / folder / "README.md").read_text("utf-8")
    assert [page for page in sorted(pages) if f"({page})" not in index] == []


def test_the_newest_entry_of_the_changelog_is_this_version() -> None:
    newest = re.search(
        r"^## \[(.+?)\] - (\d{4}-\d\d-\d\d|unreleased)$", (ROOT / "CHANGELOG.md").read_text(), re.M
    )
    assert newest is not None
    assert newest[1] == version("convitro")


def test_contributing_is_short() -> None:
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) <= 60
