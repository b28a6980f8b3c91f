"""The suite "train": one step of the embedded network, ours against PyTorch's, and what forward keeps."""

from __future__ import annotations

import copy
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convitro.bench.inference import contenders_named
from convitro.bench.measure import Runner, interleaved
from convitro.bench.results import Row
from convitro.bench.targets import TRAINING
from convitro.models.small_vgg import CLASSES, INPUT_SIZE, WIDTHS, small_vgg
from convitro.nn import ConvBlock

# Of a gradient's norm. Rounding has 1e-6; where it decides a near tie in ReLU or pooling otherwise, 2e-3.
TOLERANCE = 1e-2
BATCHES = (32, 128)
Model = Callable[[Tensor], Tensor]


def of_blocks() -> nn.Sequential:
    """The embedded network out of our blocks, with the same parameters in the same order."""
    layers: list[nn.Module] = []
    in_channels = INPUT_SIZE[0]
    for widths in WIDTHS:
        for position, out_channels in enumerate(widths, start=1):
            pool = 2 if position == len(widths) else None
            layers.append(ConvBlock(in_channels, out_channels, 3, padding=1, pool=pool))
            in_channels = out_channels
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(in_channels, len(CLASSES))]
    return nn.Sequential(*layers)


class Step:
    """One training step, called again and again: forward, backward and SGD with momentum.

    Args:
        model: is trained; its parameters are the optimiser's.
        call: what runs it, the model itself or its compiled form.
        images, labels: the same at every step.
    """

    def __init__(self, model: nn.Module, call: Model, images: Tensor, labels: Tensor) -> None:
        self.model, self.call, self.images, self.labels = model, call, images, labels
        self.optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)

    def gradients(self) -> list[Tensor]:
        """Forward and backward; one gradient per parameter."""
        self.optimizer.zero_grad()
        F.cross_entropy(self.call(self.images), self.labels).backward()
        return [parameter.grad for parameter in self.model.parameters() if parameter.grad is not None]

    def __call__(self) -> None:
        """The whole step."""
        self.gradients()
        self.optimizer.step()

    def saved_bytes(self) -> tuple[int, int]:
        """What forward keeps for backward, every storage once, without parameters; and without inputs.

        A layer's input is needed for its weight's gradient, whoever computes it; the rest is what a block's
        own intermediates cost. A compiled model does not say what its layers' inputs are: there both are the
        same.
        """
        kept: dict[int, torch.UntypedStorage] = {}
        inputs: set[int] = set()

        def note(module: nn.Module, given: tuple[Tensor, ...]) -> None:
            inputs.add(given[0].untyped_storage().data_ptr())

        def keep(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage
            return tensor

        layers = [
            layer for layer in self.model.modules() if isinstance(layer, (ConvBlock, nn.Conv2d, nn.Linear))
        ]
        within = {id(layer.conv) for layer in layers if isinstance(layer, ConvBlock)}
        watched = [layer for layer in layers if id(layer) not in within] if self.call is self.model else []
        handles = [layer.register_forward_pre_hook(note) for layer in watched]
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = F.cross_entropy(self.call(self.images), self.labels)
        for handle in handles:
            handle.remove()
        parameters = {parameter.untyped_storage().data_ptr() for parameter in self.model.parameters()}
        sizes = {place: storage.nbytes() for place, storage in kept.items() if place not in parameters}
        del loss
        return sum(sizes.values()), sum(size for place, size in sizes.items() if place not in inputs)


def measure_training(
    names: Sequence[str], batches: Sequence[int], threads: int, budget_s: float
) -> Iterator[Row]:
    """One row per batch size, peers of these names (all of them for none)."""
    wanted = {contender.name: contender.missing() for contender in contenders_named(names)}
    for batch in batches:
        yield _measured(batch, wanted, threads, budget_s)


def steps(batch: int) -> Iterator[tuple[str, Callable[[], Step]]]:
    """Everybody's step, to be built when it is needed, from the same numbers."""
    torch.manual_seed(0)
    images, labels = torch.rand(batch, *INPUT_SIZE), torch.randint(len(CLASSES), (batch,))
    theirs = small_vgg(pretrained=False)
    ours = of_blocks()
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    contiguous, last = torch.contiguous_format, torch.channels_last

    def built(
        model: nn.Module, layout: Any, compile: Callable[[nn.Module], Any] = lambda model: model
    ) -> Step:
        model = copy.deepcopy(model)
        model.to(memory_format=layout)  # type: ignore[call-overload]
        return Step(model, compile(model), images.contiguous(memory_format=layout), labels)

    yield "convitro", lambda: built(ours, last)
    yield "convitro NCHW", lambda: built(ours, contiguous)
    yield "convitro 1 thread", lambda: built(ours, last)
    yield "torch", lambda: built(theirs, contiguous)
    yield "torch channels_last", lambda: built(theirs, last)
    yield "torch.compile", lambda: built(theirs, last, lambda model: torch.compile(model, dynamic=False))


def _measured(batch: int, wanted: dict[str, str], threads: int, budget_s: float) -> Row:
    torch.set_num_threads(threads)
    torch.compiler.reset()
    expected = exact_gradients(batch)
    runners: dict[str, Runner] = {}
    refused: dict[str, str] = {}
    saved: dict[str, int] = {}
    own: dict[str, int] = {}
    for name, build in steps(batch):
        alone = name == "convitro 1 thread"
        if name not in wanted or (alone and threads == 1):
            continue
        start = time.perf_counter()
        step = wanted[name] or checked(build, expected)
        if isinstance(step, str):
            refused[name] = step
            continue
        runners[name] = Runner(step, (time.perf_counter() - start) * 1e3, 1 if alone else threads)
        saved[name], own[name] = step.saved_bytes()
    timings = interleaved(runners, budget_s)
    name, shape = f"small_vgg b{batch}", f"{batch},3,32,32"
    return Row("train", TRAINING, name, shape, timings, refused, saved_bytes=saved, own_bytes=own)


def checked(build: Callable[[], Step], expected: list[Tensor]) -> Step | str:
    """A step whose first gradients are right; or what is wrong with them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compiler's, about itself
        step = build()
        error = worst_error(step.gradients(), expected)
    return step if error <= TOLERANCE else f"wrong: a gradient is off by {error:.1e} of its norm"


def exact_gradients(batch: int) -> list[Tensor]:
    """One gradient per parameter, in float64 by PyTorch."""
    step = dict(steps(batch))["torch"]()
    return Step(step.model.double(), step.model, step.images.double(), step.labels).gradients()


def worst_error(gradients: list[Tensor], expected: list[Tensor]) -> float:
    """The largest difference of two gradients, relative to the norm of the exact one."""
    pairs = list(zip(gradients, expected, strict=True))
    errors = [(ours.double() - exact).norm() / exact.norm() for ours, exact in pairs]
    return max(float(error.nan_to_num(float("inf"))) for error in errors)
