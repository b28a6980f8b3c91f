"""The report: one page that asks nobody for anything, the same as Markdown, whatever is missing."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from convitro.errors import ExperimentError
from convitro.lab.comparison.report import PAGE, TEXT, write_report
from convitro.lab.comparison.report.blocks import NOTHING, Code, Grid, Item, Part, Picture, Words
from convitro.lab.comparison.report.curves import CurvePanels, curves, median
from convitro.lab.comparison.report.inside import orders_apart, share_above, short
from convitro.lab.comparison.report.markdown import markdown
from convitro.lab.comparison.report.page import breakable, by_preference, page, text
from convitro.lab.comparison.report.sections import command, report_parts
from convitro.lab.comparison.report.svg import inline_svg
from convitro.lab.comparison.result import Comparison
from tests.lab.comparison.synthetic import results

pytest.importorskip("matplotlib")

ARMS = ("sum", "max", "min", "kervolution(gamma=0.1,kernel=gaussian)")
VOID = {"meta", "link", "img", "wbr", "br"}


class Balance(HTMLParser):
    """Fails where an element is closed that is not open; gathers ids, tags and addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        found = dict(attrs)
        self.ids += [found["id"] or ""] if "id" in found else []
        self.addresses += [found[name] or "" for name in ("src", "href", "xlink:href") if name in found]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(document: str) -> Balance:
    found = Balance()
    found.feed(document)
    found.close()
    assert found.open == []
    return found


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    return results(ARMS, seeds=range(3), epochs=4)


@pytest.fixture(scope="module")
def written(content: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    html, text = write_report(Comparison.from_dict(content), tmp_path_factory.mktemp("report") / "new")
    assert (html.name, text.name) == (PAGE, TEXT)
    return html.read_text(encoding="utf-8"), text.read_text(encoding="utf-8")


def test_a_page_that_asks_nobody_for_anything(written: tuple[str, str]) -> None:
    found = parsed(written[0])
    assert "Content-Security-Policy" in written[0]
    assert "script" not in found.tags
    assert [one for one in found.addresses if not one.startswith(("#", "data:"))] == []
    assert "@import" not in written[0]
    assert len(written[0]) < 10**6


def test_every_link_leads_somewhere(written: tuple[str, str]) -> None:
    found = parsed(written[0])
    inside = {address[1:] for address in found.addresses if address.startswith("#") and len(address) > 1}
    headings = [name for name in found.ids if not re.fullmatch("[mpC][0-9a-f_]{9,}.*", name)]
    assert inside <= set(found.ids)
    assert len(headings) == len(set(headings))


def test_both_say_the_same(content: dict[str, Any], written: tuple[str, str]) -> None:
    comparison = Comparison.from_dict(content)
    for statement in comparison.conclusions:
        for sentence in statement.sentences:
            assert text(sentence) in written[0]
            assert sentence in written[1].replace("\\", "")
    for name in (
        "What was asked",
        "Overview",
        "Robustness",
        "Cancellation",
        "Time and memory",
        "Do it again",
    ):
        assert f">{name}</h" in written[0]
        assert f"# {name}" in written[1]
    assert "Null test passed." in written[0]
    assert written[0].count('<svg class="chart"') == 6
    assert "min with seed 0 (never better than chance" in written[1]
    assert "1 failed" in written[0]


def test_the_same_results_give_the_same_bytes(content: dict[str, Any], tmp_path: Path) -> None:
    comparison = Comparison.from_dict(content)
    first = [file.read_bytes() for file in write_report(comparison, tmp_path)]
    assert [file.read_bytes() for file in write_report(comparison, tmp_path)] == first
    assert sorted(file.name for file in tmp_path.iterdir()) == [PAGE, TEXT]


def test_markdown_tables_have_as_many_columns_in_every_row(written: tuple[str, str]) -> None:
    tables = re.findall(r"(?:^\|.*\|\n)+", written[1], flags=re.MULTILINE)
    assert len(tables) > 10
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"cells": [], "chosen": [], "search": [], "null_test": None},
        {"null_test": {"passed": None, "layers": [], "steps": 0, "text": "No layer reads so many."}},
        {"environment": {}},
    ],
)
def test_whatever_is_missing(content: dict[str, Any], change: dict[str, Any], tmp_path: Path) -> None:
    html, _ = write_report(Comparison.from_dict(content | change), tmp_path)
    parsed(html.read_text(encoding="utf-8"))


def test_trainings_without_measures(content: dict[str, Any], tmp_path: Path) -> None:
    """As those that diverged leave them."""
    bare: dict[str, Any] = {"measures": {}, "random_measures": {}, "filters": None, "step_ms_median": None}
    cells = [
        cell | (bare | {"test_accuracy": None} if cell["arm"] == "max" else {}) for cell in content["cells"]
    ]
    html, text = write_report(Comparison.from_dict(content | {"cells": cells}), tmp_path)
    parsed(html.read_text(encoding="utf-8"))
    assert "max" in text.read_text(encoding="utf-8")


def test_an_unfinished_comparison_says_so(content: dict[str, Any], tmp_path: Path) -> None:
    cells = [cell for cell in content["cells"] if (cell["arm"], cell["seed"]) != ("max", 2)]
    html, _ = write_report(Comparison.from_dict(content | {"cells": cells}), tmp_path)
    page = html.read_text(encoding="utf-8")
    assert "still missing" in page
    assert "2 of 3 seeds" in page


def test_names_cannot_break_the_page(content: dict[str, Any], tmp_path: Path) -> None:
    design = content["design"] | {"data": '<img src=x onerror="1">|`*'}
    html, text = write_report(Comparison.from_dict(content | {"design": design}), tmp_path)
    assert "onerror" not in parsed(html.read_text(encoding="utf-8")).tags
    assert "<img src=x" not in html.read_text(encoding="utf-8")
    assert "\\<img src=x" in text.read_text(encoding="utf-8")


def test_a_folder_that_cannot_be_written(content: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExperimentError, match="could not be written"):
        write_report(Comparison.from_dict(content), tmp_path / "file")


def test_a_rate_says_where_none_trained(content: dict[str, Any], tmp_path: Path) -> None:
    chosen = [one | {"trains": one["arm"] != "max"} for one in content["chosen"]]
    _, text = write_report(Comparison.from_dict(content | {"chosen": chosen}), tmp_path)
    rows = [line for line in text.read_text(encoding="utf-8").splitlines() if "none trained" in line]
    assert len(rows) == 3  # one for each regime
    assert all(row.startswith("| max |") for row in rows)


def test_the_command_names_the_pictures_that_were_taken(content: dict[str, Any]) -> None:
    design = content["design"] | {"data": "mnist", "images": 2000, "brought_to": [1, 16, 16]}
    found = command(Comparison.from_dict(content | {"design": design}))
    assert "--data mnist --images 2000 --input 1x16x16 --aggregations" in found


def test_the_command_names_what_is_not_usual(content: dict[str, Any]) -> None:
    assert command(Comparison.from_dict(content)) == (
        "convitro compare --data digits --aggregations 'sum,max,min,kervolution(gamma=0.1,kernel=gaussian)' "
        "--regimes drop-in,calibrated,batchnorm --rates 0.005,0.016,0.05,0.16,0.5 --extensions 3 "
        "--search-seeds 1 --seeds 3 --epochs 4 -o results/"
    )


def test_charts_wear_the_colours_of_the_page(content: dict[str, Any]) -> None:
    drawing = inline_svg(Comparison.from_dict(content).forest("batchnorm"))
    assert drawing.startswith('<svg class="chart" viewBox=')
    assert "var(--loss)" in drawing
    assert "var(--ink)" in drawing
    assert ">max</text>" in drawing  # letters, not outlines
    assert "DejaVu" not in drawing
    assert "<style" not in drawing


def test_dark_is_the_reader_s_choice() -> None:
    styles = by_preference(':root { --ink: black; }\n[data-theme="dark"] {\n --ink: white;\n}\n')
    assert "@media screen and (prefers-color-scheme: dark) {\n:root {\n --ink: white;\n}\n}" in styles


def test_minus_signs_and_breaks() -> None:
    assert text("-3.1 and a-1, e-05, <") == "\u22123.1 and a-1, e-05, &lt;"
    assert breakable("f(a=1,b=2)") == "f(<wbr>a=1,<wbr>b=2)"


def test_blocks_as_page_and_markdown() -> None:
    grid = Grid("Two", ("arm", "a", "b"), ((Item("x"), Item("1", "2", -0.5), Item("3")),), (("both", 2),))
    parts = [
        Part("One: two", (Words("Text.", "Lead."), grid, Code("a < b"))),
        Part("Three", (Picture(CurvePanels("loss", {"sum": np.ones((2, 3))}, "sum")),), under=True),
    ]
    html = page("T", "L", parts)
    parsed(html)
    assert '<section id="one-two"><h2>One: two</h2>' in html
    assert "<strong>Lead.</strong> Text." in html
    assert '<td class="loss" style="--heat:0.50">1 <small>2</small></td>' in html
    assert '<th scope="colgroup" colspan="2">both</th>' in html
    assert "<code>a &lt; b</code>" in html
    words = markdown("T", "L", parts)
    assert "| arm | both a | both b |" in words
    assert "| x | 1 (2) | 3 |" in words
    assert "*loss: sum ends at 1.*" in words


def test_curves_of_different_lengths() -> None:
    lines = curves([[3.0, 2.0, 1.0], [5.0, None], [4.0]])
    torch.testing.assert_close(torch.from_numpy(median(lines)), torch.tensor([4.0, 2.0, 1.0]).double())
    assert np.isnan(median(curves([[None], [None]]))).all()
    assert curves([]).shape == (0, 0)


def test_one_part_for_each_question(content: dict[str, Any]) -> None:
    titles = [part.title for part in report_parts(Comparison.from_dict(content)) if not part.under]
    assert titles == [
        "What was asked",
        "In short",
        "Overview",
        "Test accuracy",
        "Scale or aggregation",
        "Inside the networks",
        "Robustness",
        "Time and memory",
        "Do it again",
    ]


def test_colours_beside_the_reference() -> None:
    assert orders_apart(0.1, 1.0) == pytest.approx(-0.5)
    assert (orders_apart(0.0, 1.0), orders_apart(1.0, 0.0), orders_apart(0.0, 0.0)) == (-1.0, 1.0, 0.0)
    assert share_above(0.5, 0.1) < 0 < share_above(0.1, 0.5)
    assert [short(value) for value in (None, 0.0, 0.5, 0.00012, 16393.2)] == [
        NOTHING.text,
        "0",
        "0.50",
        "0.00012",
        "1.6e+04",
    ]
