"""The layer as its definition reads: one loop over output pixels, one list of numbers, one function of torch.

It shares no code with the package, works in whatever dtype it gets, and is differentiable by autograd.
"""

import math
from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor

Reduction = Callable[[Tensor], Tensor]


def first_equal(p: Tensor, value: Tensor) -> Tensor:
    """The first item that equals `value`: what ties mean here."""
    return p[(p.detach() == value.detach()).nonzero()[0, 0]]


def quantile(p: Tensor, q: float) -> Tensor:
    """One of the items."""
    return (
        p.nanmedian()
        if not p.isfinite().all() and q == 0.5
        else p.detach().quantile(q, interpolation="lower")
    )


REDUCTIONS: dict[str, Reduction] = {
    "sum": lambda p: p.sum(),
    "mean": lambda p: p.mean(),
    "max": lambda p: first_equal(p, p.max()),
    "min": lambda p: first_equal(p, p.min()),
    "maxabs": lambda p: p[(p.detach().abs() == p.detach().abs().max()).nonzero()[0, 0]],
    "logsumexp": lambda p: torch.logsumexp(p, 0),
    "logsumexp(beta=5.0)": lambda p: torch.logsumexp(5 * p, 0) / 5,
    "logsumexp(beta=-2.0)": lambda p: torch.logsumexp(-2 * p, 0) / -2,
    "logmeanexp": lambda p: torch.logsumexp(p, 0) - math.log(len(p)),
    "softmax": lambda p: (p * torch.softmax(p, 0)).sum(),
    "softmax(beta=-3.0)": lambda p: (p * torch.softmax(-3 * p, 0)).sum(),
    "powermean": lambda p: p.square().mean().sqrt(),
    "powermean(q=3.0)": lambda p: p.abs().pow(3).mean().pow(1 / 3),
    "norm": lambda p: torch.linalg.vector_norm(p),
    "norm(q=1.0)": lambda p: p.abs().sum(),
    "product": lambda p: p.prod(),
    "std": lambda p: p.std(correction=0),
    "median": lambda p: first_equal(p, p.median()),
    "quantile": lambda p: first_equal(p, quantile(p, 0.5)),
    "quantile(q=0.8)": lambda p: first_equal(p, quantile(p, 0.8)),
}
COMBINES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "multiply": torch.mul,
    "add": torch.add,
    "subtract": torch.sub,
    "squared_difference": lambda x, w: (x - w).square(),
    "absolute_difference": lambda x, w: (x - w).abs(),
    "minimum": lambda x, w: torch.where(x <= w, x, w),
}


def conv2d(
    input: Tensor,
    weight: Tensor,
    *,
    aggregation: str = "sum",
    window: str = "sum",
    combine: str = "multiply",
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
) -> Tensor:
    """(N, C_in, H, W), (C_out, C_in/groups, KH, KW) -> (N, C_out, H_out, W_out)."""
    n, _, height, width = input.shape
    filters, channels, kh, kw = weight.shape
    rows = (height + 2 * padding[0] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    columns = (width + 2 * padding[1] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    outputs = []
    for image, filter_, y, x in product(range(n), range(filters), range(rows), range(columns)):
        group = filter_ // (filters // groups)
        maps = []
        for channel in range(channels):
            items = []
            for u, v in product(range(kh), range(kw)):
                row, column = (
                    y * stride[0] + u * dilation[0] - padding[0],
                    x * stride[1] + v * dilation[1] - padding[1],
                )
                if 0 <= row < height and 0 <= column < width:
                    pixel = input[image, group * channels + channel, row, column]
                    items.append(COMBINES[combine](pixel, weight[filter_, channel, u, v]))
            maps.append(REDUCTIONS[window](torch.stack(items)) if items else input.new_zeros(()))
        outputs.append(REDUCTIONS[aggregation](torch.stack(maps)))
    return torch.stack(outputs).reshape(n, filters, rows, columns)
