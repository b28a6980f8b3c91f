"""A network is the same network in Keras, in a file of Keras and in PyTorch: one anatomy, names aside."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convitro.anatomy import dissect, summary
from convitro.sources import load, open_network
from convitro.sources.keras import from_keras
from tests.sources.keras_pairs import PAIRS, L, keras, pair, randomized

pytestmark = pytest.mark.filterwarnings(  # when Keras reads its own variables, with newer numpy
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)
alike = partial(torch.testing.assert_close, rtol=1e-4, atol=1e-5)
exact = partial(torch.testing.assert_close, rtol=0, atol=0)


def pictures(size: tuple[int, int, int]) -> Tensor:
    return torch.randn(2, *size, generator=torch.Generator().manual_seed(1))


def shown(anatomy: Any) -> list[dict[str, Any]]:
    """All sizes, settings and stages, without the names."""
    return [{**layer.to_dict(), "name": ""} for layer in anatomy.values()]


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("source", ["live", "file"])
def test_the_anatomy_is_that_of_pytorch(name: str, source: str, tmp_path: Path) -> None:
    both, picture = pair(name), pictures(pair(name).size)
    expected = dissect(both.torch, picture)
    if source == "live":
        found = dissect(both.keras, picture.permute(0, 2, 3, 1).numpy())
    else:
        path: Any = tmp_path / "network.keras"
        both.keras.save(path)
        found = dissect(path, picture)
    assert shown(found) == shown(expected)
    for mine, theirs in zip(found.values(), expected.values(), strict=True):
        exact(mine.weight, theirs.weight)
        alike(mine.input, theirs.input)
        alike(mine.output, theirs.output)
        alike(mine.activated, theirs.activated)
        alike(mine.pooled, theirs.pooled)
        exact(mine.switches, theirs.switches)
        last = mine.filters - 1
        alike(mine.partial_maps(last), theirs.partial_maps(last))


@pytest.mark.parametrize("name", PAIRS)
def test_the_summary_counts_what_pytorch_counts(name: str) -> None:
    both = pair(name)
    channels, rows, columns = both.size
    mine = summary(both.keras, (rows, columns, channels), verbose=0)
    theirs = summary(both.torch, both.size, verbose=0)
    assert (mine.macs, mine.parameters) == (theirs.macs, theirs.parameters)
    assert mine.parameters == sum(int(np.prod(w.shape)) for w in both.keras.trainable_weights)


@pytest.mark.parametrize("name", PAIRS)
def test_partial_maps_make_the_outputs_of_keras(name: str) -> None:
    """Every layer of Keras is asked for its own output, which the partial maps have to add up to."""
    both = pair(name)
    picture = pictures(both.size).permute(0, 2, 3, 1).numpy()
    anatomy = dissect(both.keras, picture)
    layers = [layer for layer in both.keras.layers if "Conv" in type(layer).__name__]
    probes = keras.Model(both.keras.inputs[0], [layer.output for layer in layers])
    outputs = probes(picture)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    for layer, output in zip(layers, outputs, strict=True):
        mine = anatomy.get(layer.name) or anatomy[f"{layer.name}/pointwise"]
        sums = torch.stack([mine.partial_maps(index).sum(1) for index in range(mine.filters)], 1)
        sums = sums if mine.bias is None else sums + mine.bias.reshape(-1, 1, 1)
        alike(sums, mine.output)
        own = layer.activation.__name__ != "linear"
        theirs = output.detach().permute(0, 3, 1, 2)
        alike(mine.activated if own else mine.output, theirs)


def test_uneven_borders_of_same_are_the_layers_own() -> None:
    """Stride 2 on an even size: Keras pads below and to the right only."""
    model = randomized(
        keras.Sequential([keras.Input((8, 8, 3)), L.Conv2D(4, 3, strides=2, padding="same", name="conv")])
    )
    picture = pictures((3, 8, 8))
    layer = dissect(model, picture.permute(0, 2, 3, 1))["conv"]
    assert layer.problem.padding == (0, 1, 0, 1)
    exact(layer.input, picture)
    theirs = model(picture.permute(0, 2, 3, 1)).detach().permute(0, 3, 1, 2)
    alike(layer.output, theirs)
    traced = layer.pixel(1, 3, 3)
    alike(torch.tensor(traced.output), theirs[0, 1, 3, 3])


def test_a_gradient_reaches_the_picture_and_the_weights() -> None:
    both = pair("residual")
    picture = pictures(both.size)
    found, expected = picture.clone().requires_grad_(), picture.clone().requires_grad_()
    graph = from_keras(both.keras, channels_first=True)
    graph(found).square().sum().backward()
    both.torch(expected).square().sum().backward()
    alike(found.grad, expected.grad)
    stem = next(both.torch.children())
    assert isinstance(stem, nn.Conv2d)
    alike(graph.steps[0].get_parameter("weight").grad, stem.weight.grad)


def test_dissecting_leaves_a_keras_model_as_it_was() -> None:
    both = pair("plain")
    nodes = [len(layer._inbound_nodes) for layer in both.keras.layers]
    weights = [np.array(value) for value in both.keras.get_weights()]
    name = keras.layers.Conv2D(1, 1).name
    dissect(both.keras, pictures(both.size).permute(0, 2, 3, 1))
    assert [len(layer._inbound_nodes) for layer in both.keras.layers] == nodes
    for before, after in zip(weights, both.keras.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    following = int(keras.layers.Conv2D(1, 1).name.rpartition("_")[2])
    assert following == (int(name.rpartition("_")[2]) if "_" in name else 0) + 1


def test_the_explorer_and_load_take_a_file(tmp_path: Path) -> None:
    both = pair("plain")
    both.keras.save(tmp_path / "network.keras")
    network = open_network(tmp_path / "network.keras")
    assert (network.name, network.input_size) == ("network", (3, 16, 16))
    picture = pictures(both.size)
    alike(load(tmp_path / "network.keras")(picture), both.torch(picture))
