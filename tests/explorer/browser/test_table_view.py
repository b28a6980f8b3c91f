"""The Table view: the library's numbers, sorted by any column, taken away as CSV and JSON."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from convitro import summary
from tests.explorer.networks import resnet, small

OpenPage = Callable[..., Page]


def opened(open_page: OpenPage, name: str, **how: object) -> Page:
    page = open_page(name, **how)
    page.get_by_role("button", name="Table").click()
    expect(page.locator(".table-view tbody tr").first).to_be_visible()
    return page


def column(page: Page, key: str) -> list[str]:
    return page.locator(f".table-view td[data-column={key}]").all_inner_texts()


def test_the_numbers_are_the_librarys(open_page: OpenPage) -> None:
    page = opened(open_page, "small")
    rows = summary(small().model, (3, 16, 16), verbose=0).rows
    assert column(page, "name") == [row.name for row in rows]
    counts = [text.replace("\N{NARROW NO-BREAK SPACE}", "") for text in column(page, "macs")]
    assert counts == [str(row.macs) if row.macs else "" for row in rows]
    times = "\N{MULTIPLICATION SIGN}"
    assert column(page, "output") == [times.join(map(str, row.output_shape or ())) for row in rows]


def test_sorting_there_back_and_undone(open_page: OpenPage) -> None:
    page = opened(open_page, "resnet")
    order = column(page, "name")
    head = page.get_by_role("columnheader", name="MACs")
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "descending")
    macs = {row.name: row.macs for row in summary(resnet().model, (3, 224, 224), verbose=0).rows}
    shown = [macs[name] for name in column(page, "name") if macs[name]]
    assert shown == sorted(shown, reverse=True)
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "none")
    assert column(page, "name") == order


def test_a_layer_opens_from_its_row(open_page: OpenPage) -> None:
    page = opened(open_page, "small")
    page.locator(".table-view td").get_by_role("button", name="3", exact=True).click()
    expect(page.locator("#layer-name")).to_contain_text("layer 3")


def test_taking_it_away(open_page: OpenPage, tmp_path: Path) -> None:
    page = opened(open_page, "small")
    for name in ("CSV", "JSON"):
        with page.expect_download() as kept:
            page.get_by_role("button", name=f"Save as {name}").click()
        kept.value.save_as(tmp_path / f"table.{name.lower()}")
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))
    expected = summary(small().model, (3, 16, 16), verbose=0)
    assert [line[0] for line in lines[1:]] == [row.name for row in expected.rows]
    assert json.loads((tmp_path / "table.json").read_text()) == expected.to_dict()


def test_on_a_narrow_screen_only_the_table_scrolls(open_page: OpenPage) -> None:
    page = opened(open_page, "resnet", width=360)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
