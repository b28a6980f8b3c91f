"""What is measured: sizes, costs and names of the layers, against PyTorch's own account."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from convitro.bench.layers import (
    BLOCK_3X3,
    BLOCK_OTHER,
    CONV_3X3,
    CONV_OTHER,
    OVERVIEW,
    QUICK,
    SUITES,
    Layer,
)
from convitro.bench.targets import TARGETS

LAYERS = [layer for layers in SUITES.values() for layer in layers()]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_sizes_and_flops_are_pytorchs(layer: Layer) -> None:
    input = torch.empty((layer.batch, *layer.image), device="meta")
    weight = torch.empty(layer.weight_shape, device="meta")
    counter = FlopCounterMode(display=False)
    with counter:
        geometry = (layer.stride, layer.padding, layer.dilation, layer.groups)
        maps = F.conv2d(input, weight, None, *geometry)
    output = F.max_pool2d(maps, layer.pool, layer.pool_stride) if layer.pool else maps
    assert layer.maps_size() == maps.shape[2:]
    assert layer.output_size() == output.shape[2:]
    assert layer.flops() == counter.get_total_flops()
    numbers = input.numel() + weight.numel() + layer.out_channels + output.numel()
    assert layer.size_bytes() == 4 * numbers


def test_names_are_unique_and_those_of_the_short_lists_exist() -> None:
    names = Counter(layer.name for layer in LAYERS)
    assert [name for name, count in names.items() if count > 1] == []
    assert {*QUICK, *OVERVIEW} <= set(names)


def test_every_group_has_layers_and_a_target() -> None:
    groups = Counter(layer.group for layer in LAYERS)
    assert set(groups) == {BLOCK_3X3, BLOCK_OTHER, CONV_3X3, CONV_OTHER}
    assert set(groups) <= set(TARGETS)


@pytest.mark.parametrize(
    ("layer", "group"),
    [
        (Layer("", (64, 8, 8), 64), CONV_3X3),
        (Layer("", (31, 8, 8), 64), CONV_OTHER),
        (Layer("", (64, 8, 8), 64, stride=2), CONV_OTHER),
        (Layer("", (64, 8, 8), 64, dilation=2), CONV_OTHER),
        (Layer("", (64, 8, 8), 64, groups=2), CONV_OTHER),
        (Layer("", (64, 8, 8), 64, kernel=5), CONV_OTHER),
        (Layer("", (1, 8, 8), 4, pool=2, pool_stride=2), BLOCK_3X3),
        (Layer("", (64, 8, 8), 64, kernel=5, pool=2, pool_stride=2), BLOCK_OTHER),
    ],
)
def test_a_layer_counts_for_the_target_of_its_geometry(layer: Layer, group: str) -> None:
    assert layer.group == group
