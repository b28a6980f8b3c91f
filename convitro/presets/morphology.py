"""Dilation and erosion: sums of pixel and weight, of which the largest or smallest stays."""

from __future__ import annotations

from jaxtyping import Num
from torch import Tensor

from convitro.aggregation import Aggregation, LogSumExp, Softmax
from convitro.aggregation.builtin import checked_number
from convitro.functional import conv2d
from convitro.geometry import check_choice

SMOOTH = {"softmax": Softmax, "logsumexp": LogSumExp}


def max_plus(
    input: Num[Tensor, "*N C_in H_in W_in"],
    weight: Num[Tensor, "C_out C_in_per_group KH KW"],
    bias: Num[Tensor, " C_out"] | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] | str = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    *,
    aggregation: str | Aggregation = "max",
    padding_mode: str = "zeros",
) -> Num[Tensor, "*N C_out H_out W_out"]:
    """Morphological dilation, the max-plus (tropical) convolution: max (x + w) over window and channels.

    The weight is the structuring function, not mirrored. Pixels outside the image take no part. The gradient
    reaches one pixel per window, the first on ties.

    Args:
        input ... groups, padding_mode: as for `convitro.functional.conv2d`.
        aggregation: how the dilated channels become one map: "max", or another such as "sum".

    Returns:
        (N, C_out, H_out, W_out), without N if the input has none.

    Shape: H_out and W_out as for `convitro.functional.conv2d`.

    Raises:
        ArgumentError, ShapeError, DtypeError: as `convitro.functional.conv2d`.

    Source: Ritter & Sussner 1996, "An introduction to morphological neural networks", ICPR; as a layer of
        images Franchi, Fehri & Yao 2020, "Deep morphological networks", sec. 3 (there the channels are
        summed).

    Example:
        >>> import torch
        >>> max_plus(torch.tensor([[[[1.0, 5.0], [2.0, 3.0]]]]), torch.tensor([[[[0.0, -1.0]]]])).tolist()
        [[[[4.0], [2.0]]]]
    """
    sliding = (stride, padding, dilation, groups)
    return conv2d(
        input,
        weight,
        bias,
        *sliding,
        combine="add",
        window="max",
        aggregation=aggregation,
        padding_mode=padding_mode,
    )


def min_plus(
    input: Num[Tensor, "*N C_in H_in W_in"],
    weight: Num[Tensor, "C_out C_in_per_group KH KW"],
    bias: Num[Tensor, " C_out"] | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] | str = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    *,
    aggregation: str | Aggregation = "min",
    padding_mode: str = "zeros",
) -> Num[Tensor, "*N C_out H_out W_out"]:
    """The min-plus (tropical) convolution: min (x + w) over window and channels.

    Morphological erosion by a structuring function b is this with weight -b. Otherwise as `max_plus`.

    Args:
        input ... groups, padding_mode: as for `convitro.functional.conv2d`.
        aggregation: how the eroded channels become one map: "min", or another such as "sum".

    Returns:
        (N, C_out, H_out, W_out), without N if the input has none.

    Shape: H_out and W_out as for `convitro.functional.conv2d`.

    Raises:
        ArgumentError, ShapeError, DtypeError: as `convitro.functional.conv2d`.

    Source: as `max_plus`.

    Example:
        >>> import torch
        >>> min_plus(torch.tensor([[[[1.0, 5.0], [2.0, 3.0]]]]), torch.tensor([[[[0.0, -1.0]]]])).tolist()
        [[[[1.0], [2.0]]]]
    """
    sliding = (stride, padding, dilation, groups)
    return conv2d(
        input,
        weight,
        bias,
        *sliding,
        combine="add",
        window="min",
        aggregation=aggregation,
        padding_mode=padding_mode,
    )


def smooth_morphology(
    input: Num[Tensor, "*N C_in H_in W_in"],
    weight: Num[Tensor, "C_out C_in_per_group KH KW"],
    bias: Num[Tensor, " C_out"] | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] | str = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    *,
    beta: float = 1.0,
    smooth: str = "softmax",
    aggregation: str | Aggregation | None = None,
    padding_mode: str = "zeros",
) -> Num[Tensor, "*N C_out H_out W_out"]:
    """Dilation (beta > 0) or erosion (beta < 0) with a gradient for every pixel.

    With p = x + w of one channel's window, "softmax" is S-Morph, sum p e^(beta p) / sum e^(beta p), and
    "logsumexp" is ln(sum e^(beta p)) / beta. Both tend to `max_plus` as beta grows and to `min_plus` as it
    falls; at beta = 0 the softmax is the mean. Pixels outside the image take no part.

    Args:
        input ... groups, padding_mode: as for `convitro.functional.conv2d`.
        beta: how sharp the choice is; the paper's alpha.
        smooth: "softmax" or "logsumexp".
        aggregation: how the channels' results become one map. None: as the window's pixels do, which for the
            logsumexp is the one over window and channels together.

    Returns:
        (N, C_out, H_out, W_out), without N if the input has none.

    Shape: H_out and W_out as for `convitro.functional.conv2d`.

    Raises:
        ArgumentError: an unknown `smooth`, or a beta that it cannot have; the rest as
            `convitro.functional.conv2d`.

    Source: Kirszenberg et al. 2021, "Going beyond p-convolutions to learn grayscale morphological operators",
        DGMM; the definition of SMorph (for one channel).

    Example:
        >>> import torch
        >>> picture, weight = torch.tensor([[[[1.0, 5.0]]]]), torch.zeros(1, 1, 1, 2)
        >>> [round(smooth_morphology(picture, weight, beta=beta).item(), 2) for beta in (-9.0, 0.0, 0.2, 9.0)]
        [1.0, 3.0, 3.76, 5.0]
    """
    check_choice(smooth, tuple(SMOOTH), "smooth_morphology: unknown `smooth`.")
    beta = checked_number("smooth_morphology", "beta", beta, nonzero=smooth == "logsumexp")
    over = SMOOTH[smooth](beta)
    sliding = (stride, padding, dilation, groups)
    return conv2d(
        input,
        weight,
        bias,
        *sliding,
        combine="add",
        window=over,
        aggregation=over if aggregation is None else aggregation,
        padding_mode=padding_mode,
    )
