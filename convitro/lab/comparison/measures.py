"""What a network is like beside its accuracy: its gradients, what cancels out, how much noise it bears."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from convitro.aggregation import Aggregation, resolve
from convitro.anatomy.cancellation import random_baseline, share_lost
from convitro.anatomy.convolution import Convolution
from convitro.anatomy.indexing import evenly
from convitro.anatomy.preserve import preserved
from convitro.errors import ShapeError
from convitro.geometry import conv_problem
from convitro.lab.augment import stream
from convitro.lab.result import strict
from convitro.nn import Conv2d

SIGMAS = (0.25, 0.5, 1.0)
"""Deviations of the Gaussian noise, as multiples of the pictures' own."""
SHARES = (0.05, 0.1, 0.2)
"""Of the pixels that impulse noise makes as dark or as bright as any."""
DROPPED = 8
"""Input channels of a layer that are dropped in turn, at most; spread evenly over all of them."""
PICTURES_DROPPED = 128
"""Pictures that are classified for each dropped channel, at most."""
LINEAR = ("sum", "mean")
"""Aggregations in which partial maps of opposite signs cancel out."""


@dataclass(frozen=True, eq=False)
class Call:
    """One run of a convolution: what went in and what came out, inside the graph of the gradients."""

    name: str
    layer: nn.Conv2d
    input: Tensor
    output: Tensor


def measure_network(
    network: nn.Module, images: Float[Tensor, "N C H W"], labels: Int64[Tensor, " N"], *, seed: int = 0
) -> dict[str, Any]:
    """Gradients and cancellation of each convolution, and the accuracy under noise and without a channel.

    The gradients are those of the mean cross-entropy of these pictures, as a training step would see them
    (BatchNorm with the numbers of the batch); accuracies are those of the network in evaluation mode. The
    noise depends on seed and pictures alone, so every network meets the same. The trap: a dropped channel is
    all zeros, which a sum does not notice but a maximum may prefer to what is left.

    Args:
        network: in any mode and on any device; afterwards it is what it was before.
        images, labels: a fixed batch, a few hundred pictures.
        seed: of the noise, and of dropout while gradients are measured.

    Returns:
        Strict JSON. "layers", for each convolution in the order in which they run: "name", "aggregation",
        "weight_norm", "weight_gradient" and "map_gradient" (Euclidean norms, maps before any normalisation),
        "zero_weight_gradients" and "zero_map_gradients" (shares that are exactly 0), "cancellation" (mean
        over the filters) with "random_cancellation" (what random weights would have on the same input; both
        None unless the aggregation is a sum or mean of several channels), "dropped" (channels tried, of how
        many, the mean accuracy without one; None for a layer that reads a single one).
        "accuracy": "clean", "gaussian" and "impulse" (a list of level and accuracy), "dropped" (mean over the
        layers). Infinite and NaN norms are words that `float` reads.

    Raises:
        ShapeError: pictures and labels do not fit each other.

    Units: accuracies, shares and levels in 0..1; sigmas as multiples of the pictures' standard deviation.

    Source: own; the baseline as `convitro.anatomy.cancellation.random_baseline`.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
        >>> found = measure_network(network, torch.rand(8, 1, 8, 8), torch.arange(8) % 2)
        >>> [layer["name"] for layer in found["layers"]], list(found["accuracy"])
        (['0'], ['clean', 'gaussian', 'impulse', 'dropped'])
    """
    check_pictures(images, labels)
    device = next((parameter.device for parameter in network.parameters()), images.device)
    images, labels = images.detach().to(device), labels.detach().to(device)
    with preserved(network):
        torch.manual_seed(stream(seed, "measures"))
        loss, layers = gradients(network.train(), images, labels)
        network.eval()
        for layer in layers:
            layer["dropped"] = without_channels(network, layer["name"], images, labels)
        return {
            "pictures": len(images),
            "seed": seed,
            "loss": strict(loss),
            "layers": layers,
            "accuracy": accuracies(network, images, labels, seed)
            | {"dropped": mean_of([layer["dropped"] for layer in layers if layer["dropped"]])},
        }


def gradients(network: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, list[dict[str, Any]]]:
    """The loss, and what each convolution shows of one step's gradients."""
    convolutions = {module: name for name, module in network.named_modules() if isinstance(module, nn.Conv2d)}
    for layer in convolutions:
        layer.weight.requires_grad_(True)
    calls: list[Call] = []
    with torch.enable_grad(), recorded(convolutions, calls):
        loss = F.cross_entropy(network(images), labels)
    wanted = [call.layer.weight for call in calls] + [call.output for call in calls]
    found = torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True) if wanted else ()
    pairs = zip(calls, found[: len(calls)], found[len(calls) :], strict=True)
    return float(loss.detach()), [described(call, weight, maps) for call, weight, maps in pairs]


@contextmanager
def recorded(layers: dict[nn.Conv2d, str], calls: list[Call]) -> Iterator[None]:
    """While this lasts every run of a layer is noted; a second one of the same layer as "name#2"."""

    def note(layer: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        assert isinstance(layer, nn.Conv2d)
        before = sum(call.layer is layer for call in calls)
        name = layers[layer] + (f"#{before + 1}" if before else "")
        calls.append(Call(name, layer, inputs[0], output))
        return output.clone()  # an activation in place must not write to what is kept

    handles = [layer.register_forward_hook(note) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def described(call: Call, weight: Tensor, maps: Tensor) -> dict[str, Any]:
    """The numbers of one layer."""
    lost, random = cancelled(call)
    return {
        "name": call.name,
        "aggregation": word_of(call.layer),
        "weight_norm": strict(float(call.layer.weight.detach().norm())),
        "weight_gradient": strict(float(weight.norm())),
        "map_gradient": strict(float(maps.norm())),
        "zero_weight_gradients": float((weight == 0).float().mean()),
        "zero_map_gradients": float((maps == 0).float().mean()),
        "cancellation": lost,
        "random_cancellation": random,
    }


def word_of(layer: nn.Conv2d) -> str:
    """How a layer combines its channels; the name of a preset that has a way of its own."""
    aggregation = aggregation_of(layer)
    return str(getattr(layer, "preset", type(layer).__name__)) if aggregation is None else aggregation.spec


def aggregation_of(layer: nn.Conv2d) -> Aggregation | None:
    """What combines the channels; None for layers that are neither torch's nor ours."""
    if isinstance(layer, Conv2d):
        return layer.aggregation
    return resolve("sum") if type(layer) is nn.Conv2d else None


def cancelled(call: Call) -> tuple[float | None, float | None]:
    """1 - |sum of partial maps| / sum of their sizes, mean over the filters; and that of random weights."""
    run = as_convolution(call)
    if run is None:
        return None, None
    kept = call.output.detach().float()
    if run.bias is not None:
        kept = kept - run.bias[:, None, None]
    if run.aggregation.name == "mean":
        kept = kept * run.problem.channels_per_filter
    brought = run.convolve(run.input, run.weight, None, run.problem.groups, "norm(q=1.0)")
    kept, brought = kept.abs().transpose(0, 1), brought.transpose(0, 1)
    lost = [share_lost(*maps) for maps in zip(kept, brought, strict=True)]
    size = run.filters // run.problem.groups
    random = [random_baseline(run, first) or 0.0 for first in range(0, run.filters, size)]  # alike in a group
    return sum(lost) / len(lost), sum(random) / len(random)


def as_convolution(call: Call) -> Convolution | None:
    """The run as our anatomy describes one; None where opposite signs do not cancel out."""
    layer, aggregation = call.layer, aggregation_of(call.layer)
    combine, window = getattr(layer, "combine", "multiply"), getattr(layer, "window", resolve("sum"))
    if aggregation is None or aggregation.name not in LINEAR or combine != "multiply" or window.name != "sum":
        return None
    sliding: Any = (layer.stride, layer.padding, layer.dilation, layer.groups)
    problem = conv_problem(layer.weight.shape, *sliding, padding_mode=layer.padding_mode)
    if problem.channels_per_filter == 1:  # which has nothing to cancel out with
        return None
    bias = None if layer.bias is None else layer.bias.detach().float()
    input, weight = call.input.detach().float(), layer.weight.detach().float()
    return Convolution(call.name, input, weight, bias, problem, aggregation, window, combine)


def accuracies(network: nn.Module, images: Tensor, labels: Tensor, seed: int) -> dict[str, Any]:
    """Accuracy as the pictures are, and under noise; a stronger noise is the same one, grown."""
    generator = torch.Generator().manual_seed(stream(seed, "noise"))
    normal = torch.randn(images.shape, generator=generator).to(images)
    place = torch.rand(len(images), 1, *images.shape[2:], generator=generator).to(images)
    bright = (torch.rand(place.shape, generator=generator) < 0.5).to(images.device)
    extreme = torch.where(bright, images.max(), images.min())
    deviation = images.std()

    def gaussian(level: float) -> Tensor:
        return images + level * deviation * normal

    def impulse(level: float) -> Tensor:
        return torch.where(place < level, extreme, images)

    def under(noise: Callable[[float], Tensor], levels: tuple[float, ...]) -> list[dict[str, float]]:
        return [{"level": level, "accuracy": accuracy(network, noise(level), labels)} for level in levels]

    return {
        "clean": accuracy(network, images, labels),
        "gaussian": under(gaussian, SIGMAS),
        "impulse": under(impulse, SHARES),
    }


def without_channels(network: nn.Module, name: str, images: Tensor, labels: Tensor) -> dict[str, Any] | None:
    """Mean accuracy with one of the layer's input channels all zeros, each in its turn."""
    layer = network.get_submodule(name.partition("#")[0])
    assert isinstance(layer, nn.Conv2d)
    count = layer.in_channels
    if count == 1:
        return None
    tried = evenly(count, DROPPED)
    images, labels = images[:PICTURES_DROPPED], labels[:PICTURES_DROPPED]
    found = []
    for channel in tried:
        with channel_dropped(layer, channel):
            found.append(accuracy(network, images, labels))
    return {"channels": len(tried), "of": count, "accuracy": sum(found) / len(found)}


@contextmanager
def channel_dropped(layer: nn.Module, channel: int) -> Iterator[None]:
    """While this lasts the layer reads zeros in place of one of its input channels."""

    def drop(_: nn.Module, inputs: Any) -> Any:
        input = inputs[0].clone()
        input[:, channel] = 0
        return (input, *inputs[1:])

    handle = layer.register_forward_pre_hook(drop)
    try:
        yield
    finally:
        handle.remove()


def accuracy(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The share of the pictures that get their label."""
    return float((network(images).argmax(1) == labels).float().mean())


def mean_of(dropped: list[dict[str, Any]]) -> float | None:
    """The mean accuracy of layers, None for none."""
    return sum(entry["accuracy"] for entry in dropped) / len(dropped) if dropped else None


def check_pictures(images: Tensor, labels: Tensor) -> None:
    """Raise a ShapeError unless there is one label for each of at least two pictures."""
    if images.ndim != 4 or labels.shape != images.shape[:1] or len(images) < 2:
        raise ShapeError(
            "measure_network: pictures and labels do not fit each other.",
            expected="images (N, C, H, W) and labels (N,), N at least 2",
            received=f"images {tuple(images.shape)}, labels {tuple(labels.shape)}",
        )
