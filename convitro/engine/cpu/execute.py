"""A block on the CPU: what depends on shapes alone is prepared once, then a pass is one kernel."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

import convitro.engine.cpu.isa as instruction_sets
import convitro.engine.cpu.threads as threads
from convitro.engine.cpu.backward import Backward, Gradients, Needs
from convitro.engine.cpu.convolver import NAMES
from convitro.engine.cpu.isa import Isa
from convitro.engine.cpu.layer import Form, Forward, Saves, channels_last, keeps, output_strides
from convitro.geometry import BlockProblem

KEPT = 256
"""How many shapes of input a block keeps prepared calls for; the one that was met first goes first."""


class Prepared:
    """The passes of a block over inputs of one shape, each made when it is first asked for.

    Args:
        block: what is computed; its padding is of the kind "zeros".
        algorithm: "auto", or the one to use in the forward pass and for the input's gradient.
        forms: of input and weight, and the dtype of the bias, None without one.
        isa, team: the vectors to use, and how many threads.

    Attributes:
        block: what is computed.
        keeps: what backward needs of its own numbers.
    """

    def __init__(
        self,
        block: BlockProblem,
        algorithm: str,
        forms: tuple[Form, Form, str | None],
        isa: Isa,
        team: int,
    ) -> None:
        self.block, self.keeps = block, keeps(block)
        self._algorithm, self._forms, self._machine = algorithm, forms, (isa, team)
        self._forwards: dict[Saves, Forward] = {}
        self._backwards: dict[tuple[torch.dtype, tuple[bool, bool, bool]], Backward] = {}

    def forward(self, saves: Saves) -> Forward:
        """The forward pass that saves so much."""
        found = self._forwards.get(saves)
        if found is None:
            found = Forward(self.block, self._forms, saves, self._algorithm, *self._machine)
            self._forwards[saves] = found
        return found

    @functools.cached_property
    def inference(self) -> Forward:
        """The forward pass that saves nothing."""
        return self.forward(Saves())

    @functools.cached_property
    def training(self) -> Forward:
        """The forward pass that saves what backward needs."""
        return self.forward(Saves(self.keeps.switches, self.keeps.before))

    def backward(
        self, gradient: Tensor, tensors: Sequence[Tensor | None], needs: tuple[bool, bool, bool]
    ) -> Gradients:
        """The gradients that are asked for.

        Args:
            gradient: of the output.
            tensors: input, weight, and the output, switches and numbers before the activation as far as
                `layer.keeps` wants them.
            needs: which of input, weight and bias.
        """
        input, weight, *saved = tensors
        assert input is not None
        assert weight is not None
        key = (gradient.dtype, needs)
        found = self._backwards.get(key)
        if found is None:
            forms = (*self._forms[:2], NAMES[gradient.dtype])
            found = Backward(self.block, forms, Needs(*needs), self._algorithm, *self._machine)
            self._backwards[key] = found
        return found(gradient, input, weight, saved)


class Executor:
    """The passes of one block over any inputs.

    Args:
        block: what is computed; its padding is of the kind "zeros".
        algorithm: "auto", or one of `choice.ALGORITHMS`.
    """

    def __init__(self, block: BlockProblem, algorithm: str) -> None:
        self.block, self.algorithm = block, algorithm
        self._prepared: OrderedDict[Any, Prepared] = OrderedDict()

    def prepared(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Prepared:
        """The passes over tensors like these, which fit the block."""
        known = key(input, weight, bias)
        found = self._prepared.get(known)
        if found is None:
            forms = (Form.of(input), Form.of(weight), None if bias is None else NAMES[bias.dtype])
            isa, team = instruction_sets.current(), threads.available()
            found = self._prepared[known] = Prepared(self.block, self.algorithm, forms, isa, team)
            while len(self._prepared) > KEPT:
                self._prepared.popitem(last=False)
        return found


def empty_results(
    block: BlockProblem, input: Tensor, weight: Tensor, saves: Saves
) -> tuple[Tensor, Tensor, Tensor]:
    """Tensors like those of a forward pass, without values; of no size for what is not saved."""
    shape = (input.shape[0], weight.shape[0], *block.output_size(*input.shape[2:]))
    beside, before = channels_last(shape), torch.promote_types(input.dtype, torch.float32)
    output = input.new_empty_strided(shape, output_strides(shape, input.stride(), weight.stride()))
    switches = input.new_empty_strided(shape, beside, dtype=torch.uint8)
    numbers = input.new_empty_strided(shape, beside, dtype=before)
    # what is not saved becomes two tensors, not the same one twice: PyTorch asks which results share memory
    return (
        output,
        switches if saves.switches else input.new_empty(0),
        numbers if saves.before else input.new_empty(0),
    )


def empty_gradients(input: Tensor, weight: Tensor, needs: Needs) -> list[Tensor]:
    """Tensors like those of a backward pass that are asked for, without values."""
    gradients = []
    if needs.input:
        gradients.append(input.new_empty_strided(input.shape, channels_last(input.shape)))
    if needs.weight:
        gradients.append(torch.empty_like(weight))
    if needs.bias:
        gradients.append(weight.new_empty(weight.shape[0]))
    return gradients


def key(input: Tensor, weight: Tensor, bias: Tensor | None) -> Any:
    """All that a prepared pass depends on, besides the block."""
    return (
        input.shape,
        input.stride(),
        input.dtype,
        weight.shape,
        weight.stride(),
        weight.dtype,
        None if bias is None else (bias.shape, bias.stride(), bias.dtype),
        input.is_cpu and weight.is_cpu and (bias is None or bias.is_cpu),
        threads.available(),
        instruction_sets.current().name,
    )
