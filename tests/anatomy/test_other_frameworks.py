"""Projections and patches of networks from other frameworks: in their own names, channels first."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from convitro.anatomy import deconvnet, diagnose, receptive_field, top_patches
from convitro.sources import load
from tests.anatomy.written_deconvnet import back
from tests.networks_shared import mnist8

os.environ.setdefault("KERAS_BACKEND", "torch")


@pytest.mark.parametrize("method", ["deconvnet", "guided", "gradient"])
def test_a_network_of_onnx_is_that_of_torch(shared: Path, method: str) -> None:
    pytest.importorskip("onnx")
    file, twin = load(shared / "models" / "mnist-8.onnx"), mnist8(shared)
    images = 255 * torch.rand(3, 1, 28, 28)
    for filter in (0, 7):
        one = deconvnet(file, images[:1], "Convolution110", filter, top=2, method=method)
        other = deconvnet(twin, images[:1], "conv2", filter, top=2, method=method)
        torch.testing.assert_close(one.image, other.image, rtol=1e-4, atol=1e-3)
    found = top_patches(file, images, "Convolution110", k=2, batch_size=1)
    expected = top_patches(twin, images, "conv2", k=2)
    assert torch.equal(found.images, expected.images)
    assert torch.equal(found.patch(5, 1), expected.patch(5, 1))


def test_a_live_model_of_onnx_takes_channels_last_and_shows_them_first() -> None:
    helper = pytest.importorskip("onnx").helper
    kernels, images = torch.randn(6, 4, 5, 3), torch.randn(6, 4, 13, 17)
    stored = helper.make_tensor("w", 1, kernels.shape, kernels.flatten().tolist())
    last = helper.make_tensor_value_info("x", 1, (None, 13, 17, 4))
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["t", "w"], ["y"], name="conv", strides=[2, 1]),
    ]
    result = helper.make_tensor_value_info("y", 1, None)
    graph = helper.make_graph(nodes, "last", [last], [result], [stored])
    live: Any = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    twin = nn.Sequential(nn.Conv2d(4, 6, (5, 3), (2, 1), bias=False))
    twin.load_state_dict({"0.weight": kernels})
    turned = images.permute(0, 2, 3, 1)
    for size in ((13, 17, 4), (4, 13, 17), (13, 17)):
        field, expected = receptive_field(live, size)["conv"], receptive_field(twin, (4, 13, 17))["0"]
        assert (field.size, field.stride, field.start) == (expected.size, expected.stride, expected.start)
        assert field.region(2, 3) == expected.region(2, 3)
    one, other = deconvnet(live, turned, "conv", 2, top=1), deconvnet(twin, images, "0", 2, top=1)
    torch.testing.assert_close(one.image, other.image)
    torch.testing.assert_close(one.input, images[0])
    found, wanted = top_patches(live, turned, "conv", k=2), top_patches(twin, images, "0", k=2)
    assert torch.equal(found.images, wanted.images)
    torch.testing.assert_close(found.patch(3, 1), wanted.patch(3, 1), rtol=0, atol=0)
    assert diagnose(live, turned).model == "last"


@pytest.fixture
def keras_model() -> Any:
    keras = pytest.importorskip("keras")
    if keras.backend.backend() != "torch":
        pytest.skip("Keras runs on another backend here")
    keras.utils.set_random_seed(3)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((12, 14, 3)),
            layers.Conv2D(4, 3, padding="same", activation="relu", name="first"),
            layers.MaxPooling2D(2),
            layers.Conv2D(5, 3, strides=2, name="second"),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras with NumPy 2
def test_a_live_model_of_keras_takes_channels_last_and_shows_them_first(keras_model: Any) -> None:
    images = torch.rand(6, 12, 14, 3)
    found = top_patches(keras_model, images, "second", k=3)
    filter = int(found.values[:, 0].argmax())
    image, (y, x) = int(found.images[filter, 0]), found.positions[filter, 0].tolist()
    first, second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 5, 3, 2)
    for layer, name in ((first, "first"), (second, "second")):
        own = keras_model.get_layer(name)
        kernel, bias = own.kernel.value.detach(), own.bias.value.detach()
        layer.load_state_dict({"weight": kernel.permute(3, 2, 0, 1), "bias": bias})
    steps = [first, nn.ReLU(), nn.MaxPool2d(2), second, nn.ReLU()]
    turned = images.permute(0, 3, 1, 2)
    with torch.no_grad():
        maps = nn.Sequential(*steps)(turned[image : image + 1])
    signal = torch.zeros_like(maps)
    signal[0, filter, y, x] = maps[0, filter, y, x]
    seen = found.projection(filter)
    torch.testing.assert_close(seen.image, back(steps, turned[image : image + 1], signal)[0])
    torch.testing.assert_close(seen.input, turned[image])
    top, left, bottom, right = found.region(filter)
    assert torch.equal(found.patch(filter), turned[image][:, top:bottom, left:right])
    assert (bottom - top, right - left) == (8, 8) if y and x else True
    assert found.image_sizes[filter, 0].tolist() == [12, 14]
