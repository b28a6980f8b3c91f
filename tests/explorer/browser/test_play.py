"""The view "Play": a kernel changed by hand, and every number that it shows against the library's."""

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

from convitro.pictures import load_picture, to_input
from convitro.report import full_report
from tests.explorer.browser.playing import SOBEL, TIMES, cells, check_pixel, expect_play, layer, picture
from tests.explorer.browser.reading import MINUS, mark_box, point_at
from tests.explorer.networks import small

OpenPlay = Callable[..., Page]
TITLES = {
    "edges": "Edges",
    "outlines": "Outlines",
    "blur": "Blur",
    "sharpen": "Sharpen",
    "same": "No change",
    "half": "Half the size",
    "wide": "Wide view",
    "red": "Redness",
    "hundreds": "40404",
    "shift": "Even kernel",
    "two": f"Two 3{TIMES}3, one 5{TIMES}5",
    "three": f"Three 3{TIMES}3, one 7{TIMES}7",
}


def test_it_opens_with_edges(open_play: OpenPlay) -> None:
    page = open_play()
    expect(page.get_by_role("radio", name="Edges")).to_be_checked()
    assert [text.replace(MINUS, "-") for text in cells(page)] == [
        f"{value:g}" for row in SOBEL for value in row
    ]
    expect(page.locator(".bench-result figcaption")).to_contain_text(f"14 {TIMES} 14")
    page.locator(".bench-result .map-shape").click(position={"x": 2, "y": 2})
    check_pixel(page, layer(1, [SOBEL]), picture().mean(1, keepdim=True), (0, 0))
    expect(page.locator("[data-figure=parameters] .figure-value")).to_have_text("10")
    expect(page.locator("[data-figure=macs] .figure-value")).to_have_text(re.compile("1.764"))
    formula = "⌊(16 + 0 + 0 - 1 · (3 - 1) - 1) / 1⌋ + 1 = 14".replace("-", MINUS)
    expect(page.locator("[data-figure=size]")).to_contain_text(formula)
    expect(page.locator("[data-figure=field] .figure-value")).to_have_text(f"3 {TIMES} 3")


def test_every_preset_opens_and_has_an_address(open_play: OpenPlay) -> None:
    page = open_play()
    for id, title in TITLES.items():
        page.get_by_role("radio", name=title, exact=True).click()
        expect(page.locator(".play")).to_have_attribute("data-preset", id)
        expect(page.locator(".preset-words b")).to_have_text(f"{title}.")
        expect(page.locator(".bench-result .map-shape img")).to_be_visible()
        expect_play(page, id)
        assert page.get_by_role("button", name="Back to the preset").count() == 0
    assert page.locator(".preset").count() == len(TITLES)


def test_40404(open_play: OpenPlay) -> None:
    page = open_play("hundreds")
    assert page.locator(".bench-result .map-digits i").all_inner_texts() == ["40404"] * 4
    assert page.locator(".partial-value").all_inner_texts() == ["4", "400", "40000"]
    expect(page.locator("[data-line=aggregated]")).to_have_text("4 + 400 + 40000= 40404")
    for name, shown in {"mean": "13468", "max": "40000", "min": "4", "maxabs": "40000"}.items():
        page.get_by_role("radio", name=name, exact=True).click()
        expect(page.locator("[data-line=aggregated]")).to_contain_text(f"{name} of 4, 400, 40000= {shown}")


def test_three_channels_each_with_a_kernel(open_play: OpenPlay) -> None:
    page = open_play("red*x3_4")
    model = layer(3, [[[1.0]], [[-0.5]], [[-0.5]]])
    check_pixel(page, model, picture(), (3, 4))
    page.get_by_role("radio", name="kernel of the blue channel").click()
    page.locator(".weight").fill("2")
    check_pixel(page, layer(3, [[[1.0]], [[-0.5]], [[2.0]]]), picture(), (3, 4))
    page.get_by_role("button", name="green: change this kernel").click()
    expect(page.locator(".weight")).to_be_focused()
    page.keyboard.press("ArrowUp")
    check_pixel(page, layer(3, [[[1.0]], [[-0.4]], [[2.0]]]), picture(), (3, 4))
    page.get_by_role("radio", name="one kernel for all channels").click()
    check_pixel(page, layer(3, [[[-0.4]]]), picture(), (3, 4))


def test_numbers_are_typed_stepped_dragged_and_turned(open_play: OpenPlay) -> None:
    page = open_play()
    first = page.get_by_label("kernel, row 0, column 0")
    first.fill("1/4")
    expect_play(page, "edges*w3x3_0.25_0_1_", more=True)
    page.keyboard.press("ArrowUp")
    expect(first).to_have_value("0.35")
    page.keyboard.press("Shift+ArrowDown")
    expect(first).to_have_value(f"{MINUS}0.65")
    page.mouse.move(*middle(page, 0))
    page.mouse.wheel(0, -100)
    expect(first).to_have_value(f"{MINUS}0.55")
    page.keyboard.press("Enter")
    expect(page.get_by_label("kernel, row 1, column 0")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("kernel, row 1, column 1")).to_be_focused()
    page.get_by_role("button", name="Zero").click()
    x, y = middle(page, 4)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y - 10)
    page.mouse.move(x, y - 22)
    page.mouse.up()
    expect(page.get_by_label("kernel, row 1, column 1")).to_have_value("3")
    expect(page.locator(".preset-words")).to_contain_text("Changed by hand")
    page.get_by_role("button", name="Back to the preset").click()
    expect_play(page, "edges")


def middle(page: Page, cell: int) -> tuple[float, float]:
    box = page.locator(".weight").nth(cell).bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_what_is_no_number_changes_nothing(open_play: OpenPlay) -> None:
    page = open_play()
    first = page.get_by_label("kernel, row 0, column 0")
    for text in ("NaN", "abc", "1/0", "1e99"):
        first.fill(text)
        expect(first).to_have_attribute("aria-invalid", "true")
        expect(page.get_by_role("alert")).to_contain_text(f"“{text}” is no number: {MINUS}1 still counts")
        expect_play(page, "edges")
        first.press("Tab")
        expect(page.get_by_role("alert")).to_be_empty()
        expect(first).to_have_value(f"{MINUS}1")


def test_a_matrix_is_pasted(open_play: OpenPlay) -> None:
    page = open_play()
    paste(page, "[[1, 2], [3, 4], [5, -6]]")
    assert cells(page) == ["1", "2", "3", "4", "5", f"{MINUS}6"]
    expect_play(page, "edges*w3x2_1_2_3_4_5_-6")
    paste(page, "1 2\n3")
    expect(page.get_by_role("alert")).to_contain_text("must be equally long")
    assert page.locator(".weight").count() == 6


def paste(page: Page, text: str) -> None:
    page.locator(".weight").first.evaluate(
        """(cell, text) => {
          const data = new DataTransfer();
          data.setData("text/plain", text);
          cell.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true}));
        }""",
        text,
    )


def test_the_tools_of_the_kernel(open_play: OpenPlay) -> None:
    page = open_play("edges*w2x2_1_2_0_1")
    expected = {
        "Transpose": ["1", "0", "2", "1"],
        "Flip": ["1", "2", "0", "1"],
        "Normalise": ["0.25", "0.5", "0", "0.25"],
        "Zero": ["0"] * 4,
    }
    for tool, values in expected.items():
        page.get_by_role("button", name=tool).click()
        assert cells(page) == values, tool
    page.get_by_role("button", name="Random").click()
    assert any(text != "0" for text in cells(page))
    page.get_by_role("button", name="rows of the kernel: more").click()
    assert page.locator(".weight").count() == 6


def test_a_shared_address_and_the_back_button(open_play: OpenPlay) -> None:
    page = open_play("hundreds*w2x2_1_2_3_4__2x2_0_0_0_1__2x2_5_5_5_5*b3")
    expect(page.locator("[data-line=output]")).to_contain_text("200110 + 3 bias= 200113")
    page.get_by_role("radio", name="Blur").click()
    page.get_by_role("radio", name="Sharpen").click()
    page.go_back()
    expect(page.locator(".play")).to_have_attribute("data-preset", "blur")
    page.go_back()
    expect(page.locator("[data-line=output]")).to_contain_text("200110 + 3 bias= 200113")
    page.get_by_role("button", name="Filter", exact=True).click()
    page.go_back()
    expect(page.locator("[data-line=output]")).to_contain_text("= 200113")


def test_the_kernel_slides(open_play: OpenPlay) -> None:
    page = open_play("edges*idot")
    page.get_by_role("button", name="One place on").click()
    expect(page.locator(".slide-reached")).to_contain_text("place 1 of 49")
    for _ in range(8):
        page.keyboard.press(".")
    expect(page.locator(".sentence")).to_have_attribute("data-pixel", "1,1")
    assert mark_box(page.locator(".bench-picture .map-shape"), "window", (9, 9)) == (1, 1, 3, 3)
    digits = page.locator(".bench-result .map-digits i").all_inner_texts()
    assert [text != "" for text in digits] == [True] * 9 + [False] * 40
    page.keyboard.press(",")
    expect(page.locator(".slide-reached")).to_contain_text("place 8 of 49")
    page.get_by_label("Speed").fill("1")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="▶ Go on").click()
    expect(page.locator(".slide-reached")).to_contain_text("49 places")
    expect(page.get_by_role("button", name="▶ Slide the kernel")).to_be_visible()


def test_nothing_moves_for_those_who_asked_for_less_motion(open_play: OpenPlay) -> None:
    page = open_play("edges*idot", reduced_motion="reduce")
    expect(page.locator(".slide-bar")).to_contain_text("less motion: step by hand")
    page.keyboard.press("x")
    expect(page.locator(".slide-reached")).to_contain_text("49 places")
    page.get_by_role("button", name="One place on").click()
    expect(page.locator(".slide-reached")).to_contain_text("place 1 of 49")


def test_pointing_and_arrow_keys(open_play: OpenPlay) -> None:
    page = open_play()
    point_at(page, page.locator(".bench-result .map-shape"), 5, 6, (14, 14))
    expect(page.locator(".sentence")).to_have_attribute("data-pixel", "5,6")
    assert mark_box(page.locator(".bench-picture .map-shape"), "window", (16, 16)) == (5, 6, 3, 3)
    point_at(page, page.locator(".bench-picture .map-shape"), 4, 4, (16, 16))
    expect(page.locator(".sentence")).to_have_attribute("data-pixel", "3,3")
    page.locator(".bench-result .map-shape").click(position={"x": 2, "y": 2})
    page.mouse.move(5, 5)
    page.locator(".bench-result .map-shape").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".sentence")).to_have_attribute("data-pixel", "1,0")
    expect_play(page, "edges*x1_0")
    page.keyboard.press("Home")
    expect_play(page, "edges")


def test_nothing_is_wider_than_the_page(open_play: OpenPlay) -> None:
    page = open_play("red*w11x11" + "_0.25" * 121)
    for width in (360, 800, 1024, 2560):
        page.set_viewport_size({"width": width, "height": 900})
        for title in ("Redness", "40404", TITLES["three"], "Blur"):
            page.get_by_role("radio", name=title).click()
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (title, width)


def test_it_works_in_a_report_without_a_server(new_page: OpenPlay, tmp_path: Any) -> None:
    network = small()
    report = full_report(network, [("cat", to_input(load_picture("cat"), network.input_size))])
    report.save(tmp_path / "report.html")
    page = new_page()
    page.goto((tmp_path / "report.html").as_uri() + "#view=play&play=edges*x4_5")
    check_pixel(page, layer(1, [SOBEL]), picture().mean(1, keepdim=True), (4, 5))
    page.get_by_role("radio", name="40404").click()
    expect(page.locator("[data-line=aggregated]")).to_contain_text("= 40404")
