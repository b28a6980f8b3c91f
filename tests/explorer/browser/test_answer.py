"""How the answer comes about, on the page: its numbers are the library's, and every part leads somewhere."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from convitro import dissect
from convitro.anatomy import Answer, answer
from convitro.pictures import load_picture, to_input
from convitro.report import full_report
from tests.explorer.browser.conftest import settled
from tests.explorer.browser.reading import reads
from tests.explorer.networks import digits, embedded, input_of, small

OpenPage = Callable[..., Page]
MINUS = "\u2212"


@pytest.fixture(scope="module")
def found() -> Answer:
    network = embedded()
    return answer(network.model, input_of(network), classes=network.classes)


def dialog(page: Page) -> Locator:
    box = page.get_by_role("dialog", name="How the answer comes about")
    expect(box.locator(".answer-classes tbody tr").first).to_be_visible()
    return box


def number(text: str) -> str:
    """A term "+ 1.2" or a result "= 1.2" as a number alone."""
    return text.removeprefix("= ").removeprefix("+ ").replace(f"{MINUS} ", MINUS)


def test_every_number_is_the_library_s(open_page: OpenPage, found: Answer) -> None:
    page = open_page("embedded")
    page.get_by_role("button", name="How the answer comes about").click()
    box, best = dialog(page), found.order[0]
    assert found.scores is not None
    assert found.powers is not None
    for index in found.order:
        score, power, _ = box.locator(f"tr[data-class='{index}'] td").all_inner_texts()
        assert reads(score, float(found.scores[index]))
        assert reads(power, float(found.powers[index]))
    assert reads(number(box.locator(".answer-total b").inner_text()), float(found.scores[best]))
    strongest = found.contributions(best).argsort(descending=True)[:5].tolist()
    first = box.get_by_role("list", name="Most for it", exact=True)
    expect(first.locator(".answer-part-name")).to_have_text([f"map {at}" for at in strongest])
    for at, text in zip(strongest, first.locator(".answer-part-value").all_inner_texts(), strict=True):
        assert reads(number(text), float(found.contributions(best)[at]))
    expect(page).to_have_url(re.compile(f"answer={best}"))


def test_the_sum_of_the_class_under_the_pointer(open_page: OpenPage, found: Answer) -> None:
    page = open_page("embedded", answer=found.order[0])
    box, other = dialog(page), found.order[3]
    box.locator(f"tr[data-class='{other}']").hover()
    expect(box.locator(f".answer-sum[data-class='{other}']")).to_contain_text(f"share of {found.name(other)}")
    box.get_by_role("button", name=found.name(other), exact=True).click()
    expect(box.get_by_role("heading", name=f"Why {found.name(other)}?")).to_be_visible()
    expect(page).to_have_url(re.compile(f"answer={other}$|answer={other}&"))


def test_why_this_class_and_not_that_one(open_page: OpenPage, found: Answer) -> None:
    page = open_page("embedded", answer="3")
    box = dialog(page)
    box.get_by_label("and not").select_option("5")
    assert found.scores is not None
    expect(box.locator(".answer-total")).to_contain_text(f"cat {MINUS} dog")
    total = number(box.locator(".answer-total b").inner_text())
    assert reads(total, float(found.scores[3] - found.scores[5]))
    expect(page).to_have_url(re.compile(r"answer=3%2C5"))
    difference = found.contributions(3) - found.contributions(5)
    expect(box.locator(".answer-part-name").first).to_have_text(f"map {int(difference.argmax())}")


def test_a_map_leads_to_its_filter(open_page: OpenPage) -> None:
    page = open_page("embedded", answer="3")
    part = dialog(page).locator("button.answer-part").first
    filter = part.locator(".answer-part-name").inner_text().removeprefix("map ")
    part.click()
    expect(page.locator("dialog")).to_have_count(0)
    expect(page.locator(".chain")).to_have_attribute("data-filter", f"conv3_2:{filter}")
    assert "answer" not in page.url.partition("#")[2]


def test_by_key_by_class_and_back(open_page: OpenPage) -> None:
    page = open_page("small", layer="0", filter=1)
    page.keyboard.press("y")
    dialog(page)
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    second = page.locator(".prediction li").nth(1)
    second.click()
    name = second.locator(".class-name").inner_text()
    expect(dialog(page).get_by_role("heading", name=f"Why {name}?")).to_be_visible()
    page.go_back()
    expect(page.locator("dialog")).to_have_count(0)


def test_a_class_of_no_place_among_the_best_is_fetched(open_page: OpenPage) -> None:
    page = open_page("resnet", view="network", answer="0")
    box = dialog(page)
    expect(box.locator(".answer-total")).to_contain_text("score of class 0")
    box.get_by_role("button", name="All 1000 classes").click()
    expect(box.locator("tbody tr")).to_have_count(1000)


@pytest.mark.parametrize("asked", ["99", "3,99"])
def test_a_class_that_there_is_not(open_page: OpenPage, asked: str) -> None:
    page = open_page("small", layer="0", filter=1, answer=asked)
    expect(page.locator("dialog")).to_have_count(0)
    expect(page.locator(".banner")).to_have_count(0)


def test_nothing_to_ask_where_there_are_no_scores(open_page: OpenPage) -> None:
    page = open_page("odd", answer="0")
    expect(page.locator(".prediction")).to_contain_text("no scores for classes")
    expect(page.get_by_role("button", name="How the answer comes about")).to_have_count(0)
    expect(page.locator("dialog")).to_have_count(0)


def test_on_a_narrow_page_nothing_sticks_out(open_page: OpenPage) -> None:
    page = open_page("embedded", width=360, answer="3,5")
    box = dialog(page)
    expect(box.locator(".answer-total")).to_be_visible()
    assert box.evaluate("box => box.scrollWidth <= box.clientWidth")


def test_in_a_report(new_page: OpenPage, tmp_path: Path) -> None:
    network = small()
    path = full_report(network, [("cat", to_input(load_picture("cat"), network.input_size))]).save(
        tmp_path / "report.html"
    )
    page = new_page()
    page.goto(path.as_uri() + "#layer=0&filter=1")
    settled(page)
    page.keyboard.press("y")
    expect(dialog(page).locator(".answer-total")).to_be_visible()


def test_the_stages_of_a_pixel_are_written_out(open_page: OpenPage) -> None:
    page = open_page("small", layer="0", filter=1, pixel="3,4")
    expect(page.locator("[data-line=activated]")).to_contain_text(re.compile(r"relu\(.*\) = max\(0, .*\)"))
    expect(page.locator("[data-line=window]")).to_contain_text("max(")
    expect(page.locator("[data-line=pooled]")).to_contain_text("the switch is ")
    network = small()

    layer = dissect(network.model, to_input(load_picture("cat"), network.input_size))["0"]
    assert layer.pooled is not None
    window = page.locator("[data-line=window]")
    assert reads(number(window.locator("b").inner_text()), float(layer.pooled[0, 1, 1, 2]))
    texts = re.search(r"max\((.*)\)", window.locator("span").inner_text())
    assert texts is not None
    values = layer.activated[0, 1, 2:4, 4:6].flatten().tolist()
    assert all(reads(text, value) for text, value in zip(texts[1].split(", "), values, strict=True))


def test_pooled_before_it_is_activated(open_page: OpenPage) -> None:
    page = open_page("digits", layer="conv1", filter=2, pixel="5,6")

    network = digits()
    layer = dissect(network.model, to_input(load_picture("cat"), network.input_size))["conv1"]
    assert layer.pooled is not None
    window = page.locator("[data-line=window]")
    expect(window).to_contain_text("relu of max(")
    assert reads(number(window.locator("b").inner_text()), float(layer.pooled[0, 2, 2, 3]))


def test_batch_norm_with_its_four_numbers(open_page: OpenPage) -> None:
    page = open_page("resnet", layer="0", filter=3, pixel="50,60")
    line = page.locator("[data-line=normalization]")
    expect(line).to_contain_text(
        re.compile(rf"BatchNorm: \(.* {MINUS} .*\) / √\(1 \+ 1.00e{MINUS}5\) \u00d7 1 \+ 0")
    )
    expect(page.locator("[data-line=activated]")).to_contain_text("max(0, ")
