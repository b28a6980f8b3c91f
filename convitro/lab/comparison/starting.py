"""The network that a training begins with: the same first weights in every arm, under its regime."""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise
from typing import Any

import torch
from torch import nn

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
        first = order(len(sets.train), recipe.seed, epoch=0)[:PICTURES]
        calibrate(network, next(sets.train.batches([first]))[0])
    check_scores(network, sets.input_size, len(sets.classes))
    return network.train()


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
