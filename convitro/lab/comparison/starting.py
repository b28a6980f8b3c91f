"""The network that a training begins with: the same first weights in every arm, under its regime."""

from __future__ import annotations

import copy
import math
from collections import OrderedDict
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convitro.errors import UnsupportedError
from convitro.lab.augment import stream
from convitro.lab.calibrate import PICTURES, calibrate
from convitro.lab.comparison.arms import Arm
from convitro.lab.data import Sets, order
from convitro.lab.networks import build_network, check_scores
from convitro.lab.recipe import Recipe

NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm)


def starting_network(model: str | None, arm: Arm, regime: str, sets: Sets, recipe: Recipe) -> nn.Module:
    """A network with the seed's first weights under an arm and a regime.

    Args:
        model: as for `Design`.
        recipe: its seed.

    Raises:
        UnsupportedError: the regime "batchnorm" and a convolution outside of an nn.Sequential.
        LoadError, ShapeError, ArgumentError: as `build_network`, or the network has no convolution.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(stream(recipe.seed, "weights"))
        network = build_network(model, sets.input_size, len(sets.classes), "sum")
    network = arm.take(network)
    if regime == "batchnorm":
        network = normalised(network)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if regime == "calibrated":
        calibrate(network, first_pictures(sets, recipe))
    check_scores(network, sets.input_size, len(sets.classes))
    return network.train()


def first_pictures(sets: Sets, recipe: Recipe) -> Float[Tensor, "N C H W"]:
    """Those with which a training begins; they stand for the rest."""
    first = order(len(sets.train), recipe.seed, epoch=0)[:PICTURES]
    return next(sets.train.batches([first]))[0]


@torch.no_grad()
def scales(network: nn.Module, images: Float[Tensor, "N C H W"]) -> dict[str, float | None]:
    """The deviation of each convolution's maps around their means, as a training step would see them.

    Under "calibrated" it is 1 where a scale of the weights makes it so, which there may not be: the distances
    of windows to a filter deviate however small the filter is.
    """
    found: dict[str, float | None] = {}
    twin = copy.deepcopy(network).train()  # BatchNorm takes the numbers of the batch, and remembers them

    def keep(name: str, maps: Tensor) -> None:
        spread = float(maps.double().transpose(0, 1).flatten(1).var(1).mean().sqrt())
        found.setdefault(name, float(f"{spread:.6g}") if math.isfinite(spread) else None)

    for name, module in twin.named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda _, __, maps, name=name: keep(name, maps))
    with torch.random.fork_rng(devices=[]):
        twin(images)
    return found


def normalised(network: nn.Module) -> nn.Module:
    """`network` with a BatchNorm2d behind each convolution that has none yet; in place, names kept.

    The norm of "conv1" is "conv1_norm". The convolution is no longer part of one pass with its activation.

    Raises:
        UnsupportedError: a convolution stands outside of an nn.Sequential, so nobody knows what follows it.
    """
    inside = set()
    for parent in list(network.modules()):
        if isinstance(parent, nn.Sequential):
            inside |= {child for child in parent if isinstance(child, nn.Conv2d)}
            parent._modules = _with_norms(parent._modules)
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d) and module not in inside:
            raise UnsupportedError(
                f'compare: no BatchNorm can be put behind layer "{name}".',
                expected="convolutions inside an nn.Sequential",
                received="one that the network's own forward calls",
                hint='leave the regime "batchnorm" out, or give a network that has its norms already',
            )
    return network


def _with_norms(modules: Any) -> Any:
    """The children with the norms among them."""
    result: OrderedDict[str, nn.Module | None] = OrderedDict()
    for (name, module), (_, following) in pairwise([*modules.items(), ("", None)]):
        result[name] = module
        if isinstance(module, nn.Conv2d) and not isinstance(following, NORMS):
            result[f"{name}_norm"] = nn.BatchNorm2d(module.out_channels)
    return result


def described(network: nn.Module, model: str | None) -> dict[str, Any]:
    """The network in words and numbers, as JSON."""
    convolutions = [
        {"name": name, "channels": module.in_channels // module.groups, "filters": module.out_channels}
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d)
    ]
    return {
        "name": "default network" if model is None else model.rpartition(":")[2],
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "convolutions": convolutions,
    }
