"""The view Aggregation, and the pairs of opposing channels in the view Filter, against the library."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

import convitro
from convitro.anatomy import Anatomy, LayerAnatomy, rerun
from convitro.sources import Network
from tests.explorer.browser.conftest import Explorer
from tests.explorer.browser.reading import point_at, reads
from tests.explorer.networks import NETWORKS, anatomy_of, input_of
from tests.own_aggregation import Energy

OpenPage = Callable[..., Page]
OUTCOME = "[data-state=same], [data-state=changed], [data-state=other]"


@pytest.fixture
def open_cards(open_page: OpenPage) -> OpenPage:
    """Opens the view Aggregation as a person does, by its tab; on a small screen, with few cards."""

    def open_one(name: str = "small", width: int = 360, height: int = 400, **chosen: object) -> Page:
        page = open_page(name, width=width, height=height, **chosen)
        page.locator(".view-tab", has_text="Aggregation").click()
        return page

    return open_one


def card(page: Page, spec: str) -> Locator:
    return page.locator(f'.combining-card[data-aggregation="{spec}"]')


def computed(page: Page, spec: str, layer: str, filter: int) -> Locator:
    """The card of an aggregation, brought into sight, once its maps are there."""
    found = card(page, spec)
    found.scroll_into_view_if_needed()
    expect(found).to_have_attribute("data-filter", f"{layer}:{filter}")
    return found


def check_card(shown: Locator, layer: LayerAnatomy, filter: int, pixel: tuple[int, int], kind: str) -> None:
    """The numbers of a card are the library's."""
    spec = shown.get_attribute("data-aggregation") or ""
    trained = spec == layer.aggregation.spec
    part, own = layer.filter(filter, None if trained else spec), layer.filter(filter)
    values, base = getattr(part, kind)[0].double(), getattr(own, kind)[0].double()
    y, x = pixel
    expect(shown.locator(".value")).not_to_be_empty()
    assert reads(shown.locator(".value").inner_text(), float(values[y, x])), spec
    if not trained:
        assert reads(number(shown, "difference"), float((values - base).abs().mean())), spec
        a, b = values - values.mean(), base - base.mean()
        correlation = float((a * b).sum() / (a.norm() * b.norm()))
        text = number(shown, "correlation")
        assert text == "none" if correlation != correlation else reads(text, correlation), spec


def number(shown: Locator, name: str) -> str:
    found = shown.locator(f"[data-number={name}] dd")
    expect(found).not_to_be_empty()
    return found.inner_text()


@pytest.mark.parametrize(
    ("name", "layer", "filter", "pixel", "specs"),
    [
        ("small", "0", 2, (4, 9), ["sum", "mean", "max", "median"]),
        ("small", "3", 1, (5, 0), ["sum", "product", "std"]),
        ("odd", "2", 5, (0, 63), ["max", "sum"]),
        ("odd", "5", 1, (3, 9), ["logsumexp(beta=5.0)", "logsumexp(beta=1.0)"]),
        ("odd", "7", 6, (0, 0), ["sum", "mean"]),
        ("odd", "10", 7, (1, 1), ["sum", "max"]),
    ],
)
def test_the_numbers_of_the_cards(
    open_cards: OpenPage,
    name: str,
    layer: str,
    filter: int,
    pixel: tuple[int, int],
    specs: list[str],
) -> None:
    page = open_cards(name, layer=layer, filter=filter, pixel=f"{pixel[0]},{pixel[1]}")
    anatomy = anatomy_of(NETWORKS[name]())[layer]
    assert card(page, specs[0]).get_attribute("data-trained") == "true"
    assert page.locator(".combining-card").first.get_attribute("data-aggregation") == specs[0]
    for spec in specs:
        check_card(computed(page, spec, layer, filter), anatomy, filter, pixel, "activated")
    page.get_by_role("radio", name="aggregated maps").click()
    for spec in specs:
        check_card(card(page, spec), anatomy, filter, pixel, "aggregated")
    expect(page.locator(".banner")).to_have_count(0)


def shares(text: str) -> list[float]:
    return [float(found) for found in re.findall(r"([\d.]+)\s*%", text)]


@pytest.mark.parametrize("spec", ["mean", "logsumexp(beta=1.0)"])
def test_what_the_network_then_answers(open_cards: OpenPage, spec: str) -> None:
    network: Network = NETWORKS["small"]()
    before = anatomy_of(NETWORKS["small"]()).output[0].softmax(0)
    after = rerun(network.model, input_of(network), {"0": spec})[0].softmax(0)
    page = open_cards("small", layer="0", filter=2)
    answer = computed(page, spec, "0", 2).locator(".outcome").and_(page.locator(OUTCOME))
    expect(answer).to_be_visible()
    first = int(after.argmax())
    same = first == int(before.argmax())
    assert answer.get_attribute("data-state") == ("same" if same else "changed")
    expect(answer).to_contain_text(f"{'Still' if same else 'Now'} {network.classes[first]}")
    was, now = shares(answer.locator(".outcome-way").first.inner_text())
    assert abs(was - 100 * float(before[first])) <= 0.51
    assert abs(now - 100 * float(after[first])) <= 0.51
    expect(page.locator(".prediction li").first).to_contain_text(network.classes[int(before.argmax())])


def test_an_output_without_classes(open_cards: OpenPage) -> None:
    page = open_cards("odd", layer="9", filter=0)
    network = NETWORKS["odd"]()
    before = anatomy_of(NETWORKS["odd"]()).output.double()
    after = rerun(network.model, input_of(network), {"9": "mean"}).double()
    answer = computed(page, "mean", "9", 0).locator("[data-state=other]")
    expect(answer).to_be_visible()
    (percent,) = shares(answer.inner_text())
    assert abs(percent - 100 * float((after - before).norm() / before.norm())) <= 0.51


def test_a_layer_that_keeps_its_maps_apart(open_cards: OpenPage) -> None:
    page = open_cards("odd", layer="0", filter=1, pixel="3,4")
    shown = computed(page, "mean", "0", 1)
    expect(shown.locator(".outcome")).to_contain_text("expects the maps apart")
    expected = anatomy_of(NETWORKS["odd"]())["0"].filter(1, "mean").activated[0, 3, 4]
    assert reads(shown.locator(".value").inner_text(), float(expected))


def test_an_own_aggregation_has_a_card_by_itself(open_cards: OpenPage, own_registry: None) -> None:
    convitro.register_aggregation(Energy())
    page = open_cards("small", layer="0", filter=3, pixel="7,7")
    page.get_by_role("radio", name="aggregated maps").click()
    shown = computed(page, "energy", "0", 3)
    expect(shown).to_contain_text("The mean of the squares.")
    maps = anatomy_of(NETWORKS["small"]())["0"].partial_maps(3)[0, :, 7, 7]
    expect(shown.locator(".value")).not_to_be_empty()
    assert reads(shown.locator(".value").inner_text(), float(maps.double().square().mean()))
    expect(shown.locator(OUTCOME)).to_be_visible()


@pytest.fixture(scope="module")
def small_anatomy() -> Anatomy:
    return anatomy_of(NETWORKS["small"]())


def test_the_cancellation(open_cards: OpenPage, small_anatomy: Anatomy) -> None:
    page = open_cards("small", width=1280, height=900, layer="3", filter=1, pixel="2,3")
    found = small_anatomy["3"].filter(1).cancellation
    panel = page.locator(".cancelling[data-pending=false]")
    expect(panel).to_have_attribute("data-filter", "3:1")
    assert found.baseline is not None
    for name, share in (("value", found.value), ("baseline", found.baseline)):
        (percent,) = shares(panel.locator(f"[data-bar={name}] .number").inner_text())
        assert abs(percent - 100 * share) <= 0.51
    for y, x in [(2, 3), (5, 5), (0, 1)]:
        point_at(page, panel.locator(".map-shape"), y, x, (6, 6))
        expect(panel.locator(".cancelling-pixel")).to_have_attribute("data-pixel", f"{y},{x}")
        maps = found.partial_maps[0, :, y, x].double()
        assert reads(panel.locator("[data-number=brought]").inner_text(), float(maps.abs().sum()))
        assert reads(panel.locator("[data-number=kept]").inner_text(), float(maps.sum().abs()))
        (percent,) = shares(panel.locator("[data-number=lost]").inner_text())
        assert abs(percent - 100 * float(found.map[0, y, x])) <= 0.51
        check_pairs(panel, found.pairs(y, x))


def check_pairs(place: Locator, pairs: object) -> None:
    shown = [row.inner_text() for row in place.locator(".pair").all()]
    expected = list(pairs)  # type: ignore[call-overload]
    assert len(shown) == len(expected)
    for text, (up, plus, down, minus) in zip(shown, expected, strict=True):
        words, numbers = re.match(r"channels (.*?)(?: cancel here)?\s+(\S+\s+\S+)$", text).groups()  # type: ignore[union-attr]
        assert words == f"{up} and {down}"
        for written, value in zip(numbers.split(), (plus, minus), strict=True):
            assert reads(written, value)


def test_opposing_channels_in_the_filter_view(open_page: OpenPage, small_anatomy: Anatomy) -> None:
    found = small_anatomy["3"].filter(1).cancellation
    pairs, y, x = max((found.pairs(y, x), y, x) for y in range(6) for x in range(6))
    assert pairs
    page = open_page("small", height=1200, layer="3", filter=1, pixel=f"{y},{x}")
    check_pairs(page.locator(".opposing"), pairs)
    marks = page.locator(".pair-mark")
    expect(marks).to_have_count(2 * len(pairs))
    up = page.locator(f".channel-row[data-index='{pairs[0].up}'] .pair-mark")
    expect(up).to_contain_text(f"↔ {pairs[0].down}")
    page.get_by_role("radio", name="max", exact=True).click()
    expect(page.locator(".opposing")).to_contain_text("pull against each other here")


def test_opposing_channels_of_all_pages(open_page: OpenPage) -> None:
    page = open_page("paged", layer="2", filter=2, pixel="3,4")
    found = anatomy_of(NETWORKS["paged"]())["2"].filter(2).cancellation
    expect(page.locator(".pages")).to_contain_text("channels 0 to 63 of 150")
    expect(page.locator(".opposing")).not_to_contain_text("on this page")
    pairs = found.pairs(3, 4)
    check_pairs(page.locator(".opposing"), pairs)
    rank = next(rank for rank, pair in enumerate(pairs) if pair.up >= 64)
    page.locator(".opposing .pair").nth(rank).click()
    first = pairs[rank].up // 64 * 64
    expect(page.locator(".pages")).to_contain_text(f"channels {first} to")
    mark = page.locator(f".channel-row[data-index='{pairs[rank].up - first}'] .pair-mark")
    expect(mark).to_contain_text(f"↔ {pairs[rank].down}")


def test_a_card_opens_its_filter(open_cards: OpenPage) -> None:
    page = open_cards("small", layer="0", filter=4)
    expect(page).to_have_url(re.compile("view=aggregation"))
    computed(page, "max", "0", 4).click(position={"x": 250, "y": 60})
    expect(page.locator(".chain")).to_have_attribute("data-aggregation", "max")
    expect(page).not_to_have_url(re.compile("view="))
    page.go_back()
    expect(card(page, "sum")).to_have_attribute("data-filter", "0:4")
    card(page, "mean").get_by_role("button").press("Enter")
    expect(page.locator(".chain")).to_have_attribute("data-aggregation", "mean")


def test_address_and_keys(open_cards: OpenPage) -> None:
    page = open_cards("small", layer="0", filter=1)
    expect(card(page, "sum")).to_have_attribute("data-filter", "0:1")
    page.keyboard.press("g")
    expect(page).to_have_url(re.compile("map=aggregated"))
    page.keyboard.press("j")
    expect(card(page, "sum")).to_have_attribute("data-filter", "0:2")
    page.reload()
    expect(card(page, "sum")).to_have_attribute("data-filter", "0:2")
    expect(page.get_by_role("radio", name="aggregated maps")).to_be_checked()
    page.keyboard.press("a")
    expect(card(page, "mean")).to_have_attribute("data-chosen", "true")
    page.keyboard.press("l")
    expect(card(page, "sum")).to_have_attribute("data-filter", re.compile("^3:"))


def test_cards_out_of_sight_wait(open_cards: OpenPage) -> None:
    page = open_cards("small", layer="0", filter=0)
    expect(card(page, "sum")).to_have_attribute("data-filter", "0:0")
    expect(page.locator(".combining-progress")).to_contain_text("the rest follows as you scroll")
    assert card(page, "quantile(q=0.5)").get_attribute("data-filter") is None
    computed(page, "quantile(q=0.5)", "0", 0)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("width", [800, 1280, 2560])
def test_no_width_makes_the_page_scroll_sideways(open_cards: OpenPage, width: int) -> None:
    page = open_cards("odd", width=width, layer="10", filter=3)
    computed(page, "sum", "10", 3)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    nameless = page.evaluate(
        """[...document.querySelectorAll("button, summary, [role=application], [role=img]")]
        .filter((element) => !(element.getAttribute("aria-label") || element.innerText?.trim())).length"""
    )
    assert nameless == 0


def test_a_server_that_stops_and_comes_back(
    open_page: OpenPage,
    explorers: Callable[[str], Explorer],
    console: object,
) -> None:
    console.expect("ERR_|Failed to load")  # type: ignore[attr-defined]
    page = open_page("digits", layer="conv1", filter=0, width=360, height=400)
    page.locator(".view-tab", has_text="Aggregation").click()
    expect(card(page, "sum")).to_have_attribute("data-filter", "conv1:0")
    explorer = explorers("digits")
    explorer.stop()
    card(page, "mean").scroll_into_view_if_needed()
    expect(page.locator(".banner[data-kind=offline]")).to_be_visible()
    explorer.start()
    expect(page.locator(".banner")).to_have_count(0)
    computed(page, "mean", "conv1", 0)
