"""The geometry of a convolution layer: sizes, padding, parameters and MACs. Pure arithmetic, no torch."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from convitro.errors import ArgumentError, ShapeError, closest

Pair = tuple[int, int]
PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


@dataclass(frozen=True)
class ConvProblem:
    """What a convolution layer computes, apart from the values: all its sizes.

    Shape: with input (N, in_channels, H, W), `output_size(H, W)` gives
        H_out = (H + top + bottom - dilation * (KH - 1) - 1) // stride + 1, and W_out likewise.

    Source: own; the formula is that of torch.nn.Conv2d.

    Example:
        >>> problem = conv_problem((32, 3, 3, 3), padding=1)
        >>> problem.output_size(224, 224), problem.parameters(bias=True), problem.macs(1, 224, 224)
        ((224, 224), 896, 43352064)
    """

    in_channels: int
    out_channels: int
    kernel_size: Pair
    stride: Pair = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)  # top, bottom, left, right
    dilation: Pair = (1, 1)
    groups: int = 1
    padding_mode: str = "zeros"

    @property
    def channels_per_filter(self) -> int:
        """How many input channels one filter sees: in_channels / groups."""
        return self.in_channels // self.groups

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """(C_out, C_in / groups, KH, KW)."""
        return (self.out_channels, self.channels_per_filter, *self.kernel_size)

    @property
    def extent(self) -> Pair:
        """Rows and columns that one window spans, holes of the dilation included."""
        (kh, kw), (dh, dw) = self.kernel_size, self.dilation
        return dh * (kh - 1) + 1, dw * (kw - 1) + 1

    def output_size(self, height: int, width: int) -> Pair:
        """(H_out, W_out) of an input of `height` x `width` pixels."""
        top, bottom, left, right = self.padding
        rows = (height + top + bottom - self.extent[0]) // self.stride[0] + 1
        columns = (width + left + right - self.extent[1]) // self.stride[1] + 1
        return rows, columns

    def parameters(self, *, bias: bool) -> int:
        """How many weights, and one bias per filter if there is one."""
        kh, kw = self.kernel_size
        return self.out_channels * (self.channels_per_filter * kh * kw + bias)

    def macs(self, batch: int, height: int, width: int) -> int:
        """Multiply-accumulates of one forward pass (FLOPs = 2 * MACs; the bias is not counted)."""
        rows, columns = self.output_size(height, width)
        return batch * rows * columns * self.parameters(bias=False)


@dataclass(frozen=True)
class BlockProblem:
    """A convolution with what follows it in a block: an activation, then a max-pool.

    Attributes:
        conv: the convolution.
        activation: a name such as "relu"; "none" for none.
        pool, pool_stride: rows and columns of the pooling windows and their steps; (1, 1) for no pooling.

    Example:
        >>> BlockProblem(conv_problem((8, 3, 3, 3), padding=1), "relu", (2, 2), (2, 2)).output_size(32, 32)
        (16, 16)
    """

    conv: ConvProblem
    activation: str = "none"
    pool: Pair = (1, 1)
    pool_stride: Pair = (1, 1)

    @property
    def pools(self) -> bool:
        """Whether there is a pooling at all."""
        return self.pool != (1, 1) or self.pool_stride != (1, 1)

    def output_size(self, height: int, width: int) -> Pair:
        """(H_pool, W_pool) of an input of `height` x `width` pixels."""
        rows, columns = self.conv.output_size(height, width)
        (ph, pw), (sh, sw) = self.pool, self.pool_stride
        return (rows - ph) // sh + 1, (columns - pw) // sw + 1


def conv_problem(
    weight_shape: Sequence[int],
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    padding_mode: str = "zeros",
    caller: str = "conv2d",
) -> ConvProblem:
    """Check the arguments of a convolution once and put them into one form.

    Args:
        weight_shape: (C_out, C_in / groups, KH, KW).
        stride, dilation: an integer, or one for rows and one for columns.
        padding: the same, or "valid" (none), or "same" (H_out = H; of an odd total the larger half goes to
            the bottom and right, as in PyTorch).
        groups: the channels are split into this many independent parts.
        padding_mode: what stands outside the image: "zeros", "reflect", "replicate" or "circular".
        caller: the public name that errors begin with.

    Raises:
        ArgumentError: an argument is not of its kind, not positive, or an unknown word.
        ShapeError: the weight has not four positive sizes, or `groups` does not divide C_out.

    Example:
        >>> conv_problem((8, 3, 2, 2), padding="same").padding
        (0, 1, 0, 1)
    """
    if len(weight_shape) != 4 or min(weight_shape) < 1:
        raise ShapeError(
            f"{caller}: `weight` is not the weight of a 2-D convolution.",
            expected="weight (C_out, C_in/groups, KH, KW), every size at least 1",
            received=f"weight {tuple(weight_shape)}",
        )
    out_channels, channels_per_filter, *kernel_size = weight_shape
    groups = integer_pair(groups, f"{caller}: `groups`", least=1)[0]
    if out_channels % groups:
        raise ShapeError(
            f"{caller}: `groups` does not divide the filters.",
            expected=f"C_out a multiple of groups={groups}",
            received=f"weight {tuple(weight_shape)}",
        )
    check_choice(padding_mode, PADDING_MODES, f"{caller}: unknown padding_mode.")
    strides = integer_pair(stride, f"{caller}: `stride`", least=1)
    dilations = integer_pair(dilation, f"{caller}: `dilation`", least=1)
    problem = ConvProblem(
        channels_per_filter * groups,
        out_channels,
        (kernel_size[0], kernel_size[1]),
        strides,
        (0, 0, 0, 0),
        dilations,
        groups,
        padding_mode,
    )
    return with_padding(problem, padding, caller)


def with_padding(problem: ConvProblem, padding: Any, caller: str) -> ConvProblem:
    """`problem` with its `padding` in the form (top, bottom, left, right)."""
    if isinstance(padding, str):
        check_choice(padding, ("same", "valid"), f"{caller}: unknown padding.")
        if padding == "same" and problem.stride != (1, 1):
            raise ArgumentError(
                f'{caller}: padding="same" needs stride 1.',
                expected="stride 1",
                received=f"stride {problem.stride}",
            )
        rows, columns = (extent - 1 for extent in problem.extent) if padding == "same" else (0, 0)
        sides = (rows // 2, rows - rows // 2, columns // 2, columns - columns // 2)
    else:
        rows, columns = integer_pair(padding, f"{caller}: `padding`", least=0)
        sides = (rows, rows, columns, columns)
    return replace(problem, padding=sides)


def same_borders(
    sizes: Sequence[int], window: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> list[Pair]:
    """What "same" puts before and after each axis in Keras: ceil(size / stride) pixels, more at the end.

    Example:
        >>> same_borders((8, 9), (3, 3), (2, 2), (1, 1))
        [(0, 1), (1, 1)]
    """
    found = []
    for size, extent, step, spread in zip(sizes, window, stride, dilation, strict=True):
        total = max((-(-size // step) - 1) * step + (extent - 1) * spread + 1 - size, 0)
        found.append((total // 2, total - total // 2))
    return found


def integer_pair(value: Any, name: str, *, least: int) -> Pair:
    """`value` as (rows, columns): an integer stands for both; `name` begins the error.

    Raises:
        ArgumentError: neither an integer nor one or two of them, or one below `least`.
    """
    items = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value, value)
    items = items * 2 if len(items) == 1 else items
    if len(items) != 2 or not all(
        isinstance(item, numbers.Integral) and not isinstance(item, bool) for item in items
    ):
        raise ArgumentError(
            f"{name} is not one or two integers.", expected="an integer or a pair", received=repr(value)
        )
    if min(items) < least:
        raise ArgumentError(f"{name} is too small.", expected=f"at least {least}", received=repr(value))
    return int(items[0]), int(items[1])


def check_choice(word: Any, choices: Sequence[str], problem: str) -> None:
    """Raise an ArgumentError that lists `choices` unless `word` is one of them."""
    if word not in choices:
        raise ArgumentError(
            problem,
            expected=", ".join(f'"{choice}"' for choice in choices),
            received=repr(word),
            hint=closest(str(word), choices),
        )
