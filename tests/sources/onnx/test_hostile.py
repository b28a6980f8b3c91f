"""Damaged and hostile ONNX files get one clear error, follow no path elsewhere, and take no memory."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import pytest
import torch
from onnx import TensorProto, helper

from convitro.errors import LoadError, ShapeError, UnsupportedError
from convitro.sources import load
from convitro.sources.onnx import compare_with_onnxruntime, from_onnx
from tests.sources.onnx.building import model, node, save, stored

SECRET = torch.arange(54, dtype=torch.float32)


def conv() -> Any:
    return model(
        [node("Conv", "x w", "y", "conv")], {"x": (1, 3, 6, 6)}, ["y"], {"w": torch.ones(2, 3, 3, 3)}
    )


def with_external(location: str, **entries: str) -> Any:
    """A model whose weights lie in a file of their own."""
    proto = conv()
    weight = proto.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        weight.external_data.add(key=key, value=value)
    return proto


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "secret.bin").write_bytes(SECRET.numpy().tobytes())
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(b"head" * 4 + SECRET.numpy().tobytes())
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    (folder / "inside.bin").symlink_to(folder / "weights.bin")
    (folder / "round.bin").symlink_to(folder / "round.bin")
    return folder


@pytest.mark.parametrize("name", ["weights.bin", "./weights.bin", "inside.bin"])
def test_numbers_beside_the_model_are_read(home: Path, name: str) -> None:
    path = save(with_external(name, offset="16", length="216"), home / "model.onnx")
    graph = load(path)
    torch.testing.assert_close(graph.get_parameter("0.weight").detach().reshape(-1), SECRET)
    assert compare_with_onnxruntime(path, torch.rand(1, 3, 6, 6)).relative < 1e-5


@pytest.mark.parametrize(
    "name", ["../secret.bin", "sub/../../secret.bin", "{root}/secret.bin", "link.bin", ".", ""]
)
def test_files_elsewhere_are_not_followed(home: Path, name: str) -> None:
    path = save(with_external(name.format(root=home.parent)), home / "model.onnx")
    with pytest.raises(LoadError, match=r"points outside of the model's folder. It was not followed"):
        load(path)


@pytest.mark.parametrize(
    ("entries", "match"),
    [
        ({"location": "nowhere.bin"}, "is missing"),
        ({"location": "round.bin"}, "points outside|is missing"),
        ({"location": "weights.bin", "offset": "17"}, "is not whole"),
        ({"location": "weights.bin", "offset": "-4"}, "is not whole"),
        ({"location": "weights.bin", "length": "999999999999"}, "is not whole"),
        ({"location": "weights.bin", "offset": "ten"}, "lies at no number"),
        ({"location": "a\0b"}, "points outside"),
    ],
    ids=str,
)
def test_files_that_are_missing_or_short(home: Path, entries: dict[str, str], match: str) -> None:
    with pytest.raises(LoadError, match=match):
        load(save(with_external(**entries), home / "model.onnx"))


def test_a_live_model_has_no_folder() -> None:
    with pytest.raises(LoadError, match="lie in a file of their own"):
        from_onnx(with_external("weights.bin"))


@pytest.mark.parametrize(
    ("dims", "match"),
    [
        ((10**9, 10**9, 3, 3), "does not hold what it says"),
        ((2, 3, 3, -3), "negative size"),
        ((2, 3, 3, 4), "does not hold what it says"),
        ((2**62, 4, 2**62, 4), "does not hold what it says"),
    ],
    ids=str,
)
def test_sizes_that_do_not_fit(dims: tuple[int, ...], match: str) -> None:
    proto = conv()
    del proto.graph.initializer[0].dims[:]
    proto.graph.initializer[0].dims.extend(dims)
    with pytest.raises(LoadError, match=match):
        from_onnx(proto)
    proto.graph.initializer[0].ClearField("raw_data")  # numbers one by one, of which there are none
    with pytest.raises(LoadError, match=match):
        from_onnx(proto)


@pytest.mark.parametrize("sizes", [(1, 10**9, 10**9, 10**9), (1, 3, 2**40, 1)], ids=str)
def test_arguments_beyond_any_memory(sizes: tuple[int, ...]) -> None:
    with pytest.raises(LoadError, match="impossible size"):
        from_onnx(model([node("Relu", "x", "y")], {"x": sizes}, ["y"]))


LARGE = [
    "ConstantOfShape",
    "Expand",
    "Tile",
    "Range",
    "Pad",
    "Resize",
    "OneHot",
    "Cast",
    "Reshape",
    "Concat",
    "Mul",
]


@pytest.mark.parametrize("op", LARGE)
def test_large_results_take_no_memory_before_they_run(op: str) -> None:
    shape = torch.tensor([1024, 1024, 256])  # 1 GB of float32
    constants = {"n": shape, "one": torch.ones(1, 1, 1), "zero": torch.tensor(0), "step": torch.tensor(1)}
    constants |= {"pads": torch.tensor([0, 0, 0, 1024, 1024, 256]), "on": torch.tensor([0.0, 1.0])}
    constants |= {"scales": shape.float(), "limit": torch.tensor(2**28), "where": torch.zeros(9).long()}
    constants |= {"flat": torch.tensor([-1]), "row": torch.ones(2**14, 1), "column": torch.ones(1, 2**14)}
    inputs = {"ConstantOfShape": "n", "Expand": "one n", "Tile": "one n", "Range": "zero limit step"}
    inputs |= {"Pad": "one pads", "Resize": "one - scales", "OneHot": "where limit on", "Cast": "view"}
    inputs |= {"Reshape": "turned flat", "Concat": "view view", "Mul": "row column"}
    how: dict[str, Any] = {"Cast": {"to": 11}, "Concat": {"axis": 0}}.get(op, {})
    nodes = [
        node("Expand", "one n", "view"),
        node("Transpose", "view", "turned", perm=[2, 0, 1]),
        node(op, inputs[op], "big", **how),
        node("Relu", "x", "y"),
    ]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    from_onnx(model(nodes, {"x": (1, 3, 6, 6)}, ["y"], constants))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**18  # KiB


def broken(kind: str) -> Any:
    proto = conv()
    graph = proto.graph
    if kind == "a circle":
        graph.node[0].input[0] = "z"
        graph.node.append(node("Relu", "y", "z"))
    elif kind == "nothing gives it":
        graph.node[0].input[0] = "nowhere"
    elif kind == "unknown operation":
        graph.node[0].op_type = "Convolve"
    elif kind == "missing attribute":
        graph.node.append(node("MaxPool", "y", "z"))
    elif kind == "unknown attribute":
        graph.node[0].attribute.append(helper.make_attribute("colour", "red"))
    elif kind == "no version":
        del proto.opset_import[:]
    elif kind == "a name twice":
        graph.node.append(node("Relu", "x", "y"))
    elif kind == "weights twice":
        graph.initializer.append(stored("w", torch.ones(1)))
    elif kind == "too many inputs":
        graph.node[0].input.extend(["x", "x", "x"])
    elif kind == "functions in a circle":
        proto.opset_import.append(helper.make_opsetid("own", 1))
        for name, other in (("f", "g"), ("g", "f")):
            body = [helper.make_node(other, ["a"], ["b"], domain="own")]
            versions = [helper.make_opsetid("own", 1)]
            proto.functions.append(helper.make_function("own", name, ["a"], ["b"], body, versions))
        graph.node[0].CopyFrom(helper.make_node("f", ["x"], ["y"], domain="own"))
    return proto


KINDS = [
    "a circle",
    "nothing gives it",
    "unknown operation",
    "missing attribute",
    "unknown attribute",
    "no version",
]
KINDS += ["a name twice", "weights twice", "too many inputs", "functions in a circle"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_that_contradicts_itself(kind: str) -> None:
    with pytest.raises(LoadError, match="contradicts itself"):
        from_onnx(broken(kind))


@pytest.mark.parametrize("content", [b"", b"hello", b"\x00" * 100, b"\x08\x08", b"PK\x03\x04"], ids=repr)
def test_a_file_that_is_no_model(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(LoadError, match=r"cannot be read as an ONNX model[\s\S]*bytes"):
        load(path)


def test_a_file_beyond_protobuf(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with path.open("wb") as file:
        file.truncate(2**31)  # no byte is written, none is read
    with pytest.raises(LoadError, match="too large for one ONNX file"):
        load(path)


def field(number: int, content: bytes) -> bytes:
    """A part of a message, as protobuf writes it."""
    size, length = len(content), b""
    while size > 127:
        length, size = length + bytes([size % 128 + 128]), size // 128
    return bytes([number * 8 + 2]) + length + bytes([size]) + content


@pytest.mark.parametrize("depth", [30, 3000])
def test_a_deep_nest_of_graphs(tmp_path: Path, depth: int) -> None:
    """Graphs that are attributes of nodes of graphs."""
    graph = b""
    for _ in range(depth):
        graph = field(1, field(4, b"If") + field(5, field(1, b"then_branch") + field(6, graph)))
    path = tmp_path / "deep.onnx"
    path.write_bytes(bytes([8, 8]) + field(8, bytes([16, 17])) + field(7, graph))
    with pytest.raises(LoadError, match=r"cannot be read|contradicts itself"):
        load(path)


def test_a_model_of_the_future() -> None:
    proto = conv()
    proto.opset_import[0].version = 10**6
    with pytest.raises(LoadError, match=r"newer than the package onnx[\s\S]*received: version 1000000"):
        from_onnx(proto)


def test_control_flow_and_sequences_are_refused_by_name() -> None:
    branch = helper.make_graph(
        [node("Relu", "x", "b")], "branch", [], [helper.make_empty_tensor_value_info("b")]
    )
    branch.output[0].type.tensor_type.elem_type = TensorProto.FLOAT
    branch.output[0].type.tensor_type.shape.SetInParent()
    choice = helper.make_node("If", ["c"], ["y"], name="either", then_branch=branch, else_branch=branch)
    proto = model([choice], {"x": (1, 3, 6, 6)}, ["y"], {"c": torch.tensor(True)})
    with pytest.raises(UnsupportedError, match=r"If \('either'\) cannot be computed[\s\S]*control flow"):
        from_onnx(proto)
    split = model([node("SplitToSequence", "x", "y", "parts")], {"x": (2, 2)}, ["y"])
    with pytest.raises(UnsupportedError, match=r"SplitToSequence \('parts'\)[\s\S]*no tensor|not a tensor"):
        from_onnx(split)(torch.ones(2, 2))


def test_operations_of_other_packages_are_refused_by_name() -> None:
    proto = model([helper.make_node("Magic", ["x"], ["y"], domain="some.where")], {"x": (1,)}, ["y"])
    proto.opset_import.append(helper.make_opsetid("some.where", 1))
    with pytest.raises(UnsupportedError, match=r"Magic \('y'\)[\s\S]*not a registered function"):
        from_onnx(proto)


def test_text_is_refused() -> None:
    proto = model([node("Identity", "s", "y")], {"x": (1,)}, ["y"])
    proto.graph.initializer.append(TensorProto(name="s", data_type=8, dims=[1], string_data=[b"text"]))
    with pytest.raises(UnsupportedError, match="dtype number 8"):
        from_onnx(proto)


def test_weights_of_another_dtype_are_told_when_they_are_used() -> None:
    proto = conv()
    proto.graph.initializer[0].CopyFrom(stored("w", torch.ones(2, 3, 3, 3, dtype=torch.int64)))
    with pytest.raises(ShapeError, match="Conv 'conv' cannot be computed"):
        from_onnx(proto)(torch.zeros(1, 3, 6, 6))
