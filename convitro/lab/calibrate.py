"""First weights that fit their aggregation: each convolution begins with maps around 0 of unit scale."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

PICTURES = 128
ROUNDS = 12
CLOSE = 0.02  # of unit scale
LARGEST_STEP = math.log(10.0)  # of the logarithm of a layer's weights in one round


@torch.no_grad()
def calibrate(network: nn.Module, images: Float[Tensor, "N C H W"]) -> dict[str, float]:
    """Scale the weights of each convolution, first to last, until its maps deviate by 1 from 0. In place.

    Usual first weights are made for a sum: under a mean the maps shrink from layer to layer, under a minimum
    they are all negative and ReLU lets nothing through. One factor per layer sets the scale, and each
    filter's bias, where there is one, the middle.

    Args:
        network: its convolutions are those that run, in the order in which they do.
        images: pictures that stand for the rest.

    Returns:
        The deviation of each layer's maps around their means, by name; not 1 where no scale makes it so.

    Source: the scaling of Mishkin & Matas 2016 (LSUV), with steps that also fit aggregations that are not
        linear in the weights; the biases of Krähenbühl et al. 2016.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3))
        >>> {name: round(value, 2) for name, value in calibrate(network, torch.rand(16, 3, 8, 8)).items()}
        {'0': 1.0, '2': 1.0}
    """
    names = {module: name for name, module in network.named_modules() if isinstance(module, nn.Conv2d)}
    was_training = network.training
    network.eval()
    try:
        return {
            names[layer]: _calibrated(network, layer, images) for layer in _running(network, names, images)
        }
    finally:
        network.train(was_training)


def _running(network: nn.Module, layers: dict[nn.Conv2d, str], images: Tensor) -> list[nn.Conv2d]:
    """The layers that run, in order."""
    seen: dict[nn.Conv2d, None] = {}
    handles = [layer.register_forward_hook(lambda layer, *_: seen.setdefault(layer)) for layer in layers]
    try:
        network(images[:2])
    finally:
        for handle in handles:
            handle.remove()
    return list(seen)


def _calibrated(network: nn.Module, layer: nn.Conv2d, images: Tensor) -> float:
    """Scale one layer; its deviation then."""
    degree = 1.0  # by which power of the weights the deviation grows
    best = start = layer.weight.clone()
    scale, closest, last = 0.0, math.inf, (0.0, math.nan)
    for _ in range(ROUNDS):
        layer.weight.copy_(start * math.exp(scale))
        spread, _ = _spread(network, layer, images)
        if not math.isfinite(spread) or spread <= 0:
            break
        off = math.log(spread)
        if abs(off) < abs(closest):
            closest, best = off, layer.weight.clone()
        if abs(off) < CLOSE:
            break
        if math.isfinite(last[1]) and scale != last[0]:
            degree = min(64.0, max(0.25, (off - last[1]) / (scale - last[0])))
        last = scale, off
        scale -= max(-LARGEST_STEP, min(LARGEST_STEP, off / degree))
    layer.weight.copy_(best)
    spread, means = _spread(network, layer, images)
    if layer.bias is not None and means.shape == layer.bias.shape and bool(means.isfinite().all()):
        layer.bias.sub_(means)
    return spread


def _spread(network: nn.Module, layer: nn.Conv2d, images: Tensor) -> tuple[float, Tensor]:
    """The deviation of the layer's maps around their means, and these, where it runs first."""
    found: list[Tensor] = []
    handle = layer.register_forward_hook(lambda _, __, output: found.append(output.detach()))
    try:
        network(images)
    finally:
        handle.remove()
    maps = found[0].double().transpose(0, 1).flatten(1)  # (C_out, N * H * W)
    return float(maps.var(1).mean().sqrt()), maps.mean(1).to(layer.weight.dtype)
