"""The network that is trained: the embedded one's plan for any data, or one's own, under an aggregation."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from convitro.aggregation import Aggregation
from convitro.errors import ArgumentError, ShapeError, UnsupportedError, first_line
from convitro.lab.fuse import fuse
from convitro.models.small_vgg import stages
from convitro.nn import Conv2d
from convitro.sources import load

WIDTHS = (32, 64, 96, 128, 160)
SMALL_WIDTHS = (16, 32)
SMALLEST_SIDE = 4


def default_network(input_size: tuple[int, int, int], classes: int) -> nn.Sequential:
    """The embedded network's plan for pictures of this size: its own for 3x32x32, fewer stages for smaller.

    Args:
        input_size: (C, H, W); the shorter side decides how often the maps are halved.
        classes: how many scores there are.

    Raises:
        ShapeError: pictures of fewer than 4 rows or columns.

    Example:
        >>> network = default_network((1, 8, 8), classes=10)
        >>> sum(parameter.numel() for parameter in network.parameters())
        16698
    """
    channels, side = input_size[0], min(input_size[1:])
    if side < SMALLEST_SIDE:
        raise ShapeError(
            "train: the pictures are too small for the default network.",
            expected=f"at least {SMALLEST_SIDE} x {SMALLEST_SIDE} pixels",
            received=f"{input_size[1]} x {input_size[2]}",
            hint="give a network of your own, or a larger input size",
        )
    count = max(2, min(len(WIDTHS), round(math.log2(side / 4))))
    widths = SMALL_WIDTHS if count == 2 else WIDTHS[:count]
    return stages(channels, classes, [(width, width) for width in widths])


def build_network(
    model: nn.Module | str | Path | None,
    input_size: tuple[int, int, int],
    classes: int,
    aggregation: str | Aggregation | None,
) -> nn.Module:
    """A network to train, with our layers in place of torch's; the given one stays as it is.

    Args:
        model: a module, "module:callable", or None for the default network.
        input_size, classes: of the data.
        aggregation: that of every convolution; None keeps the network's own.

    Raises:
        LoadError: as `convitro.load`.
        ShapeError: the network does not take such pictures, or gives another number of scores.
        ArgumentError, UnsupportedError: as `with_aggregation`.
    """
    if model is None:
        network: nn.Module = default_network(input_size, classes)
    else:
        network = copy.deepcopy(model) if isinstance(model, nn.Module) else load(model)
    network = with_aggregation(network.float(), aggregation)
    fuse(network)
    check_scores(network, input_size, classes)
    return network.train()


def with_aggregation(model: nn.Module, aggregation: str | Aggregation | None) -> nn.Module:
    """`model` with every torch.nn.Conv2d exchanged for ours, under this aggregation. In place, names kept.

    Args:
        model: what to change; the new layers share its parameters, so its state dict stays the same.
        aggregation: as for `convitro.Conv2d`; None means "sum" for torch's layers, and each own for ours.

    Returns:
        `model`, or the new layer where the model itself is a convolution.

    Raises:
        ArgumentError: an unknown aggregation, or none of the modules is a convolution.
        UnsupportedError: a subclass of torch.nn.Conv2d, whose own forward would be lost.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
        >>> with_aggregation(model, "max")[0]
        Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), aggregation=max)
    """
    exchanged: dict[nn.Module, nn.Module] = {}
    for name, module in model.named_modules():
        if type(module) is nn.Conv2d or (type(module) is Conv2d and aggregation is not None):
            learn = module.learn if isinstance(module, Conv2d) else None
            exchanged[module] = Conv2d.from_conv2d(module, aggregation or "sum", learn=learn)
        elif isinstance(module, nn.Conv2d) and type(module) is not Conv2d and aggregation is not None:
            raise UnsupportedError(
                f'train: the aggregation of layer "{name}" cannot be exchanged.',
                expected="torch.nn.Conv2d or convitro.Conv2d",
                received=f"{type(module).__name__}, whose own way of computing would be lost",
            )
    if aggregation is not None and not exchanged:
        raise ArgumentError(
            "train: `aggregation` has nothing to change.",
            expected="a network with torch.nn.Conv2d layers",
            received=f"{type(model).__name__} without any",
            hint="leave `aggregation` out to train it as it is",
        )
    return exchange(model, exchanged)


def exchange(model: nn.Module, others: Mapping[nn.Module, nn.Module]) -> nn.Module:
    """`model` with other modules in place of some, wherever they stand; in place unless it is one itself."""
    for parent in list(model.modules()):
        for name, child in list(parent._modules.items()):
            if child is not None and child in others:
                parent._modules[name] = others[child]
    return others.get(model, model)


@torch.no_grad()
def check_scores(network: nn.Module, input_size: tuple[int, int, int], classes: int) -> None:
    """Raise a ShapeError unless the network makes one score per class of such a picture."""
    size = "x".join(map(str, input_size))
    was_training = network.training
    try:
        scores = network.eval()(torch.zeros(2, *input_size))
    except Exception as error:  # the user's own forward may raise whatever it likes
        raise ShapeError(
            f"train: the network does not run on pictures of {size}.",
            expected="the channels, height and width that it was made for",
            received=f"{type(error).__name__}: {first_line(error)}",
            hint='`input_size` of the data set changes the pictures; aggregation="none" changes the layers',
        ) from error
    finally:
        network.train(was_training)
    if not isinstance(scores, Tensor) or tuple(scores.shape) != (2, classes):
        shape = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise ShapeError(
            "train: the network's scores do not fit the classes of the data.",
            expected=f"(N, {classes}): one score per class",
            received=f"{shape} for two pictures of {size}",
        )
