"""The page as a person uses it."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.explorer.browser.conftest import Console, Explorer, settled
from tests.explorer.browser.reading import reads
from tests.explorer.networks import anatomy_of, several

OpenPage = Callable[..., Page]


def test_it_opens(open_page: OpenPage) -> None:
    page = open_page()
    expect(page).to_have_title("Convitro explorer")
    expect(page).not_to_have_url(re.compile("token"))
    expect(page.locator(".layer-card")).to_have_count(2)
    expect(page.locator(".prediction li")).to_have_count(5)
    expect(page.locator("#layer-name")).to_contain_text("layer 0 filter")
    expect(page.locator(".channel-row")).to_have_count(3)
    expect(page.locator(".lead")).to_contain_text("turns 3 channels into 5 maps with 5 filters")
    expect(page.locator(".channel-name")).to_have_text(["red", "green", "blue"])


def test_a_share_for_each_class_alone_is_called_that(open_page: OpenPage) -> None:
    page = open_page("several")
    given = anatomy_of(several()).output[0]
    expect(page.locator(".prediction h2")).to_have_text("Prediction, each apart")
    assert reads(page.locator(".prediction .share").first.inner_text().rstrip(" %"), 100 * float(given.max()))
    page.get_by_role("button", name="each apart").focus()
    expect(page.locator(".bubble")).to_contain_text("need not add up to 100 %")
    page = open_page("small")
    expect(page.locator(".prediction h2")).to_have_text("Prediction")


def test_maps_that_are_kept_apart_are_all_counted(open_page: OpenPage) -> None:
    page = open_page("odd", layer="0")
    expect(page.get_by_role("radio", name=re.compile("^0: 3 channels to 12 maps"))).to_contain_text("3 → 12")
    expect(page.locator(".lead")).to_contain_text("turns 3 channels into 12 maps with 4 filters")
    page.keyboard.press("1")
    expect(page.locator(".network-row[data-kind=layer]").first).to_contain_text("3 → 12")


def test_without_the_token_it_stays_locked(
    new_page: OpenPage, explorers: Callable[[str], Explorer], console: Console
) -> None:
    console.expect("status of 401")
    page = new_page()
    response = page.goto(f"http://127.0.0.1:{explorers('small').port}/")
    assert response is not None
    assert response.status == 401
    expect(page.locator("h1")).to_have_text("This explorer is locked")


def test_choosing_a_layer_and_a_filter(open_page: OpenPage) -> None:
    page = open_page()
    page.get_by_role("radio", name=re.compile("^3: 5 channels to 4 maps")).click(position={"x": 20, "y": 10})
    expect(page.locator(".chain")).to_have_attribute("data-filter", re.compile("^3:"))
    expect(page.locator(".channel-row")).to_have_count(5)
    page.get_by_role("radio", name="filter 2", exact=True).click()
    expect(page.locator(".chain")).to_have_attribute("data-filter", "3:2")
    expect(page.locator("#layer-name")).to_have_text(re.compile("layer\\s*3\\s*filter\\s*2"))
    expect(page).to_have_url(re.compile("layer=3"))
    expect(page).to_have_url(re.compile("filter=2"))


def test_a_map_of_a_card_opens_its_filter(open_page: OpenPage) -> None:
    page = open_page(layer="3", filter=0)
    page.locator(".layer-card").first.locator("img").click(position={"x": 20, "y": 20})
    expect(page.locator(".chain")).to_have_attribute("data-filter", "0:0")


def test_the_back_button_and_a_shared_address(open_page: OpenPage) -> None:
    page = open_page(layer="0", filter=1)
    page.get_by_role("radio", name="filter 4", exact=True).click()
    expect(page.locator(".chain")).to_have_attribute("data-filter", "0:4")
    page.get_by_role("radio", name="max", exact=True).click()
    expect(page.locator(".chain")).to_have_attribute("data-aggregation", "max")
    page.locator("[data-result=aggregated] .map-shape").click(position={"x": 30, "y": 40})
    address = page.url
    assert re.search(r"filter=4.*aggregation=max.*pixel=\d+%2C\d+", address)
    place = page.locator(".sentence-place").inner_text()

    page.go_back()
    expect(page.locator(".chain")).to_have_attribute("data-aggregation", "sum")
    expect(page.locator(".chain")).to_have_attribute("data-filter", "0:4")
    page.go_back()
    expect(page.locator(".chain")).to_have_attribute("data-filter", "0:1")

    page.goto(address)
    page.reload()
    settled(page)
    expect(page.locator(".chain")).to_have_attribute("data-filter", "0:4")
    expect(page.locator(".chain")).to_have_attribute("data-aggregation", "max")
    expect(page.locator(".sentence-place")).to_have_text(place)


@pytest.mark.parametrize(
    "chosen", [{"layer": "nothing"}, {"filter": 99}, {"aggregation": "maen"}, {"pixel": "x,9999"}]
)
def test_an_address_that_asks_for_nothing_known_opens_all_the_same(
    open_page: OpenPage, chosen: dict[str, object]
) -> None:
    page = open_page(**chosen)
    expect(page.locator(".chain")).to_have_attribute("data-filter", re.compile(r"^0:\d$"))
    expect(page.locator(".banner")).to_have_count(0)


def test_the_newest_choice_wins(new_page: OpenPage, explorers: Callable[[str], Explorer]) -> None:
    page = new_page()
    held = []
    page.route("**/api/filter?*filter=1&*", lambda route: held.append(route))
    page.goto(explorers("small").address(filter=0))
    settled(page)
    chain = page.locator(".chain")
    page.keyboard.press("j")
    expect(page).to_have_url(re.compile("filter=1"))
    page.keyboard.press("j")
    expect(chain).to_have_attribute("data-filter", "0:2")
    expect(chain).to_have_attribute("data-pending", "false")
    assert held
    for route in held:
        route.continue_()
    page.keyboard.press("j")  # what the server answers after the late one
    expect(chain).to_have_attribute("data-filter", "0:3")
    expect(page.locator(".banner")).to_have_count(0)


def test_another_picture(open_page: OpenPage) -> None:
    page = open_page()
    page.get_by_role("button", name=re.compile("Choose another")).click()
    page.get_by_role("button", name="rocket", exact=True).click()
    expect(page.locator(".input-picture b")).to_have_text("rocket")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page).to_have_url(re.compile("picture=rocket"))
    settled(page)


def test_keeping_the_maps_apart_says_what_grows(open_page: OpenPage) -> None:
    page = open_page(layer="0", filter=0)
    page.get_by_role("radio", name="none", exact=True).click()
    expect(page.locator(".kept-apart")).to_contain_text("= 15")


def test_words_explain_themselves(open_page: OpenPage) -> None:
    page = open_page()
    term = page.locator(".lead .term").filter(has_text="partial maps")
    term.hover()
    expect(page.get_by_role("tooltip")).to_contain_text("its kernel slides over the channel")
    page.mouse.move(5, 5)
    term.focus()
    expect(page.get_by_role("tooltip")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("tooltip")).not_to_be_visible()


def test_own_scales_and_the_legend(open_page: OpenPage) -> None:
    page = open_page(layer="3")
    legend = page.locator(".head[data-column=partial] .legend")
    expect(legend.locator("img")).to_have_count(1)
    page.get_by_role("radio", name="each map its own").click()
    expect(legend).to_have_text("each its own")


def test_the_strongest_channels_first(open_page: OpenPage) -> None:
    page = open_page(layer="3", filter=0)
    before = page.locator(".channel-name").all_inner_texts()
    page.get_by_role("radio", name="strongest first").click()
    expect(page.locator(".channel-row").first).not_to_have_attribute("data-index", "0") if before else None
    assert sorted(page.locator(".channel-name").all_inner_texts()) == sorted(before)
