"""Distances between window and filter in place of their product."""

from __future__ import annotations

import math

from jaxtyping import Num
from torch import Tensor

from convitro.aggregation import Norm
from convitro.functional import conv2d
from convitro.geometry import check_choice
from convitro.presets.surrogate import surrogate_distance
from convitro.presets.windows import Windows, parameter

GRADIENTS = ("exact", "adder")


def adder(
    input: Num[Tensor, "*N C_in H_in W_in"],
    weight: Num[Tensor, "C_out C_in_per_group KH KW"],
    bias: Num[Tensor, " C_out"] | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] | str = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    *,
    gradient: str = "exact",
    padding_mode: str = "zeros",
) -> Num[Tensor, "*N C_out H_out W_out"]:
    """AdderNet's layer: minus the L1 distance between window and filter, -sum |x - w|. Nothing is multiplied.

    The trap: the output is never positive and grows with the size of the window, so networks put a
    BatchNorm behind it. Pixels outside the image take no part; the paper's code compares zeros there.

    Args:
        input ... groups, padding_mode: as for `convitro.functional.conv2d`.
        gradient: "exact", the sign of the difference; or "adder", the paper's in its place: x - w for the
            weight, w - x cut off at -1 and 1 for the input. It is not the derivative of the output.

    Returns:
        (N, C_out, H_out, W_out), without N if the input has none.

    Shape: H_out and W_out as for `convitro.functional.conv2d`.

    Raises:
        ArgumentError: an unknown gradient; the rest as `convitro.functional.conv2d`.

    Source: Chen et al. 2020, "AdderNet: Do we really need multiplications in deep learning?", CVPR; eq. 2,
        and sec. 3.2 for the gradients.

    Example:
        >>> import torch
        >>> adder(torch.full((1, 2, 3, 3), 5.0), torch.full((1, 2, 3, 3), 4.0)).item()
        -18.0
    """
    check_choice(gradient, GRADIENTS, "adder: unknown gradient.")
    if gradient == "adder":
        return surrogate_distance(input, weight, bias, (stride, padding, dilation, groups, padding_mode))
    return -conv2d(
        input,
        weight,
        None if bias is None else -bias,
        stride,
        padding,
        dilation,
        groups,
        combine="absolute_difference",
        padding_mode=padding_mode,
    )


def euclid(
    input: Num[Tensor, "*N C_in H_in W_in"],
    weight: Num[Tensor, "C_out C_in_per_group KH KW"],
    bias: Num[Tensor, " C_out"] | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] | str = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    *,
    padding_mode: str = "zeros",
) -> Num[Tensor, "*N C_out H_out W_out"]:
    """EuclidNet's layer: minus half the squared distance between window and filter, -1/2 sum (x - w)^2.

    Pixels outside the image take no part.

    Args:
        input ... groups, padding_mode: as for `convitro.functional.conv2d`.

    Returns:
        (N, C_out, H_out, W_out), without N if the input has none.

    Shape: H_out and W_out as for `convitro.functional.conv2d`.

    Raises:
        ArgumentError, ShapeError, DtypeError: as `convitro.functional.conv2d`.

    Accuracy: computed as sum x w - 1/2 sum x^2 - 1/2 sum w^2, a plain convolution and two sums: the error is
        that of these sums, so a distance far smaller than the window's own length loses digits
        (`conv2d(..., combine="squared_difference")` keeps them, slower).

    Source: Li et al. 2022, "EuclidNets: An alternative operation for efficient inference of deep learning
        models"; the layer's similarity.

    Example:
        >>> import torch
        >>> euclid(torch.full((1, 2, 3, 3), 5.0), torch.full((1, 2, 3, 3), 3.0)).item()
        -36.0
    """
    windows = Windows(input, weight, (stride, padding, dilation, groups, padding_mode))
    return windows.finished(-0.5 * windows.squared_distances(), bias)


def linf_distance(
    input: Num[Tensor, "*N C_in H_in W_in"],
    weight: Num[Tensor, "C_out C_in_per_group KH KW"],
    bias: Num[Tensor, " C_out"] | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] | str = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    *,
    p: float = math.inf,
    padding_mode: str = "zeros",
) -> Num[Tensor, "*N C_out H_out W_out"]:
    """The largest difference between window and filter, max |x - w|: no output moves more than any pixel did.

    That bound is what networks of this layer certify their robustness with. Its gradient reaches one pixel
    and one weight per output (the first on ties), so they are trained with a finite p that grows.

    Args:
        input ... groups, padding_mode: as for `convitro.functional.conv2d`.
        p: the norm: (sum |x - w|^p)^(1/p), the maximum for infinity.

    Returns:
        (N, C_out, H_out, W_out), without N if the input has none.

    Shape: H_out and W_out as for `convitro.functional.conv2d`.

    Raises:
        ArgumentError: p is not above 0; the rest as `convitro.functional.conv2d`.

    Source: Zhang et al. 2021, "Towards certifying l-infinity robustness using neural networks with l-inf-dist
        neurons", ICML; the definition of the neuron, and the training with growing p.

    Example:
        >>> import torch
        >>> picture = torch.arange(9.0).reshape(1, 1, 3, 3)
        >>> linf_distance(picture, torch.full((1, 1, 3, 3), 2.0)).item()
        6.0
    """
    over = "max" if p == math.inf else Norm(parameter("linf_distance", "p", p, positive=True))
    return conv2d(
        input,
        weight,
        bias,
        stride,
        padding,
        dilation,
        groups,
        combine="absolute_difference",
        window=over,
        aggregation=over,
        padding_mode=padding_mode,
    )
