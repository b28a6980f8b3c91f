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
import convitro.engine.fold.execute as fold
import convitro.ops.block as blocks
from convitro.aggregation import Operator, Sum, operator
from convitro.checks import autocasts, check_parameter, check_tensors, check_window, padded
from convitro.engine.choice import ALGORITHMS, engine_reasons
from convitro.engine.cpu.finish import CLOSED
from convitro.errors import DtypeError, UnsupportedError
from convitro.geometry import BlockProblem, ConvProblem, check_choice, conv_problem, integer_pair
from convitro.ops.aggregate import aggregate
from convitro.ops.shortcut import remember, shortcut

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
        parameter: of the aggregation, where it is learned.
    """

    block: BlockProblem
    operator: Operator
    algorithm: str
    parameter: Tensor | None = None


@contextmanager
def use_algorithm(algorithm: str) -> Iterator[None]:
    """Let "auto" mean another algorithm inside a `with` block, in the whole process.

    Args:
        algorithm: as for `conv2d`.

    Raises:
        ArgumentError: an unknown algorithm.

    Example:
        >>> import convitro
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


def chosen_algorithm(algorithm: str) -> str:
    """What `algorithm` means now: inside `use_algorithm`, "auto" is another one."""
    return _forced[-1] if _forced and algorithm == "auto" else algorithm


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
    return Request(block, operator(aggregation, window, combine), algorithm)


_known = functools.lru_cache(maxsize=4096, typed=True)(_checked)


def checked_block(problem: ConvProblem, activation: str, pool: Any, pool_stride: Any) -> BlockProblem:
    """A convolution with an activation and a pooling that were checked."""
    check_choice(activation, tuple(aten.ACTIVATIONS), "conv_block: unknown activation.")
    if pool is None:
        return BlockProblem(problem, activation)
    window = integer_pair(pool, "conv_block: `pool`", least=1)
    step = window if pool_stride is None else integer_pair(pool_stride, "conv_block: `pool_stride`", least=1)
    return BlockProblem(problem, activation, window, step)


def computed(
    arguments: tuple[Any, ...],
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    parameter: Tensor | None = None,
) -> Tensor:
    """The maps of a layer: the short way if this very call was made before, else with all checks.

    Args:
        arguments: what `requested` takes after the weight.
        input, weight, bias: tensors that were not checked yet.
        parameter: of the aggregation, where it is learned; such a layer has no short way.
    """
    if parameter is not None:
        return compute(requested(weight, *arguments), input, weight, bias, parameter=parameter).output
    output = shortcut(arguments, input, weight, bias)
    if output is None:
        request = requested(weight, *arguments)
        output = compute(request, input, weight, bias).output
        layer = None if torch.compiler.is_compiling() else _fused(request, input, weight, bias)
        if layer is not None:
            remember(arguments, layer, input, weight, bias)
    return output


def compute(
    request: Request,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    switches: bool = False,
    parameter: Tensor | None = None,
) -> Computed:
    """The layer's maps by whatever serves them best.

    Args:
        request: the layer.
        input, weight, bias: tensors that were not checked yet.
        switches: whether to return the switches of a block, too.
        parameter: of the aggregation, where it is learned.
    """
    block, chosen = request.block, request.operator
    check_tensors(block.conv, input, weight, bias)
    if parameter is not None:
        check_parameter(chosen.aggregation, parameter, weight)
        request = replace(request, parameter=parameter)
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


def _fused(request: Request, input: Tensor, weight: Tensor, bias: Tensor | None) -> blocks.Layer | None:
    """The block that a single pass of the engine computes, if that is all that the request asks for."""
    block, chosen = request.block, request.operator
    plain = chosen.multiplies_and_adds and chosen.aggregation.name == "sum" and input.dim() == 4
    if not plain or request.algorithm in ("fold", "aten", "reference"):
        return None
    if block.conv.padding_mode != "zeros" or engine_reasons(block, request.algorithm, input, weight, bias):
        return None
    return blocks.layer_of(block, request.algorithm)


def _opened(output: Tensor, switches: Tensor | None) -> Computed:
    """With the switches as people know them: where relu made a whole window zero its first pixel won."""
    assert switches is not None
    return Computed(output, switches.masked_fill(switches == CLOSED, 0))


def _routed(request: Request, tensors: tuple[Tensor, Tensor, Tensor | None], switches: bool) -> Computed:
    """By the engine, PyTorch or the reference, whichever serves the operator."""
    input, weight, bias = tensors
    block, chosen, algorithm = request.block, request.operator, request.algorithm
    refused = aten.aten_reasons(chosen)
    if refused and algorithm not in ("auto", "fold", "reference"):
        raise _unsupported(algorithm, refused)
    if algorithm == "fold" or (refused and algorithm == "auto"):
        unfit = fold.fold_reasons(block, chosen, input, weight, bias)
        if not unfit:
            return _folded(request, tensors, switches)
        if algorithm == "fold":
            raise _unsupported(algorithm, unfit)
    if refused or algorithm == "reference":
        return _finished(block, _by_item(request, tensors, "reference"), switches)
    if chosen.aggregation.name == "mean":
        weight = weight / block.conv.channels_per_filter
    if algorithm != "aten":
        refused = engine_reasons(block, algorithm, input, weight, bias)
        if not refused:
            tensors = (input, weight, bias)
            found = blocks.block(block, algorithm, tensors, switches)
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


def _folded(request: Request, tensors: tuple[Tensor, Tensor, Tensor | None], switches: bool) -> Computed:
    """By the fused kernels: all of the block in one pass, or its maps alone where a gradient is wanted."""
    block, parameter, learned = request.block, request.parameter, (*tensors, request.parameter)
    wanted = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in learned)
    if wanted or torch.compiler.is_compiling() or blocks.watched(*learned):
        return _finished(block, _by_item(request, tensors, "fold"), switches)
    pools = switches and block.pools
    found = fold.forward(block, request.operator, tensors, switches=pools, parameter=parameter)
    if switches and not block.pools:
        return Computed(found.output, torch.zeros_like(found.output, dtype=torch.uint8))
    return _opened(found.output, found.switches) if switches else Computed(found.output, None)


def _by_item(request: Request, tensors: tuple[Tensor, Tensor, Tensor | None], algorithm: str) -> Tensor:
    """The maps as a differentiable operator, and the bias."""
    (input, weight, bias), chosen = tensors, request.operator
    if not input.dtype.is_floating_point:
        raise DtypeError(
            f"conv2d: {chosen.aggregation} needs floating point.",
            expected="float16, bfloat16, float32 or float64",
            received=str(input.dtype),
        )
    result = aggregate(request.block.conv, chosen, input, weight, algorithm, request.parameter)
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
    request = Request(BlockProblem(single), summed, request.algorithm)
    maps = _routed(request, (input, apart.flatten(0, 2).unsqueeze(1), None), False).output
    maps = maps.unflatten(1, (groups, channels, -1)).transpose(2, 3).flatten(1, 3)  # (N, G * O * C, H, W)
    return maps if bias is None else maps + bias.repeat_interleave(channels).to(maps.dtype)[:, None, None]
