"""A report opened from disk: the same page, the same numbers, and not one request."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Page, expect

from convitro import summary
from convitro.anatomy import Anatomy
from convitro.pictures import load_picture, to_input
from convitro.report import full_report
from convitro.report.sections import origin_section, result_section
from convitro.sources import Network
from tests.explorer.browser.checking import check_pixel
from tests.explorer.browser.conftest import settled
from tests.explorer.networks import NETWORKS, small

OpenReport = Callable[..., Page]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("reports")

    def find(name: str) -> Path:
        path = folder / f"{name}.html"
        if not path.exists():
            network: Network = NETWORKS[name]()
            sizes = summary(network.model, network.input_size, verbose=0)
            sections = [result_section("Summary", "What each layer costs.", sizes), origin_section(network)]
            pictures = [(each, to_input(load_picture(each), network.input_size)) for each in ("cat", "cup")]
            full_report(network, pictures, sections).save(path)
        return path

    return find


@pytest.fixture
def open_report(new_page: Callable[..., Page], reports: Callable[[str], Path]) -> Iterator[OpenReport]:
    requests: list[str] = []

    def open_one(name: str, width: int = 1280, inside: bool = False, **chosen: object) -> Page:
        page = new_page(width)
        page.on("request", lambda request: requests.append(request.url))
        hash = "&".join(f"{key}={value}" for key, value in chosen.items())
        page.goto(f"{reports(name).as_uri()}#{hash}")
        return page

    yield open_one
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.mark.parametrize(
    ("name", "layer", "filter", "pixel"),
    [
        ("small", "0", 2, (0, 0)),
        ("small", "3", 1, (5, 0)),
        ("digits", "conv2", 0, (7, 7)),
        ("odd", "2", 5, (0, 63)),
        ("odd", "5", 1, (3, 9)),
        ("odd", "7", 6, (0, 0)),
        ("odd", "10", 7, (1, 1)),
    ],
)
def test_the_numbers_are_the_librarys(
    open_report: OpenReport,
    anatomies: Callable[[str], Anatomy],
    name: str,
    layer: str,
    filter: int,
    pixel: tuple[int, int],
) -> None:
    page = open_report(name, layer=layer, filter=filter, pixel=f"{pixel[0]},{pixel[1]}")
    settled(page)
    check_pixel(page, anatomies(name)[layer], filter, pixel)


def test_maps_kept_apart(open_report: OpenReport) -> None:
    page = open_report("odd", layer="0", filter=1)
    settled(page)
    expect(page.locator(".kept-apart")).to_be_visible()


def test_another_picture_and_layer(open_report: OpenReport) -> None:
    page = open_report("small")
    settled(page)
    page.get_by_role("button", name="Picture: cat").click()
    expect(page.get_by_text("Your own picture")).to_have_count(0)
    page.get_by_role("button", name="cup", exact=True).click()
    expect(page.locator(".input-picture figcaption b")).to_have_text("cup")
    page.keyboard.press("l")
    expect(page.locator("#layer-name")).to_contain_text("layer 3")
    page.go_back()
    expect(page.locator("#layer-name")).to_contain_text("layer 0")


def test_the_aggregation_says_that_it_needs_a_server(open_report: OpenReport) -> None:
    page = open_report("small", aggregation="max")
    settled(page)
    expect(page.locator(".aggregations")).to_contain_text("start convitro explore")
    assert page.locator(".aggregations [role=radio]").count() == 0
    page.keyboard.press("a")
    expect(page.locator(".chain")).to_have_attribute("data-aggregation", "sum")


def test_a_large_network_says_what_is_left_out(
    open_report: OpenReport, anatomies: Callable[[str], Anatomy]
) -> None:
    page = open_report("resnet", layer="5.conv2")
    settled(page)
    tiles = page.locator(".filter-tile")
    faint = page.locator(".filter-tile[data-faint=true]")
    assert 0 < faint.count() < tiles.count() == 64
    faint.first.click()
    expect(page.locator(".layer")).to_contain_text("not in this report")
    expect(page.locator(".layer")).to_contain_text("convitro explore")
    page.locator(".filter-tile[data-faint=false]").first.click()
    settled(page)


def test_the_tables_stand_below_and_links_lead_there(open_report: OpenReport) -> None:
    page = open_report("small", layer="3", filter=1)
    settled(page)
    page.get_by_role("link", name="Summary").click()
    expect(page.locator("section#summary")).to_be_in_viewport()
    expect(page.locator("#layer-name")).to_contain_text("layer 3")
    assert page.locator("section#summary td", has_text="Conv2d").count() >= 2


def test_inside_a_notebook(new_page: Callable[..., Page]) -> None:
    report = full_report(small(), [("noise", torch.rand(1, 3, 16, 16))])
    page = new_page()
    page.set_content(f"<p>a notebook</p>{report._repr_html_()}")
    inner = page.frame_locator("iframe")
    expect(inner.locator(".chain[data-pending=false] .channel-row").first).to_be_visible()
    inner.locator(".filter-tile").nth(3).click()
    expect(inner.locator("#layer-name")).to_contain_text("filter 3")


@pytest.mark.parametrize("width", [360, 800, 2560])
def test_at_any_width_nothing_is_wider_than_the_page(open_report: OpenReport, width: int) -> None:
    page = open_report("small", width=width)
    settled(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
