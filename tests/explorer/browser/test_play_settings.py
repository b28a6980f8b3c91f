"""The settings and stacks of the view "Play": what the page makes of them is what the library makes."""

import re
from collections.abc import Callable

import torch
from playwright.sync_api import Page, expect
from torch import nn

from convitro import dissect
from tests.explorer.browser.playing import SOBEL, TIMES, check_pixel, expect_play, layer, picture
from tests.explorer.browser.reading import MINUS, reads

OpenPlay = Callable[..., Page]


def test_settings_do_what_the_library_does(open_play: OpenPlay) -> None:
    page = open_play()
    input = picture().mean(1, keepdim=True)
    cases: list[tuple[str, nn.Module]] = [
        ("edges*s2*p1", layer(1, [SOBEL], stride=2, padding=1)),
        ("edges*d2*psame", layer(1, [SOBEL], dilation=2, padding="same")),
        ("edges*p3*arelu", layer(1, [SOBEL], nn.ReLU(), padding=3)),
        ("half", layer(1, [SOBEL], nn.ReLU(), nn.MaxPool2d(2), stride=2)),
        ("edges*m3", layer(1, [SOBEL], nn.MaxPool2d(3))),
    ]
    for play, model in cases:
        page.evaluate("hash => (location.hash = hash)", f"view=play&play={play}*x2_1")
        with torch.no_grad():
            output = model(input)[0, 0]
        size = f" {TIMES} ".join(map(str, output.shape))
        expect(page.locator(".bench-result figcaption")).to_contain_text(size)
        check_pixel(page, model, input, (2, 1))
        last = list(model.children())[-1]
        if isinstance(last, nn.MaxPool2d):
            side = last.kernel_size
            assert isinstance(side, int)
            shown = page.locator("[data-result=pooled] .value").inner_text()
            assert reads(shown, float(output[2 // side, 1 // side]))


def test_the_settings_by_hand(open_play: OpenPlay) -> None:
    page = open_play()
    size = page.locator(".bench-result figcaption")
    page.get_by_role("radio", name="same: the result as large as the picture").click()
    expect(size).to_contain_text(f"16 {TIMES} 16")
    page.get_by_role("button", name="stride: more").click()
    expect(size).to_contain_text(f"8 {TIMES} 8")
    page.get_by_label("dilation", exact=True).fill("3")
    page.get_by_label("bias", exact=True).fill("-0.5")
    page.get_by_role("radio", name="ReLU: what is negative").click()
    page.get_by_role("radio", name="2 by 2").click()
    expect(size).to_contain_text(f"4 {TIMES} 4")
    expect(page.get_by_label("pixels a side", exact=True)).to_have_count(0)  # the open picture has its own
    page.get_by_role("radio", name="a ramp from 0 to 1").click()
    page.get_by_label("pixels a side", exact=True).fill("12")
    expect(page.locator(".bench-picture figcaption")).to_contain_text(f"12 {TIMES} 12")
    page.get_by_role("radio", name="three channels").click()
    page.get_by_role("radio", name="as a picture").click()
    expect_play(page, "edges*iramp*z12*g0*s2*psame*d3*b-0.5*arelu*m2*lgrey")
    page.get_by_label("stride", exact=True).fill("0")
    expect(page.get_by_role("alert")).to_contain_text("a whole number from 1 to 8. 2 still holds")


def test_large_kernels_are_written_out(open_play: OpenPlay) -> None:
    page = open_play("red*w3x5" + "_0.5_-1" * 7 + "_0.5*x6_7")
    page.get_by_text("The products with all their numbers").click()
    rows = [[0.5, -1.0, 0.5, -1.0, 0.5], [-1.0, 0.5, -1.0, 0.5, -1.0]]
    pixel = dissect(layer(3, [[rows[0], rows[1], rows[0]]], padding="same"), picture())["0"].pixel(0, 6, 7)
    for index, name in enumerate(("red", "green", "blue")):
        row = page.locator(f".written [data-channel={name}]")
        texts = row.locator("figure").nth(2).locator(".cell").all_inner_texts()
        for text, value in zip(texts, pixel.products[index].flatten().tolist(), strict=True):
            assert reads(text, value)
        assert reads(row.locator("b").inner_text(), float(pixel.partials[index]))


def test_a_picture_keeps_its_brightness(open_play: OpenPlay) -> None:
    page = open_play()
    for title, white in {"Blur": "1", "Sharpen": "1", "No change": "1", f"Two 3{TIMES}3": "256"}.items():
        page.get_by_role("radio", name=title).click()
        expect(page.locator(".bench-look .legend span").last).to_have_text(white)
        expect(page.locator(".bench-look .legend span").first).to_have_text("0")


def test_small_kernels_against_a_large_one(open_play: OpenPlay) -> None:
    page = open_play("two")
    expect(page.locator(".verdict")).to_contain_text("Both results are the same map. With nothing in between")
    texts = page.locator("[data-cost=parameters] td").all_inner_texts()
    costs = [sum(each.numel() for each in nn.Conv2d(64, 64, side).parameters()) for side in (3, 5)]
    assert [int(re.sub(r"\D", "", text)) for text in texts[:2]] == [2 * costs[0], costs[1]]
    expect(page.locator("[data-cost='receptive field'] td").first).to_have_text(f"5 {TIMES} 5")
    frames = page.locator(".side-map .mark[data-kind=window]")
    assert frames.count() == 3
    page.get_by_role("radio", name="three layers").click()
    expect(page.locator("[data-cost='receptive field'] td").nth(1)).to_have_text(f"7 {TIMES} 7")
    expect(page.locator(".verdict")).to_have_attribute("data-same", "true")
    page.get_by_role("radio", name="ReLU").click()
    expect(page.locator(".verdict")).to_contain_text("nothing in between is negative")
    page.get_by_label("kernel, row 0, column 0").fill("-30")
    expect(page.locator(".verdict")).to_contain_text("The results differ")
    page.get_by_label("channels of each layer", exact=True).fill("8")
    expect(page.locator(".costs")).to_contain_text("3 · (8 · 8 · 3 · 3 + 8) against 8 · 8 · 7 · 7 + 8")
    page.get_by_role("radio", name="3 by 3 pixels of 1, 100").click()
    expect(page.locator(".no-result")).to_contain_text(f"the picture has 3 {TIMES} 3")


def test_a_kernel_that_finds_no_place(open_play: OpenPlay) -> None:
    page = open_play("hundreds*d8")
    expect(page.locator(".no-result")).to_contain_text(f"It reaches over 9 {TIMES} 9 pixels")
    expect(page.locator("[data-figure=size]")).to_contain_text(f"+ 1 = {MINUS}5")
    page.get_by_role("radio", name="same: the result as large").click()
    expect(page.locator(".no-result")).to_have_count(0)
    page.get_by_role("radio", name="none, as the word valid").click()
    page.get_by_label("dilation", exact=True).fill("1")
    page.get_by_role("radio", name="3 by 3", exact=True).click()
    expect(page.locator(".no-result")).to_contain_text("Nothing is left to pool")


def test_a_stride_that_does_not_fit_says_what_is_not_read(open_play: OpenPlay) -> None:
    page = open_play("edges*idot*z8*s2")
    size = page.locator("[data-figure=size]")
    expect(size).to_contain_text("The kernel never gets to the last row and column.")
    page.get_by_role("button", name="pixels a side: more").click()
    expect(size).not_to_contain_text("never")
    page.get_by_label("stride", exact=True).fill("5")
    expect(size).to_contain_text("never gets to the last row and column.")


def test_a_grey_picture_has_one_channel(open_play: OpenPlay) -> None:
    page = open_play("red", name="digits")
    expect(page.locator(".settings")).to_contain_text("one: the picture is grey")
    assert page.locator(".channel-row").count() == 1
    page.locator(".weight").fill("3")
    expect(page.locator(".channel-row [data-column=kernel] .cell")).to_have_text("3")
