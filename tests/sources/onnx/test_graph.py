"""An ONNX model as a graph: names, weights, borders and biases as people want to see them."""

from __future__ import annotations

import copy
import pickle
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convitro.anatomy import dissect, summary
from convitro.errors import LoadError, ShapeError
from convitro.sources import as_module, load, open_network
from convitro.sources.onnx import compare_with_onnxruntime, from_onnx
from tests.command_line import invoke
from tests.sources.onnx.building import model, node, save

CLOSE = 1e-5


def one_conv(weight: Tensor, sizes: tuple[int, ...] = (1, 3, 9, 8), **attributes: Any) -> Any:
    weights = {"w": weight, "b": torch.randn(weight.shape[0])}
    return model([node("Conv", "x w b", "y", "conv", **attributes)], {"x": sizes}, ["y"], weights)


@pytest.mark.parametrize(
    "attributes",
    [
        {"auto_pad": "SAME_UPPER"},
        {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
        {"auto_pad": "SAME_UPPER", "strides": [2, 3], "kernel_shape": [3, 2]},
        {"auto_pad": "VALID"},
        {"pads": [1, 0, 2, 1]},
        {"pads": [1, 2, 1, 2], "strides": [1, 2]},
        {"pads": [0, 1, 3, 0], "dilations": [2, 1]},
        {"auto_pad": "NOTSET"},
    ],
    ids=str,
)
def test_borders_belong_to_the_convolution(attributes: dict[str, Any]) -> None:
    proto = one_conv(torch.randn(4, 3, 3, 2), **attributes)
    picture = torch.randn(1, 3, 9, 8)
    assert compare_with_onnxruntime(proto, picture).relative < CLOSE
    graph = from_onnx(proto)
    layer = dissect(graph, picture)["conv"]
    torch.testing.assert_close(layer.input, picture, rtol=0, atol=0)
    assert layer.bias is not None
    for index in range(4):
        parts = layer.partial_maps(index).sum(1) + layer.bias[index]
        torch.testing.assert_close(parts, graph(picture)[:, index].detach())
    pads = attributes.get("pads")
    if pads and "auto_pad" not in attributes:
        assert layer.problem.padding == (pads[0], pads[2], pads[1], pads[3])


@pytest.mark.parametrize(
    ("weight", "sizes", "attributes"),
    [
        ((4, 3, 5), (2, 3, 11), {"strides": [2], "pads": [1, 3]}),
        ((4, 2, 2, 3, 2), (1, 2, 5, 6, 7), {"auto_pad": "SAME_UPPER"}),
        ((6, 2, 3, 3), (1, 6, 7, 7), {"group": 3, "pads": [1, 1, 1, 1]}),
        ((6, 1, 3, 3), (1, 6, 7, 7), {"group": 6, "dilations": [2, 2]}),
    ],
    ids=["1-D", "3-D", "grouped", "depthwise"],
)
def test_axes_and_groups(weight: tuple[int, ...], sizes: tuple[int, ...], attributes: dict[str, Any]) -> None:
    proto = one_conv(torch.randn(weight), sizes, **attributes)
    assert compare_with_onnxruntime(proto, torch.randn(sizes)).relative < CLOSE


def test_kernels_may_be_computed() -> None:
    nodes = [node("Conv", "x k", "y", "conv"), node("Relu", "y", "z")]
    proto = model(nodes, {"x": (1, 2, 5, 5), "k": (3, 2, 3, 3)}, ["z"])
    inputs = torch.randn(1, 2, 5, 5), torch.randn(3, 2, 3, 3)
    assert compare_with_onnxruntime(proto, *inputs).relative < CLOSE
    assert dissect(from_onnx(proto), inputs)["conv"].activation == "relu"


@pytest.mark.parametrize(
    "attributes",
    [
        {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]},
        {"strides": [2, 3], "pads": [1, 0, 2, 1]},
        {"strides": [2, 2], "auto_pad": "SAME_UPPER"},
        {"strides": [2, 2], "auto_pad": "SAME_LOWER"},
        {"strides": [3, 2], "output_shape": [10, 8], "output_padding": [1, 1]},
        {"dilations": [2, 2], "group": 2},
    ],
    ids=str,
)
def test_turned_convolutions(attributes: dict[str, Any]) -> None:
    weights = {"w": torch.randn(4, 3, 3, 3), "b": torch.randn(3 * attributes.get("group", 1))}
    proto = model([node("ConvTranspose", "x w b", "y", **attributes)], {"x": (1, 4, 4, 4)}, ["y"], weights)
    assert compare_with_onnxruntime(proto, torch.randn(1, 4, 4, 4)).relative < CLOSE


POOLS: list[tuple[dict[str, Any], bool]] = [
    ({"kernel_shape": [2, 2], "strides": [2, 2]}, True),
    ({"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}, True),
    ({"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}, True),
    ({"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1]}, True),  # as ceil_mode does
    ({"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"}, True),
    ({"kernel_shape": [2, 2], "strides": [1, 1], "auto_pad": "SAME_UPPER"}, False),  # as nothing does
    ({"kernel_shape": [2, 3], "strides": [1, 2], "pads": [1, 0, 0, 2]}, False),
    ({"kernel_shape": [2, 2], "strides": [2, 1], "dilations": [2, 3]}, True),
]


@pytest.mark.parametrize(("attributes", "known"), POOLS, ids=str)
def test_a_pool_is_shown_behind_its_convolution_where_torch_has_it(
    attributes: dict[str, Any], known: bool
) -> None:
    weights = {"w": torch.randn(4, 3, 3, 3)}
    nodes = [
        node("Conv", "x w", "c", "conv"),
        node("Relu", "c", "r"),
        node("MaxPool", "r", "y", "pool", **attributes),
    ]
    proto, picture = model(nodes, {"x": (1, 3, 12, 12)}, ["y"], weights), torch.randn(1, 3, 12, 12)
    assert compare_with_onnxruntime(proto, picture).relative < CLOSE
    graph = from_onnx(proto)
    layer = dissect(graph, picture)["conv"]
    assert (layer.pooled is not None) == known
    if layer.pooled is not None:
        torch.testing.assert_close(layer.pooled, graph(picture).detach())


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("pads", [[0, 0, 0, 0], [1, 1, 1, 1], [1, 0, 0, 2]], ids=str)
def test_places_of_the_largest_count_through_the_whole_input(pads: list[int], order: int) -> None:
    how: dict[str, Any] = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": pads, "storage_order": order}
    proto = model([node("MaxPool", "x", "y i", **how)], {"x": (2, 3, 7, 6)}, ["y"])
    agreement = compare_with_onnxruntime(proto, torch.randn(2, 3, 7, 6))
    assert {value.name: value.largest_difference for value in agreement.values} == {"y": 0, "i": 0}


@pytest.mark.parametrize("count_include_pad", [0, 1])
@pytest.mark.parametrize("ceil_mode", [0, 1])
@pytest.mark.parametrize("pads", [[1, 1, 1, 1], [0, 1, 1, 0]], ids=str)
def test_averages(pads: list[int], ceil_mode: int, count_include_pad: int) -> None:
    how: dict[str, Any] = {"kernel_shape": [3, 2], "strides": [2, 2], "pads": pads}
    nodes = [node("AveragePool", "x", "y", **how, ceil_mode=ceil_mode, count_include_pad=count_include_pad)]
    proto = model(nodes, {"x": (1, 2, 8, 7)}, ["y"], opset=19)
    assert compare_with_onnxruntime(proto, torch.randn(1, 2, 8, 7)).relative < CLOSE


@pytest.mark.parametrize(("shape", "merged"), [((4, 1, 1), True), ((1, 4, 1, 1), True), ((1, 1, 6), False)])
@pytest.mark.parametrize("order", ["c a", "a c"])
def test_a_bias_behind_is_a_bias(shape: tuple[int, ...], merged: bool, order: str) -> None:
    weights = {"w": torch.randn(4, 3, 3, 3), "a": torch.randn(shape)}
    nodes = [node("Conv", "x w", "c", "conv"), node("Add", order, "y", "plus"), node("Relu", "y", "z")]
    proto, picture = model(nodes, {"x": (1, 3, 8, 8)}, ["z"], weights), torch.randn(1, 3, 8, 8)
    assert compare_with_onnxruntime(proto, picture).relative < CLOSE
    graph = from_onnx(proto)
    layer = dissect(graph, picture)["conv"]
    assert (layer.bias is not None) == merged
    assert ("with 'plus'" in repr(graph)) == merged
    if layer.bias is not None:
        torch.testing.assert_close(layer.bias, weights["a"].reshape(-1), rtol=0, atol=0)
        assert layer.activation == "relu"


def test_a_sum_that_is_read_elsewhere_stays_a_sum() -> None:
    weights = {"w": torch.randn(4, 3, 3, 3), "a": torch.randn(4, 1, 1)}
    nodes = [node("Conv", "x w", "c", "conv"), node("Add", "c a", "y"), node("Mul", "y c", "z")]
    for outputs in (["z"], ["y", "c"]):
        proto = model(nodes, {"x": (1, 3, 8, 8)}, outputs, weights)
        layer = dissect(from_onnx(proto), torch.randn(1, 3, 8, 8))["conv"]
        assert layer.bias is None
        assert compare_with_onnxruntime(proto, torch.randn(1, 3, 8, 8)).relative < CLOSE


def lenet(weights: dict[str, Tensor]) -> Any:
    nodes = [
        node("Conv", "x conv1.weight conv1.bias", "a", "/conv1/Conv", pads=[2, 2, 2, 2]),
        node("BatchNormalization", "a s t m v", "n", "/norm"),
        node("LeakyRelu", "n", "b", "/act", alpha=0.1),
        node("MaxPool", "b", "c", "/pool", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", "c conv2.weight conv2.bias", "d", "/conv2/Conv", strides=[2, 2]),
        node("Clip", "d low high", "e"),
        node("Shape", "e", "shape"),
        node("Gather", "shape zero", "batch", axis=0),
        node("Unsqueeze", "batch axes", "batches"),
        node("Concat", "batches rest", "target", axis=0),
        node("Reshape", "e target", "f"),
        node("Gemm", "f fc.weight fc.bias", "y", "/fc", transB=1),
    ]
    extra = {"low": torch.tensor(0.0), "high": torch.tensor(6.0), "zero": torch.tensor(0)}
    extra |= {"axes": torch.tensor([0]), "rest": torch.tensor([-1])}
    return model(nodes, {"x": ("N", 1, 12, 12)}, ["y"], weights | extra)


class LeNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 5, padding=2), nn.Conv2d(4, 6, 3, stride=2)
        self.norm, self.fc = nn.BatchNorm2d(4), nn.Linear(24, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.leaky_relu(self.norm(self.conv1(x)), 0.1), 2)
        return self.fc(torch.clamp(self.conv2(x), 0, 6).flatten(1))


@pytest.fixture
def pair() -> tuple[Any, LeNet]:
    network = LeNet().eval()
    with torch.no_grad():
        for entry in network.norm.state_dict().values():
            if entry.is_floating_point():
                entry.uniform_(0.5, 1.5)
    state = {name: value for name, value in network.state_dict().items() if "norm" not in name}
    norm = network.norm.state_dict()
    names = zip("stmv", ("weight", "bias", "running_mean", "running_var"), strict=True)
    return lenet(state | {short: norm[name] for short, name in names}), network


def test_the_same_network_in_torch_has_the_same_anatomy(pair: tuple[Any, LeNet]) -> None:
    proto, network = pair
    picture = torch.randn(3, 1, 12, 12)
    theirs, ours = dissect(network, picture), dissect(from_onnx(proto), picture)
    torch.testing.assert_close(ours.output, theirs.output)
    for mine, own in zip(("conv1", "conv2"), ("/conv1/Conv", "/conv2/Conv"), strict=True):
        first, second = theirs[mine], ours[own]
        for part in ("input", "weight", "bias", "output", "activated", "pooled", "switches"):
            torch.testing.assert_close(getattr(second, part), getattr(first, part))
        assert (second.problem, second.activation) == (first.problem, first.activation)
        assert [str(stage) for stage in second.chain.stages] == [str(stage) for stage in first.chain.stages]
    tables = [summary(m, (1, 12, 12), verbose=0) for m in (network, from_onnx(proto))]
    assert len({(table.parameters, table.macs) for table in tables}) == 1


def test_gradients_pass_through(pair: tuple[Any, LeNet]) -> None:
    proto, network = pair
    graph = from_onnx(proto)
    grads = []
    for model_of in (network, graph):
        picture = torch.linspace(-1, 1, 144).reshape(1, 1, 12, 12).requires_grad_()
        model_of(picture).square().sum().backward()
        grads.append(picture.grad)
    torch.testing.assert_close(grads[1], grads[0])
    weight = graph.get_parameter("0.weight")
    assert weight.grad is not None
    assert network.conv1.weight.grad is not None
    torch.testing.assert_close(weight.grad, network.conv1.weight.grad)


def test_a_graph_can_be_copied_and_kept(pair: tuple[Any, LeNet]) -> None:
    graph, picture = from_onnx(pair[0]), torch.randn(1, 1, 12, 12)
    for other in (copy.deepcopy(graph), pickle.loads(pickle.dumps(graph))):
        torch.testing.assert_close(other(picture), graph(picture), rtol=0, atol=0)


def test_the_same_weights_are_one_parameter() -> None:
    weights = {"w": torch.randn(3, 3, 3, 3)}
    nodes = [node("Conv", "x w", "a", "first"), node("Conv", "a w", "y", "second")]
    graph = from_onnx(model(nodes, {"x": (1, 3, 9, 9)}, ["y"], weights))
    assert sum(parameter.numel() for parameter in graph.parameters()) == 81
    assert graph.get_parameter("0.weight") is graph.get_parameter("1.weight")


def test_weights_that_are_computed_from_constants_are_weights() -> None:
    weights = {"w": torch.randn(3, 3, 4, 3), "two": torch.tensor(2.0)}
    nodes = [
        node("Transpose", "w", "t", perm=[3, 1, 0, 2]),
        node("Mul", "t two", "k"),
        node("Conv", "x k", "y", "conv"),
    ]
    graph = from_onnx(model(nodes, {"x": (1, 3, 9, 9)}, ["y"], weights))
    assert [step.own_name for step in graph.steps] == ["conv"]
    torch.testing.assert_close(graph.get_parameter("0.weight").detach(), 2 * weights["w"].permute(3, 1, 0, 2))


def test_a_model_of_channels_last_takes_channels_first_when_it_is_loaded(tmp_path: Path) -> None:
    weights = {"w": torch.randn(4, 3, 3, 3)}
    nodes = [node("Transpose", "x", "t", perm=[0, 3, 1, 2]), node("Conv", "t w", "y", "conv")]
    proto = model(nodes, {"x": (1, 10, 9, 3)}, ["y"], weights)
    picture = torch.randn(1, 3, 10, 9)
    own = from_onnx(proto)(picture.permute(0, 2, 3, 1))
    network = open_network(save(proto, tmp_path / "last.onnx"))
    assert network.input_size == (3, 10, 9)
    torch.testing.assert_close(network.model(picture), own, rtol=0, atol=0)
    torch.testing.assert_close(dissect(network.model, picture)["conv"].input, picture, rtol=0, atol=0)
    assert compare_with_onnxruntime(proto, picture.permute(0, 2, 3, 1)).relative < CLOSE


def test_a_model_saved_for_one_picture_takes_a_batch() -> None:
    weights = {"w": torch.randn(18, 5), "s": torch.tensor([1, 18])}
    nodes = [node("Reshape", "x s", "f"), node("MatMul", "f w", "y")]
    graph = from_onnx(model(nodes, {"x": (1, 2, 3, 3)}, ["y"], weights))
    batch = torch.randn(4, 2, 3, 3)
    torch.testing.assert_close(graph(batch), torch.cat([graph(picture[None]) for picture in batch]))


def test_a_live_model_is_a_model_everywhere(pair: tuple[Any, LeNet]) -> None:
    proto, network = pair
    picture = torch.randn(1, 1, 12, 12)
    assert as_module(proto).input_size == (1, 12, 12)
    torch.testing.assert_close(dissect(proto, picture).output, dissect(network, picture).output)


def test_half_precision_networks_open(tmp_path: Path) -> None:
    import onnx

    proto = model(
        [node("Conv", "x w", "y")], {"x": (1, 3, 8, 8)}, ["y"], {"w": torch.randn(4, 3, 3, 3).half()}
    )
    proto.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    network = open_network(save(proto, tmp_path / "half.onnx"))
    assert network.model(torch.zeros(1, 3, 8, 8).half()).dtype is torch.float16


def test_what_does_not_fit_is_said_with_the_name_of_the_node() -> None:
    graph = from_onnx(one_conv(torch.randn(4, 3, 3, 2)))
    with pytest.raises(
        ShapeError, match=r"Conv 'conv' cannot be computed[\s\S]*\(1, 5, 9, 8\)[\s\S]*torch says"
    ):
        graph(torch.zeros(1, 5, 9, 8))


def test_weights_of_few_bits_become_weights_again() -> None:
    whole = torch.randint(-128, 128, (4, 3, 3, 3), dtype=torch.int8)
    weights = {"q": whole, "s": torch.rand(4) / 50 + 0.01, "z": torch.zeros(4, dtype=torch.int8)}
    weights |= {"sx": torch.tensor(0.02), "zx": torch.tensor(128, dtype=torch.uint8)}
    nodes = [
        node("QuantizeLinear", "x sx zx", "xq"),
        node("DequantizeLinear", "xq sx zx", "xf"),
        node("DequantizeLinear", "q s z", "w", axis=0),
        node("Conv", "xf w", "y", "conv"),
    ]
    proto, picture = model(nodes, {"x": (1, 3, 6, 6)}, ["y"], weights), torch.randn(1, 3, 6, 6)
    assert compare_with_onnxruntime(proto, picture).relative < CLOSE
    layer = dissect(from_onnx(proto), picture)["conv"]
    torch.testing.assert_close(layer.weight, whole * weights["s"].reshape(4, 1, 1, 1))


def test_the_command_line_sums_up_a_file(tmp_path: Path) -> None:
    path = save(one_conv(torch.randn(4, 3, 3, 2)), tmp_path / "model.onnx")
    code, out, _ = invoke("summary", path)
    assert code == 0
    assert re.search(r"conv +Conv +1x4x7x7 +76 +3,528", out)


def test_a_missing_runtime_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    proto = model([node("Hardmax", "x", "y")], {"x": (2, 3)}, ["y"])
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(LoadError, match=r'need the package onnxruntime[\s\S]*pip install "convitro\[onnx\]"'):
        from_onnx(proto)


def test_a_missing_package_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(one_conv(torch.randn(4, 3, 3, 2)), tmp_path / "model.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(LoadError, match=r'need the package onnx[\s\S]*pip install "convitro\[onnx\]"'):
        load(path)
