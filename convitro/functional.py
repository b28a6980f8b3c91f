"""Convolution as functions: check once, then hand the layer to whatever computes it."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float, Num, UInt8
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function

import convitro.engine.aten as aten
from convitro.aggregation import Aggregation
from convitro.checks import check_window
from convitro.geometry import conv_problem
from convitro.routing import checked_block, chosen_algorithm, compute, computed, requested, use_algorithm

__all__ = ["ACTIVATIONS", "conv2d", "conv_block", "use_algorithm"]
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "none": nn.Identity,
}
"""What may follow the convolution of a block, by name."""


def conv2d(
    input: Num[Tensor, "*N C_in H_in W_in"],
    weight: Num[Tensor, "C_out C_in_per_group KH KW"],
    bias: Num[Tensor, " C_out"] | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] | str = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    *,
    aggregation: str | Aggregation = "sum",
    window: str | Aggregation = "sum",
    combine: str = "multiply",
    padding_mode: str = "zeros",
    aggregation_parameter: Float[Tensor, " *C_out"] | None = None,
    algorithm: str = "auto",
) -> Num[Tensor, "*N C_maps H_out W_out"]:
    """Slide each filter of `weight` over `input` and combine its partial maps.

    torch.nn.functional.conv2d in every respect; only keywords are added. Each filter makes one partial map of
    every channel it sees (`combine` a pixel with a weight, reduce the `window`), and `aggregation` makes them
    one. The trap: zeros around the image take part only where they are neutral, in (multiply, sum); for any
    other combine or window the padded items are skipped, and a mean divides by the items that are there.

    Args:
        input, weight, bias: as for torch.nn.functional.conv2d; the bias is added after the aggregation.
        stride, padding, dilation, groups: as there; padding may be "same" or "valid".
        aggregation: a name of `convitro.aggregations()`, a spec such as "logsumexp(beta=5.0)", or an
            instance. "none" keeps every partial map.
        window: how the products under the kernel become one number: an aggregation with a state of fixed
            size.
        combine: multiply, add, subtract, squared_difference, absolute_difference or minimum.
        padding_mode: zeros, reflect, replicate or circular.
        aggregation_parameter: takes the place of the aggregation's own parameter (beta of logsumexp,
            logmeanexp and softmax, q of powermean and norm, the only float of a class of one's own), and gets
            a gradient like any tensor: one number (), or one for each filter (C_out,).
        algorithm: "auto", or one by name: "direct", "winograd" (square kernels of 2 to 5 rows, stride 1) and
            "depthwise" (one, two or four channels in a group, as many filters) are the engine's kernels for
            the CPU, "aten" is PyTorch's convolution, "reference" computes any operator.

    Returns:
        (N, C_out, H_out, W_out), without N if the input has none; for "none" C_out * C_in/groups maps, that
        of filter o and its channel i at index o * C_in/groups + i. The dtype is the input's.

    Shape: H_out = (H_in + padding - dilation * (KH - 1) - 1) // stride + 1, and W_out likewise.

    Raises:
        ShapeError: tensors do not fit each other, or a window is larger than the padded image.
        ArgumentError: a name or number is not among what it may be.
        DtypeError: input and weight differ in dtype, or an operator that needs floating point got none.
        UnsupportedError: the algorithm asked for cannot compute this operator.

    Accuracy: float32 and bfloat16 are summed in float32, float64 in float64. "direct": the rounding of a
        plain sum. "winograd": a few times that of "direct" (maximum about 2e-5 where outputs are of size 1),
        within the bound in `convitro.engine.cpu.winograd`; where a result would not be finite "direct"
        decides, so that no infinity spreads. "aten" as PyTorch's; the reference folds items one by one.

    Source: own; the sum is the cross-correlation of torch.nn.functional.conv2d.

    Example:
        >>> import torch
        >>> image = torch.tensor([1.0, 100.0, 10000.0]).reshape(1, 3, 1, 1).expand(1, 3, 3, 3)
        >>> conv2d(image, torch.ones(1, 3, 2, 2))[0, 0, 0, 0]
        tensor(40404.)
        >>> conv2d(image, torch.ones(1, 3, 2, 2), aggregation="max")[0, 0, 0, 0]
        tensor(40000.)
        >>> conv2d(image, torch.ones(1, 3, 2, 2), aggregation="none")[0, :, 0, 0]
        tensor([4.0000e+00, 4.0000e+02, 4.0000e+04])

        A parameter that is learned; at q = 2 the norm becomes smaller as q grows:

        >>> q, image = torch.tensor(2.0, requires_grad=True), torch.tensor([3.0, 4.0]).reshape(1, 2, 1, 1)
        >>> length = conv2d(image, torch.ones(1, 2, 1, 1), aggregation="norm", aggregation_parameter=q)
        >>> length.backward()
        >>> round(length.item(), 3), round(q.grad.item(), 3)
        (5.0, -0.817)
    """
    if has_torch_function((input, weight, bias, aggregation_parameter)):
        return handle_torch_function(
            conv2d,
            (input, weight, bias, aggregation_parameter),
            input,
            weight,
            bias,
            stride,
            padding,
            dilation,
            groups,
            aggregation=aggregation,
            window=window,
            combine=combine,
            padding_mode=padding_mode,
            aggregation_parameter=aggregation_parameter,
            algorithm=algorithm,
        )
    layer = (stride, padding, dilation, groups, aggregation, window, combine, padding_mode)
    arguments = (layer, chosen_algorithm(algorithm), None)
    return computed(arguments, input, weight, bias, aggregation_parameter)


def conv_block(
    input: Num[Tensor, "*N C_in H_in W_in"],
    weight: Num[Tensor, "C_out C_in_per_group KH KW"],
    bias: Num[Tensor, " C_out"] | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] | str = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    *,
    aggregation: str | Aggregation = "sum",
    activation: str = "relu",
    pool: int | tuple[int, int] | None = 2,
    pool_stride: int | tuple[int, int] | None = None,
    return_switches: bool = False,
    aggregation_parameter: Float[Tensor, " *C_out"] | None = None,
    algorithm: str = "auto",
) -> (
    Num[Tensor, "*N C_maps H_pool W_pool"]
    | tuple[Num[Tensor, "*N C_maps H_pool W_pool"], UInt8[Tensor, "*N C_maps H_pool W_pool"] | None]
):
    """Convolution, bias, activation and max-pool: the block that a CNN is made of.

    Args:
        input … groups, aggregation: as for `conv2d`.
        activation: relu, leaky_relu, silu, gelu, sigmoid, tanh or none.
        pool: size of the pooling window; None for no pooling.
        pool_stride: step of the pooling window; its size if None.
        return_switches: also return which pixel of each pooling window won.
        aggregation_parameter, algorithm: as for `conv2d`.

    Returns:
        The pooled maps; with `return_switches` also the switches: the row-major index of the winner inside
        its window, the first one on ties, uint8, the shape of the pooled maps, or None without pooling.

    Shape: H_pool = (H_out - pool) // pool_stride + 1 with the H_out of `conv2d`, and W_pool likewise.

    Raises:
        ShapeError: as `conv2d`, or the pooling window is larger than the maps.
        ArgumentError: as `conv2d`, or an unknown activation or a pooling window that is not positive.
        UnsupportedError: switches asked of a window with more than 256 pixels.

    Source: own.

    Example:
        >>> import torch
        >>> image = torch.arange(16.0).reshape(1, 1, 4, 4)
        >>> maps, switches = conv_block(image, torch.ones(1, 1, 1, 1), return_switches=True)
        >>> maps.flatten().tolist(), switches.flatten().tolist()
        ([5.0, 7.0, 13.0, 15.0], [3, 3, 3, 3])
    """
    if has_torch_function(
        (input, weight, bias, aggregation_parameter)
    ):  # whoever watches functions sees the parts
        maps = conv2d(
            input,
            weight,
            bias,
            stride,
            padding,
            dilation,
            groups,
            aggregation=aggregation,
            aggregation_parameter=aggregation_parameter,
            algorithm=algorithm,
        )
        return _in_parts(maps, activation, pool, pool_stride, return_switches)
    layer = (stride, padding, dilation, groups, aggregation, "sum", "multiply", "zeros")
    arguments = (layer, chosen_algorithm(algorithm), (activation, pool, pool_stride))
    parameter = aggregation_parameter
    if not return_switches:
        return computed(arguments, input, weight, bias, parameter)
    request = requested(weight, *arguments)
    output, switches = compute(request, input, weight, bias, switches=True, parameter=parameter)
    return output, switches if pool is not None else None


def _in_parts(maps: Tensor, activation: str, pool: Any, pool_stride: Any, return_switches: bool) -> Any:
    """What follows the convolution of a block, by functions of torch's."""
    block = checked_block(conv_problem((1, 1, 1, 1)), activation, pool, pool_stride)
    check_window(block.pool, maps.shape, "conv_block: the pooling window is larger than the maps.")
    output, switches = aten.finish(block, maps, switches=return_switches)
    return (output, switches if pool is not None else None) if return_switches else output
