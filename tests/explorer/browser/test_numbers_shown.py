"""The numbers on the page equal the library's, to the digit shown."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from convitro.anatomy import Anatomy, LayerAnatomy
from tests.explorer.browser.checking import check_cells, check_pixel, result
from tests.explorer.browser.reading import mark_box, point_at, reads
from tests.explorer.networks import small

OpenPage = Callable[..., Page]

# network, layer, filter, pixel: corners in the padding, strides, dilation, groups, normalisation, pooling
PIXELS = [
    ("small", "0", 2, (0, 0)),
    ("small", "0", 4, (7, 12)),
    ("small", "3", 1, (5, 0)),
    ("digits", "conv1", 3, (11, 20)),
    ("digits", "conv2", 0, (7, 7)),
    ("odd", "2", 5, (0, 63)),
    ("odd", "5", 1, (3, 9)),
    ("odd", "7", 6, (0, 0)),
    ("odd", "9", 11, (2, 3)),
    ("odd", "10", 7, (1, 1)),
    ("resnet", "0", 9, (111, 0)),
    ("resnet", "5.conv2", 17, (30, 30)),
    ("resnet", "6.shortcut.0", 3, (5, 20)),
]


@pytest.mark.parametrize(("name", "layer_name", "filter", "pixel"), PIXELS)
def test_a_pixel(
    open_page: OpenPage,
    anatomies: Callable[[str], Anatomy],
    name: str,
    layer_name: str,
    filter: int,
    pixel: tuple[int, int],
) -> None:
    layer = anatomies(name)[layer_name]
    page = open_page(name, layer=layer_name, filter=filter, pixel=f"{pixel[0]},{pixel[1]}")
    check_pixel(page, layer, filter, pixel)


@pytest.mark.parametrize("aggregation", ["mean", "max", "logsumexp(beta=1.0)", "product", "median"])
def test_another_aggregation(
    open_page: OpenPage, anatomies: Callable[[str], Anatomy], aggregation: str
) -> None:
    layer = anatomies("small")["0"]
    page = open_page("small", layer="0", filter=3, pixel="6,9", aggregation=aggregation)
    other, trained = layer.filter(3, aggregation), layer.filter(3)
    assert reads(result(page, "aggregated"), float(other.aggregated[0, 6, 9]))
    assert reads(result(page, "activated"), float(other.activated[0, 6, 9]))
    shown, was, difference = page.locator(".comparison .value").all_inner_texts()
    assert reads(shown, float(other.activated[0, 6, 9]))
    assert reads(was, float(trained.activated[0, 6, 9]))
    assert reads(difference, float(other.activated[0, 6, 9] - trained.activated[0, 6, 9]))
    mean = page.locator(".comparison .number").first.inner_text()
    assert reads(mean, float((other.activated - trained.activated).abs().mean()))


def test_pointing_moves_every_number_and_every_mark(
    open_page: OpenPage, anatomies: Callable[[str], Anatomy]
) -> None:
    layer: LayerAnatomy = anatomies("small")["0"]
    page = open_page("small", layer="0", filter=2, pixel="3,3")
    aggregated = page.locator("[data-result=aggregated] .map-shape")
    for y, x in [(0, 0), (8, 5), (15, 15)]:
        point_at(page, aggregated, y, x, (16, 16))
        expect(page.locator(".sentence")).to_have_attribute("data-pixel", f"{y},{x}")
        trace = layer.pixel(2, y, x)
        assert isinstance(trace.aggregated, float)
        assert reads(result(page, "aggregated"), trace.aggregated)
        channel = page.locator(".channel-row").first
        assert mark_box(channel.locator("[data-column=input]"), "window", (16, 16)) == (y - 1, x - 1, 3, 3)
        assert mark_box(channel.locator("[data-column=partial]"), "pixel", (16, 16)) == (y, x, 1, 1)
        assert mark_box(page.locator("[data-result=activated]"), "window", (16, 16)) == (
            y // 2 * 2,
            x // 2 * 2,
            2,
            2,
        )
        assert mark_box(page.locator("[data-result=pooled]"), "pixel", (8, 8)) == (y // 2, x // 2, 1, 1)
    page.mouse.move(2, 2)
    expect(page.locator(".sentence")).to_have_attribute("data-pixel", "3,3")


def test_pointing_at_other_maps_finds_the_same_place(
    open_page: OpenPage, anatomies: Callable[[str], Anatomy]
) -> None:
    layer = anatomies("small")["0"]
    page = open_page("small", height=900, layer="0", filter=2)  # all three rows are in sight
    point_at(page, page.locator(".channel-row [data-column=input] .map-shape").nth(1), 4, 9, (16, 16))
    expect(page.locator(".sentence")).to_have_attribute("data-pixel", "4,9")
    point_at(page, page.locator(".channel-row [data-column=partial] .map-shape").nth(2), 13, 2, (16, 16))
    expect(page.locator(".sentence")).to_have_attribute("data-pixel", "13,2")
    point_at(page, page.locator("[data-result=pooled] .map-shape"), 5, 6, (8, 8))
    switches = layer.filter(2).switches
    assert switches is not None
    place = int(switches[0, 5, 6])
    y, x = 10 + place // 2, 12 + place % 2
    expect(page.locator(".sentence")).to_have_attribute("data-pixel", f"{y},{x}")
    expect(page.locator("[data-line=pooled] b")).to_have_text("yes: it goes on")


def test_all_digits_of_a_channel(open_page: OpenPage, anatomies: Callable[[str], Anatomy]) -> None:
    trace = anatomies("resnet")["0"].pixel(9, 50, 60)
    page = open_page("resnet", layer="0", filter=9, pixel="50,60")
    page.get_by_role("button", name="green: write out the products").click()
    dialog = page.get_by_role("dialog")
    cells = dialog.locator(".matrix").nth(2).locator(".cell").all_inner_texts()
    assert len(cells) == 49
    check_cells(cells, trace.products[1])
    dialog.locator("summary").click()
    assert dialog.locator("tbody tr").count() == 49
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_the_prediction(open_page: OpenPage, anatomies: Callable[[str], Anatomy]) -> None:
    page = open_page("small")
    shares = anatomies("small").output[0].softmax(0)
    best = shares.topk(5)
    names = [small().classes[index] for index in best.indices.tolist()]
    assert page.locator(".class-name").all_inner_texts() == names
    for text, share in zip(page.locator(".share").all_inner_texts(), best.values.tolist(), strict=True):
        shown = float(text.removesuffix("\N{NARROW NO-BREAK SPACE}%"))
        assert abs(shown - share * 100) <= (0.5 if share > 0.0995 else 0.051)
