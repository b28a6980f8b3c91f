"""Every number that the page shows about a pixel, against the library."""

from playwright.sync_api import Page, expect

from convitro.anatomy import LayerAnatomy
from tests.explorer.browser.reading import reads


def check_pixel(page: Page, layer: LayerAnatomy, filter: int, pixel: tuple[int, int]) -> None:
    """Every number that the page shows about a pixel is the library's."""
    trace, (y, x) = layer.pixel(filter, *pixel), pixel
    expect(page.locator(".sentence")).to_have_attribute("data-pixel", f"{y},{x}")
    rows = page.locator(".channel-row")
    for index in range(min(rows.count(), 3)):
        row = rows.nth(index)
        assert reads(row.locator(".partial-value").inner_text(), float(trace.partials[index]))
        if max(layer.problem.kernel_size) <= 3:
            check_cells(row.locator("[data-column=patch] .cell").all_inner_texts(), trace.patch[index])
            check_cells(row.locator("[data-column=kernel] .cell").all_inner_texts(), trace.kernel[index])
            check_cells(row.locator("[data-column=products] .cell").all_inner_texts(), trace.products[index])
    assert isinstance(trace.aggregated, float)
    assert isinstance(trace.output, float)
    assert reads(result(page, "aggregated"), trace.aggregated)
    assert reads(result(page, "activated"), float(layer.filter(filter).activated[0, y, x]))
    assert reads(line(page, "aggregated"), trace.aggregated)
    if layer.bias is not None:
        assert reads(line(page, "output"), trace.output)


def check_cells(texts: list[str], values: object) -> None:
    for text, value in zip(texts, values.flatten().tolist(), strict=True):  # type: ignore[attr-defined]
        if text:  # an empty cell is one that takes no part
            assert reads(text, value), (text, value)


def result(page: Page, name: str) -> str:
    return page.locator(f"[data-result={name}] .value").inner_text()


def line(page: Page, name: str) -> str:
    return page.locator(f"[data-line={name}] b").inner_text().removeprefix("= ")
