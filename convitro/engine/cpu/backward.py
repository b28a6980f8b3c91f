"""The gradients of a block on one shape of input: a convolution for the input, one for parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor

from convitro.engine.cpu.blocking import Sliding
from convitro.engine.cpu.choice import chosen
from convitro.engine.cpu.gradient_source import GradientSource
from convitro.engine.cpu.input_gradient import InputGradient
from convitro.engine.cpu.isa import Isa
from convitro.engine.cpu.layer import (
    Form,
    accumulation,
    channels_last,
    keeps,
    sliding_of,
)
from convitro.engine.cpu.parameter_gradients import ParameterGradients, ParameterRequest, Wanted
from convitro.engine.cpu.turned import Beside
from convitro.geometry import BlockProblem

Gradients = tuple[Tensor | None, Tensor | None, Tensor | None]
"""Of input, weight and bias; None for those that are not asked for."""


class Needs(NamedTuple):
    """Which gradients are asked for."""

    input: bool
    weight: bool
    bias: bool


class Backward:
    """The backward pass of a block on one shape of input.

    Args:
        block: the forward pass.
        forms: of input and weight, and the dtype of the output's gradient.
        needs: which gradients are asked for.
        algorithm: of the input's gradient, "auto" or one of `choice.ALGORITHMS`.
        isa, team: the vectors to use, and how many threads.
    """

    def __init__(
        self,
        block: BlockProblem,
        forms: tuple[Form, Form, str],
        needs: Needs,
        algorithm: str,
        isa: Isa,
        team: int,
    ) -> None:
        input, weight, element = forms
        images, _, height, width = input.shape
        pooled = (images, block.conv.out_channels, *block.output_size(height, width))
        self._input = self._parameters = None
        self._beside = Beside(pooled, isa, team)
        if needs.input:
            sizes = _gradient_sizes("input", pooled)
            source = _source(block, input.element, element)
            self._input = InputGradient(
                block, (input, weight), source, _choice(algorithm, input), sizes, isa, team
            )
        if needs.weight or needs.bias:
            source = _source(block, input.element, element)
            sliding = sliding_of(block, images, height, width)
            wanted = Wanted(needs.weight, needs.bias)
            request = ParameterRequest(sliding, input, weight, source, wanted, algorithm)
            sizes = _gradient_sizes("gradient", pooled)
            self._parameters = ParameterGradients(request, sizes, isa, team)

    def __call__(
        self, gradient: Tensor, input: Tensor, weight: Tensor, saved: Sequence[Tensor | None]
    ) -> Gradients:
        """The gradients, from that of the output and what was saved: output, switches, numbers before."""
        (output, switches, before), gradient = saved, self._beside.turned(gradient)
        pooled = before if output is None else self._beside.turned(output)
        addresses = (
            gradient.data_ptr(),
            0 if pooled is None else pooled.data_ptr(),
            0 if switches is None else switches.data_ptr(),
        )
        of_input = of_weight = of_bias = None
        if self._input is not None:
            of_input = self._input(weight, addresses)
        if self._parameters is not None:
            of_weight, of_bias = self._parameters(input, addresses)
        return of_input, of_weight, of_bias


def _choice(algorithm: str, input: Form) -> Callable[[Sliding], str]:
    """The algorithm of a convolution that is part of an input's gradient."""
    if algorithm == "direct":
        return lambda sliding: "direct"
    return lambda sliding: chosen(sliding, input.element)


def _gradient_sizes(tensor: str, shape: Sequence[int]) -> dict[str, int]:
    """The sizes of the output's gradient, whose channels lie side by side."""
    image, _, row, column = channels_last(shape)
    return {
        f"{tensor}_height": shape[2],
        f"{tensor}_width": shape[3],
        f"{tensor}_image": image,
        f"{tensor}_row": row,
        f"{tensor}_column": column,
    }


def _source(block: BlockProblem, element: str, gradient: str) -> GradientSource:
    """What packs the gradient of the convolution's output."""
    kept = keeps(block)
    saved = accumulation(element) if kept.before else element if kept.output else None
    return GradientSource(
        gradient, block.activation, block.pool, block.pool_stride, switches=kept.switches, saved=saved
    )
