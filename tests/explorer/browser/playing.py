"""What the tests of the view "Play" share: filters as the library has them, and the numbers about a pixel."""

import re
from functools import cache
from typing import Any

import torch
from playwright.sync_api import Page, expect
from torch import Tensor, nn

from convitro import dissect
from convitro.pictures import load_picture, to_input
from tests.explorer.browser.reading import reads
from tests.explorer.networks import small

SOBEL = [[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]
TIMES = "\N{MULTIPLICATION SIGN}"


@cache
def picture() -> Tensor:
    """The open picture as the page has it: bytes, as numbers from 0 to 1."""
    network = small()
    pixels = to_input(load_picture("cat"), network.input_size)
    return (pixels.clamp(0, 1) * 255).round() / 255


def layer(channels: int, kernels: list[list[list[float]]], *after: nn.Module, **options: Any) -> nn.Module:
    """A convolution with these kernels, one for each channel, and what comes after it."""
    weight = torch.tensor(kernels).expand(channels, -1, -1)[None].clone()
    conv = nn.Conv2d(channels, 1, (weight.shape[-2], weight.shape[-1]), **options)
    conv.load_state_dict({"weight": weight, "bias": torch.zeros(1)})
    return nn.Sequential(conv, *after)


def cells(page: Page) -> list[str]:
    return [each.input_value() for each in page.locator(".weight").all()]


def expect_play(page: Page, setting: str, *, more: bool = False) -> None:
    """The address keeps this setting, or one that begins like it; it may take a moment to get there."""
    end = "" if more else "(&|$)"
    expect(page).to_have_url(re.compile(rf"[#&]play={re.escape(setting)}{end}"))


def check_pixel(page: Page, model: nn.Module, input: Tensor, pixel: tuple[int, int]) -> None:
    """Every number about the pixel that the page shows is that of `dissect`."""
    expect(page.locator(".sentence")).to_have_attribute("data-pixel", f"{pixel[0]},{pixel[1]}")
    found = dissect(model, input)["0"]
    trace = found.pixel(0, *pixel)
    assert isinstance(trace.aggregated, float)
    rows = page.locator(".channel-row")
    assert rows.count() == input.shape[1]
    for index, row in enumerate(rows.all()):
        assert reads(row.locator(".partial-value").inner_text(), float(trace.partials[index]))
        for name in ("patch", "kernel", "products"):
            texts = row.locator(f"[data-column={name}] .cell").all_inner_texts()
            for text, value in zip(texts, getattr(trace, name)[index].flatten().tolist(), strict=True):
                assert not text or reads(text, value), (name, text, value)
    for name, map in (("aggregated", found.aggregated(0)), ("activated", found.activated)):
        shown = page.locator(f"[data-result={name}] .value").inner_text()
        assert reads(shown, float(map[0, ..., pixel[0], pixel[1]].sum()))
