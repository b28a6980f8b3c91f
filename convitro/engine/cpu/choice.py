"""Which algorithm a convolution gets on the CPU, and each other one's reasons against."""

from __future__ import annotations

from convitro.engine.cpu.blocking import Sliding
from convitro.engine.cpu.winograd_layout import KERNELS, SQUARES, winograd_reasons

ALGORITHMS = ("depthwise", "winograd", "direct")
"""In the order in which they are asked."""


def reasons(sliding: Sliding, element: str) -> dict[str, list[str]]:
    """Why each algorithm should not compute this convolution; the first without reasons is taken."""
    return {
        "depthwise": beside_reasons(sliding),
        "winograd": winograd_reasons(sliding, element),
        "direct": [],
    }


def chosen(sliding: Sliding, element: str) -> str:
    """The algorithm that is expected to be the fastest within its error bound."""
    found = reasons(sliding, element)
    return next(name for name in ALGORITHMS if not found[name])


def impossible(algorithm: str, sliding: Sliding) -> list[str]:
    """Why an algorithm cannot compute this convolution at all."""
    apart = (sliding.stride, sliding.dilation) != ((1, 1), (1, 1))
    if algorithm == "winograd" and (apart or sliding.kernel not in SQUARES):
        return [f"winograd's algorithm is for kernels of {KERNELS} with stride 1 and dilation 1"]
    return beside_reasons(sliding) if algorithm == "depthwise" else []


BESIDE = (1, 2, 4)
"""Groups of so many channels can share the lanes of a vector."""


def beside_reasons(sliding: Sliding) -> list[str]:
    """Why groups cannot lie side by side in the lanes of a vector."""
    if sliding.channels == sliding.filters and sliding.channels in BESIDE and sliding.groups > 1:
        return []
    return [
        f"a group has {sliding.channels} channels and {sliding.filters} filters, not as many and at most 4"
    ]


def depthwise_reasons(sliding: Sliding) -> list[str]:
    """Why single channels cannot."""
    return beside_reasons(sliding) if sliding.channels == 1 else ["a filter sees more than its own channel"]
