"""From checked arguments to whatever computes a layer: the engine, PyTorch, or the reference."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

import convitro.engine.aten as aten
import convitro.ops.block as blocks
from convitro.aggregation import Operator, Sum, operator
from convitro.checks import autocasts, check_tensors, check_window, padded
from convitro.engine.choice import ALGORITHMS, engine_reasons
from convitro.engine.cpu.finish import CLOSED
from convitro.errors import DtypeError, UnsupportedError
from convitro.geometry import BlockProblem, ConvProblem, check_choice, conv_problem, integer_pair
from convitro.ops.aggregate import aggregate

_forced: list[str] = []


class Computed(NamedTuple):
    """The maps, and the switches if they were asked for."""

    output: Tensor
    switches: Tensor | None


@dataclass(frozen=True, eq=False)
class Request:
    """A layer that was checked, apart from the tensors.

    Attributes:
        block: its geometry, activation and pooling.
        operator: how it combines, and reduces windows and channels.
        algorithm: one of `ALGORITHMS`.
        layer: the fused block, where that needs no more than the engine; None elsewhere.
    """

    block: BlockProblem
    operator: Operator
    algorithm: str
    layer: blocks.Layer | None


@contextmanager
def use_algorithm(algorithm: str) -> Iterator[None]:
    """Let "auto" mean another algorithm inside a `with` block, in the whole process.

    Args:
        algorithm: as for `conv2d`.

    Raises:
        ArgumentError: an unknown algorithm.

    Example:
        >>> with use_algorithm("direct"):
        ...     convitro.functional.conv2d(torch.ones(1, 8, 6, 6), torch.ones(8, 8, 3, 3)).shape
        torch.Size([1, 8, 4, 4])
    """
    check_choice(algorithm, ALGORITHMS, "use_algorithm: unknown algorithm.")
    _forced.append(algorithm)
    try:
        yield
    finally:
        _forced.pop()


def requested(
    weight: Tensor, layer: tuple[Any, ...], algorithm: str, epilogue: tuple[Any, ...] | None = None
) -> Request:
    """Check the arguments of a layer, once for each set of them.

    Args:
        weight: the weight; only its shape counts.
        layer: stride, padding, dilation, groups, aggregation, window, combine, padding_mode.
        algorithm: one of `ALGORITHMS`.
        epilogue: activation, pool and pool_stride of a block.
    """
    algorithm = _forced[-1] if _forced and algorithm == "auto" else algorithm
    if torch.compiler.is_compiling():
        return _checked(weight.shape, layer, algorithm, epilogue)
    try:
        return _known(weight.shape, layer, algorithm, epilogue)
    except TypeError:  # an argument that cannot be remembered, such as a list
        return _checked(weight.shape, layer, algorithm, epilogue)


def _checked(
    weight_shape: tuple[int, ...], layer: tuple[Any, ...], algorithm: str, epilogue: tuple[Any, ...] | None
) -> Request:
    stride, padding, dilation, groups, aggregation, window, combine, padding_mode = layer
    caller = "conv2d" if epilogue is None else "conv_block"
    check_choice(algorithm, ALGORITHMS, f"{caller}: unknown algorithm.")
    problem = conv_problem(
        weight_shape, stride, padding, dilation, groups, padding_mode=padding_mode, caller=caller
    )
    block = BlockProblem(problem) if epilogue is None else checked_block(problem, *epilogue)
    return _with_layer(Request(block, operator(aggregation, window, combine), algorithm, None))


_known = functools.lru_cache(maxsize=4096, typed=True)(_checked)


def checked_block(problem: ConvProblem, activation: str, pool: Any, pool_stride: Any) -> BlockProblem:
    """A convolution with an activation and a pooling that were checked."""
    check_choice(activation, tuple(aten.ACTIVATIONS), "conv_block: unknown activation.")
    if pool is None:
        return BlockProblem(problem, activation)
    window = integer_pair(pool, "conv_block: `pool`", least=1)
    step = window if pool_stride is None else integer_pair(pool_stride, "conv_block: `pool_stride`", least=1)
    return BlockProblem(problem, activation, window, step)


def _with_layer(request: Request) -> Request:
    """With the fused block, if a single call of the engine can do it all."""
    chosen, problem = request.operator, request.block.conv
    plain = chosen.multiplies_and_adds and chosen.aggregation.name == "sum"
    zeros = problem.padding_mode == "zeros" or not any(problem.padding)
    if torch.compiler.is_compiling() or not (plain and zeros) or request.algorithm in ("aten", "reference"):
        return request
    return replace(request, layer=blocks.layer_of(request.block, request.algorithm))


def compute(
    request: Request, input: Tensor, weight: Tensor, bias: Tensor | None, *, switches: bool = False
) -> Computed:
    """The layer's maps by whatever serves them best.

    Args:
        request: the layer.
        input, weight, bias: tensors that were not checked yet.
        switches: whether to return the switches of a block, too.
    """
    layer = request.layer
    if layer is not None and not torch.compiler.is_compiling():
        known = blocks.call(layer, input, weight, bias, switches)
        if known is not None:
            return _opened(*known) if switches else Computed(known[0], None)
    return _compute(request, input, weight, bias, switches)


def _opened(output: Tensor, switches: Tensor | None) -> Computed:
    """With the switches as people know them: where relu made a whole window zero its first pixel won."""
    assert switches is not None
    return Computed(output, switches.masked_fill(switches == CLOSED, 0))


def _compute(
    request: Request, input: Tensor, weight: Tensor, bias: Tensor | None, switches: bool
) -> Computed:
    """The same, with all checks."""
    block, chosen = request.block, request.operator
    check_tensors(block.conv, input, weight, bias)
    check_window(
        block.pool,
        block.conv.output_size(*input.shape[-2:]),
        "conv_block: the pooling window is larger than the maps.",
    )
    if autocasts(input.device):
        dtype = torch.get_autocast_dtype(input.device.type)
        input, weight = input.to(dtype), weight.to(dtype)
        bias = None if bias is None else bias.to(dtype)
    conv, batched = padded(block.conv, input if input.dim() == 4 else input.unsqueeze(0))
    if chosen.aggregation.separate:
        maps = _separately(replace(request, block=BlockProblem(conv)), batched, weight, bias)
        computed = _finished(block, maps, switches)
    else:
        computed = _routed(
            replace(request, block=replace(block, conv=conv)), (batched, weight, bias), switches
        )
    if input.dim() == 4:
        return computed
    return Computed(*(None if tensor is None else tensor.squeeze(0) for tensor in computed))  # type: ignore[arg-type]


def _routed(request: Request, tensors: tuple[Tensor, Tensor, Tensor | None], switches: bool) -> Computed:
    """By the engine, PyTorch or the reference, whichever serves the operator."""
    input, weight, bias = tensors
    block, chosen, algorithm = request.block, request.operator, request.algorithm
    refused = aten.aten_reasons(chosen)
    if refused and algorithm not in ("auto", "reference"):
        raise _unsupported(algorithm, refused)
    if refused or algorithm == "reference":
        return _finished(block, _reference(block.conv, chosen, input, weight, bias), switches)
    if chosen.aggregation.name == "mean":
        weight = weight / block.conv.channels_per_filter
    if algorithm != "aten":
        refused = engine_reasons(block, algorithm, input, weight, bias)
        if not refused:
            found = blocks.block(block, algorithm, (input, weight, bias), switches)
            return _opened(*found) if switches else Computed(found[0], None)
        if algorithm != "auto":
            raise _unsupported(algorithm, refused)
    return Computed(*aten.block(block, input, weight, bias, switches=switches))


def _unsupported(algorithm: str, reasons: list[str]) -> UnsupportedError:
    return UnsupportedError(
        f'conv2d: algorithm="{algorithm}" cannot compute this layer.',
        received="; ".join(reasons),
        hint='algorithm="auto" takes one that can',
    )


def _finished(block: BlockProblem, maps: Tensor, switches: bool) -> Computed:
    """Activation and pooling by PyTorch."""
    return Computed(*aten.finish(block, maps, switches=switches))


def _reference(
    problem: ConvProblem, chosen: Operator, input: Tensor, weight: Tensor, bias: Tensor | None
) -> Tensor:
    if not input.dtype.is_floating_point:
        raise DtypeError(
            f"conv2d: {chosen.aggregation} needs floating point.",
            expected="float16, bfloat16, float32 or float64",
            received=str(input.dtype),
        )
    result = aggregate(problem, chosen, input, weight)
    if bias is not None:
        result = result + bias.to(result.dtype)[:, None, None]
    return result.to(input.dtype)


def _separately(request: Request, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Every partial map on its own: a layer with one group per channel, whose sum has one item."""
    problem = request.block.conv
    groups, channels = problem.groups, problem.channels_per_filter
    apart = weight.unflatten(0, (groups, -1)).transpose(1, 2)  # (G, C, O, KH, KW)
    single = replace(problem, out_channels=problem.out_channels * channels, groups=groups * channels)
    summed = replace(request.operator, aggregation=Sum())
    request = Request(BlockProblem(single), summed, request.algorithm, None)
    maps = _routed(request, (input, apart.flatten(0, 2).unsqueeze(1), None), False).output
    maps = maps.unflatten(1, (groups, channels, -1)).transpose(2, 3).flatten(1, 3)  # (N, G * O * C, H, W)
    return maps if bias is None else maps + bias.repeat_interleave(channels).to(maps.dtype)[:, None, None]
