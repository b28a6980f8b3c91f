"""Whole networks: every value between their nodes is what onnxruntime computes."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.backend.test
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor

from convitro.anatomy import dissect, summary
from convitro.sources import load, open_network
from convitro.sources.onnx import compare_with_onnxruntime, from_onnx, runtime_values

LIGHT = Path(onnx.backend.test.__file__).parent / "data/light"
CLOSE = 2e-5  # largest difference of any value of a network, as a part of that value's largest number


@pytest.fixture
def mnist(shared: Path) -> Path:
    return shared / "models/mnist-8.onnx"


def digits(shared: Path, count: int) -> tuple[Tensor, Tensor]:
    images = gzip.decompress((shared / "data/mnist/t10k-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((shared / "data/mnist/t10k-labels-idx1-ubyte.gz").read_bytes())
    pixels = np.frombuffer(images, np.uint8, offset=16, count=count * 784).reshape(count, 1, 28, 28)
    names = np.frombuffer(labels, np.uint8, offset=8, count=count)
    return torch.from_numpy(pixels.astype(np.float32)), torch.from_numpy(names.astype(np.int64))


def test_mnist_reads_digits(shared: Path, mnist: Path) -> None:
    images, labels = digits(shared, 1000)
    with torch.no_grad():
        right = (load(mnist)(images).argmax(1) == labels).float().mean()
    assert right >= 0.97


def test_every_value_of_mnist_is_that_of_onnxruntime(shared: Path, mnist: Path) -> None:
    agreement = compare_with_onnxruntime(mnist, digits(shared, 1)[0])
    assert len(agreement.values) == 9
    assert agreement.relative < CLOSE
    assert agreement.to_dict()["values"][0]["shape"] == [1, 8, 28, 28]
    assert max(len(line) for line in str(agreement).splitlines()) <= 80


def test_partial_maps_of_mnist_add_up_to_what_onnxruntime_computes(shared: Path, mnist: Path) -> None:
    picture = digits(shared, 1)[0]
    judged = runtime_values(mnist, picture)
    anatomy = dissect(load(mnist), picture)
    assert list(anatomy) == ["Convolution28", "Convolution110"]
    ends = {"Convolution28": ("Plus30", "Pooling66"), "Convolution110": ("Plus112", "Pooling160")}
    for name, (biased, pooled) in ends.items():
        layer = anatomy[name]
        assert layer.bias is not None
        for index in range(layer.filters):
            whole = layer.partial_maps(index).sum(1) + layer.bias[index]
            wanted = judged[f"{biased}_Output_0"]
            torch.testing.assert_close(
                whole, wanted[:, index], rtol=CLOSE, atol=CLOSE * float(wanted.abs().max())
            )
        assert layer.pooled is not None
        target = judged[f"{pooled}_Output_0"]
        torch.testing.assert_close(layer.pooled, target, rtol=CLOSE, atol=CLOSE * float(target.abs().max()))


def test_mnist_is_summed_up(mnist: Path) -> None:
    table = summary(load(mnist), (1, 28, 28), verbose=0)
    assert table.parameters == 8 * 25 + 8 + 16 * 8 * 25 + 16 + 256 * 10 + 10
    assert table.macs == 8 * 25 * 784 + 16 * 200 * 196 + 2560
    network = open_network(mnist)
    assert (network.name, network.input_size) == ("mnist-8", (1, 28, 28))


def with_random_weights(path: Path) -> Any:
    """An architecture whose weights are stored as one number each, with weights that mean something."""
    model = onnx.load(str(path))
    shapes = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    random = np.random.default_rng(0)
    nodes = list(model.graph.node)
    del model.graph.node[:]
    scales = {n.input[4] for n in nodes if n.op_type == "BatchNormalization"}
    for node in nodes:
        if node.op_type != "ConstantOfShape":
            model.graph.node.append(node)
            continue
        shape = shapes[node.input[0]]
        fan = max(int(np.prod(shape[1:])), 1)
        numbers = random.standard_normal(shape) / np.sqrt(fan) * (1.4 if len(shape) > 1 else 0.3)
        if node.output[0] in scales:
            numbers = numbers**2 + 0.5
        model.graph.initializer.append(numpy_helper.from_array(numbers.astype(np.float32), node.output[0]))
    return model


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet", "inception_v2", "resnet50"])
def test_every_value_of_a_known_architecture_is_that_of_onnxruntime(name: str) -> None:
    model = with_random_weights(LIGHT / f"light_{name}.onnx")
    graph = from_onnx(model)
    assert graph.input_size is not None
    agreement = compare_with_onnxruntime(model, torch.rand(1, *graph.input_size))
    assert len(agreement.values) > 60
    assert agreement.relative < CLOSE
    assert sum(value.scale < 1e-4 for value in agreement.values) <= 1  # the mask of a Dropout


def test_published_numbers_of_parameters() -> None:
    """Of the architectures' papers and model zoos, batch normalisation's means and variances not counted."""
    counts = {"squeezenet": 1_235_496, "resnet50": 25_557_032, "vgg19": 143_667_240}
    for name, count in counts.items():
        graph = from_onnx(LIGHT / f"light_{name}.onnx")
        assert sum(parameter.numel() for parameter in graph.parameters()) == count
