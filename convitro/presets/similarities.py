"""Functions of the inner product and the lengths of window and filter."""

from __future__ import annotations

from typing import Any

from jaxtyping import Num
from torch import Tensor

from convitro.errors import ArgumentError
from convitro.functional import conv2d
from convitro.geometry import check_choice
from convitro.presets.windows import Geometry, Windows, parameter, root

KERNELS = ("polynomial", "gaussian", "l1", "l2")


def kervolution(
    input: Num[Tensor, "*N C_in H_in W_in"],
    weight: Num[Tensor, "C_out C_in_per_group KH KW"],
    bias: Num[Tensor, " C_out"] | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] | str = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    *,
    kernel: str = "polynomial",
    degree: int = 3,
    offset: float = 1.0,
    gamma: float = 1.0,
    padding_mode: str = "zeros",
) -> Num[Tensor, "*N C_out H_out W_out"]:
    """A kernel function of window and filter in place of their inner product.

    "polynomial": (x.w + offset)^degree. "gaussian": e^(-gamma |x - w|^2). "l1": sum |x - w|. "l2": |x - w|.
    The trap: the Gaussian of a large window is 0 nearly everywhere unless gamma is small. In the polynomial
    kernel padding counts as zeros, as in a convolution; in the others pixels outside the image take no part.

    Args:
        input ... groups, padding_mode: as for `convitro.functional.conv2d`.
        kernel: "polynomial", "gaussian", "l1" or "l2".
        degree, offset: of the polynomial; the paper's d_p, a positive integer, and c_p.
        gamma: of the Gaussian, above 0.

    Returns:
        (N, C_out, H_out, W_out), without N if the input has none.

    Shape: H_out and W_out as for `convitro.functional.conv2d`.

    Raises:
        ArgumentError: an unknown kernel, or a number out of range; the rest as `convitro.functional.conv2d`.

    Accuracy: polynomial and Gaussian are a plain convolution and what follows it; |x - w|^2 is computed as
        in `euclid`, so gamma times the rounding of sum x^2 + sum w^2 is the Gaussian's relative error. "l2"
        sums the squared differences themselves; its gradient at 0 is 0.

    Source: Wang et al. 2019, "Kervolutional neural networks", CVPR, sec. 3: the kernels named so there.

    Example:
        >>> import torch
        >>> picture, weight = torch.full((1, 1, 2, 2), 2.0), torch.ones(1, 1, 2, 2)
        >>> kervolution(picture, weight, degree=2).item(), kervolution(picture, weight, kernel="l2").item()
        (81.0, 2.0)
    """
    check_choice(kernel, KERNELS, "kervolution: unknown kernel.")
    geometry = (stride, padding, dilation, groups, padding_mode)
    if kernel == "l1" or kernel == "l2":
        return _distance(kernel, (input, weight, bias), geometry)
    windows = Windows(input, weight, geometry)
    if kernel == "gaussian":
        gamma = parameter("kervolution", "gamma", gamma, positive=True)
        return windows.finished((-gamma * windows.squared_distances()).exp(), bias)
    if not isinstance(degree, int) or isinstance(degree, bool) or degree < 1:
        raise ArgumentError(
            "kervolution: `degree` is out of range.", expected="a positive integer", received=repr(degree)
        )
    offset = parameter("kervolution", "offset", offset)
    return windows.finished((windows.products() + offset) ** degree, bias)


def _distance(kernel: str, tensors: tuple[Tensor, Tensor, Tensor | None], geometry: Geometry) -> Tensor:
    (input, weight, bias), (*sliding, mode) = tensors, geometry
    named: dict[str, Any] = {"padding_mode": mode}
    if kernel == "l1":
        return conv2d(input, weight, bias, *sliding, combine="absolute_difference", **named)
    maps = root(conv2d(input, weight, None, *sliding, combine="squared_difference", **named))
    return maps if bias is None else maps + bias.to(maps.dtype)[:, None, None]


def cosine(
    input: Num[Tensor, "*N C_in H_in W_in"],
    weight: Num[Tensor, "C_out C_in_per_group KH KW"],
    bias: Num[Tensor, " C_out"] | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] | str = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    *,
    eps: float = 1e-8,
    padding_mode: str = "zeros",
) -> Num[Tensor, "*N C_out H_out W_out"]:
    """The cosine of the angle between window and filter: x.w / (|x| |w|), in -1 ... 1.

    Neither brightness nor the scale of the weights matters. Padding counts as zeros, as in a convolution: it
    adds nothing to x.w and |x|, while |w| is the whole filter's.

    Args:
        input ... groups, padding_mode: as for `convitro.functional.conv2d`.
        eps: the least that |x| and |w| count as, so that an empty window gives 0.

    Returns:
        (N, C_out, H_out, W_out), without N if the input has none.

    Shape: H_out and W_out as for `convitro.functional.conv2d`.

    Raises:
        ArgumentError: eps is not above 0; the rest as `convitro.functional.conv2d`.

    Accuracy: a plain convolution over the root of a sum of squares; no cancellation beyond the convolution's.

    Source: Luo et al. 2018, "Cosine normalization: using cosine similarity instead of dot product in neural
        networks", ICANN; the definition is that of torch.nn.functional.cosine_similarity.

    Example:
        >>> import torch
        >>> round(cosine(torch.full((1, 3, 2, 2), 7.0), torch.full((1, 3, 2, 2), 0.1)).item(), 5)
        1.0
    """
    least = parameter("cosine", "eps", eps, positive=True)
    windows = Windows(input, weight, (stride, padding, dilation, groups, padding_mode))
    products = windows.products()
    lengths = root(windows.squares()).clamp_min(least) * root(windows.weight_squares()).clamp_min(least)
    return windows.finished(products / lengths, bias)


def sharpened_cosine(
    input: Num[Tensor, "*N C_in H_in W_in"],
    weight: Num[Tensor, "C_out C_in_per_group KH KW"],
    bias: Num[Tensor, " C_out"] | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] | str = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    *,
    p: float = 2.0,
    q: float = 0.1,
    padding_mode: str = "zeros",
) -> Num[Tensor, "*N C_out H_out W_out"]:
    """Sharpened cosine similarity: sign(s) |s|^p with s = x.w / ((|x| + q) (|w| + q)).

    A power p above 1 leaves only good matches; q keeps windows that are nearly empty from counting. Padding
    is as in `cosine`.

    Args:
        input ... groups, padding_mode: as for `convitro.functional.conv2d`.
        p: the power, above 0; where it is below 1 the gradient at s = 0, which is infinite, is taken as 0.
        q: what is added to both lengths, above 0.

    Returns:
        (N, C_out, H_out, W_out), without N if the input has none.

    Shape: H_out and W_out as for `convitro.functional.conv2d`.

    Raises:
        ArgumentError: p or q is not above 0; the rest as `convitro.functional.conv2d`.

    Accuracy: as `cosine`.

    Source: Rohrer 2022, "Sharpened cosine similarity", https://e2eml.school/scs.html (there p and q are
        learned; here they are given).

    Example:
        >>> import torch
        >>> picture, weight = torch.tensor([[[[3.0, 4.0]]]]), torch.tensor([[[[0.0, -5.0]]]])
        >>> round(sharpened_cosine(picture, weight, p=2.0, q=1e-6).item(), 4)
        -0.64
    """
    p = parameter("sharpened_cosine", "p", p, positive=True)
    q = parameter("sharpened_cosine", "q", q, positive=True)
    windows = Windows(input, weight, (stride, padding, dilation, groups, padding_mode))
    products = windows.products()
    lengths = (root(windows.squares()) + q) * (root(windows.weight_squares()) + q)
    return windows.finished(_signed_power(products / lengths, p), bias)


def _signed_power(s: Tensor, p: float) -> Tensor:
    """sign(s) |s|^p; the slope at 0 is that of p = 1 if p is 1, else 0."""
    if p == 1:
        return s
    there = s != 0
    return (s.sign() * s.abs().where(there, 1.0) ** p).where(there, 0.0)
