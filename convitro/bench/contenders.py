"""Who computes a layer: ours, and PyTorch in three forms. Other runtimes: `runtimes`."""

from __future__ import annotations

import importlib.util
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convitro.bench.layers import Layer
from convitro.functional import conv_block


@dataclass(frozen=True, eq=False)
class Case:
    """A layer with numbers in it. Outputs are of unit scale, so errors of layers compare.

    Attributes:
        input: (N, C, H, W), contiguous.
        weight, bias: as for torch.nn.functional.conv2d.
        threads: how many a contender may use.
    """

    layer: Layer
    input: Tensor
    weight: Tensor
    bias: Tensor
    threads: int

    @staticmethod
    def of(layer: Layer, threads: int) -> Case:
        """The layer with the same random numbers every time."""
        generator = torch.Generator().manual_seed(0)
        shape = layer.weight_shape
        fan_in = shape[1] * shape[2] * shape[3]
        weight = torch.randn(shape, generator=generator) / fan_in**0.5
        input = torch.randn((layer.batch, *layer.image), generator=generator)
        return Case(layer, input, weight, torch.randn(shape[0], generator=generator) / 10, threads)

    @cached_property
    def expected(self) -> Tensor:
        """The output in float64, by PyTorch, one image at a time to save memory."""
        layer = self.layer
        weight, bias = self.weight.double(), self.bias.double()
        images = []
        for image in self.input.split(1):
            geometry = (layer.stride, layer.padding, layer.dilation, layer.groups)
            maps = F.relu(F.conv2d(image.double(), weight, bias, *geometry))
            images.append(F.max_pool2d(maps, layer.pool, layer.pool_stride) if layer.pool else maps)
        return torch.cat(images)

    def error(self, output: Tensor) -> float:
        """Largest difference from `expected`, relative to its largest number; infinite for another shape."""
        if output.shape != self.expected.shape:
            return float("inf")
        difference = (output.double() - self.expected).abs().amax() / self.expected.abs().amax()
        return float(difference.nan_to_num(float("inf")))


def not_installed(package: str) -> str:
    """A reason, with the remedy, if a package is not there."""
    there = importlib.util.find_spec(package) is not None
    return "" if there else f'{package} is not installed: `pip install "convitro[bench]"` adds it'


class Contender(ABC):
    """Somebody who computes layers."""

    name: str
    package = ""  # that must be installed
    ours = False
    one_thread = False  # whatever the run has

    def missing(self) -> str:
        """Why it cannot run here; empty where it can."""
        return not_installed(self.package) if self.package else ""

    @abstractmethod
    def prepare(self, case: Case) -> Callable[[], Any]:
        """One forward pass, its input at hand in the layout it likes best, its output allocated anew."""

    def output(self, result: Any) -> Tensor:
        """What a forward pass returned, as (N, C, H, W)."""
        assert isinstance(result, Tensor)
        return result


class Convitro(Contender):
    """Ours, with channels_last input."""

    name = "convitro"
    ours = True
    layout = torch.channels_last

    def prepare(self, case: Case) -> Callable[[], Any]:
        """The functional block."""
        layer, weight, bias = case.layer, case.weight, case.bias
        input = case.input.contiguous(memory_format=self.layout)
        geometry = (layer.stride, layer.padding, layer.dilation, layer.groups)
        pool, step = layer.pool or None, layer.pool_stride or None
        return lambda: conv_block(input, weight, bias, *geometry, pool=pool, pool_stride=step)


class ConvitroContiguous(Convitro):
    """Ours, with contiguous input."""

    name = "convitro NCHW"
    layout = torch.contiguous_format


class ConvitroOneThread(Convitro):
    """Ours with one thread, in a run with several: the difference is what the others add."""

    name = "convitro 1 thread"
    one_thread = True


class Torch(Contender):
    """PyTorch's modules, contiguous."""

    name = "torch"
    layout = torch.contiguous_format

    def prepare(self, case: Case) -> Callable[[], Any]:
        """A Sequential in evaluation mode; its ReLU writes in place."""
        layer = case.layer
        geometry = (layer.kernel, layer.stride, layer.padding, layer.dilation, layer.groups)
        convolution = nn.Conv2d(layer.image[0], layer.out_channels, *geometry)
        convolution.load_state_dict({"weight": case.weight, "bias": case.bias})
        pool = [nn.MaxPool2d(layer.pool, layer.pool_stride)] if layer.pool else []
        model = nn.Sequential(convolution, nn.ReLU(inplace=True), *pool).eval()
        model.to(memory_format=self.layout)  # type: ignore[call-overload]
        input = case.input.contiguous(memory_format=self.layout)
        return partial(self.built(model.requires_grad_(False)), input)

    def built(self, model: nn.Module) -> Callable[[Tensor], Tensor]:
        """What is called."""
        return model


class TorchChannelsLast(Torch):
    """PyTorch's modules, input and weights in channels_last."""

    name = "torch channels_last"
    layout = torch.channels_last


class TorchCompile(TorchChannelsLast):
    """The same modules through torch.compile."""

    name = "torch.compile"

    def missing(self) -> str:
        """Its code for processors needs a C++ compiler."""
        found = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
        return "" if found else "torch.compile needs a C++ compiler"

    def built(self, model: nn.Module) -> Callable[[Tensor], Tensor]:
        """Compiled for this very shape."""
        torch.compiler.reset()
        return torch.compile(model, dynamic=False, fullgraph=True)
