"""Hostile programs: nothing in a file is executed, no operator is called that is not on the list."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from convitro.errors import ConvitroError, LoadError, UnsupportedError
from convitro.sources import load
from tests.sources.exported.networks import export

Members = dict[str, bytes]


class Trap:
    """A pickle that would write a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.write_text, (self.path, "the code ran")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Members:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval()
    path = export(model, tmp_path_factory.mktemp("good") / "net.pt2", torch.zeros(1, 3, 8, 8))
    with zipfile.ZipFile(path) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def written(members: Members, path: Path, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(f"net/{name}", content)
    return path


def changed(members: Members, change: Callable[[Any], None], name: str = "models/model.json") -> Members:
    content = json.loads(members[name])
    change(content)
    return {**members, name: json.dumps(content).encode()}


def pickled(trap: Trap, *, plain: bool) -> bytes:
    if plain:
        return pickle.dumps(trap)
    buffer = io.BytesIO()
    torch.save(trap, buffer)
    return buffer.getvalue()


def nodes(program: Any) -> Any:
    return program["graph_module"]["graph"]["nodes"]


@pytest.mark.parametrize("plain", [True, False], ids=["plain pickle", "torch.save"])
@pytest.mark.parametrize("place", ["weight", "constant", "older weights", "sample inputs", "extra", "object"])
def test_pickles_are_not_run(good: Members, tmp_path: Path, place: str, plain: bool) -> None:
    mark = tmp_path / "mark"
    trap = pickled(Trap(mark), plain=plain)
    weights, constants = (
        "data/weights/model_weights_config.json",
        "data/constants/model_constants_config.json",
    )
    entry = {"path_name": "tensor_0", "is_param": False, "use_pickle": True, "tensor_meta": None}
    members = dict(good)
    if place == "weight":
        members = changed(good, lambda c: c["config"]["0.weight"].update(use_pickle=True), weights)
        members["data/weights/weight_0"] = trap
    elif place == "constant":
        members = changed(good, lambda c: c["config"].update(c=entry), constants)
        members["data/constants/tensor_0"] = trap
    elif place == "object":
        named = {**entry, "path_name": "opaque_obj_0"}
        members = changed(good, lambda c: c["config"].update(c=named), constants)
        members["data/constants/opaque_obj_0"] = trap
    elif place == "older weights":
        del members[weights]
        members["data/weights/model.pt"] = trap
    else:
        members["data/sample_inputs/model.pt" if place == "sample inputs" else "extra/model.pkl"] = trap
    path = written(members, tmp_path / "net.pt2")
    if place in ("sample inputs", "extra"):  # never looked at
        assert load(path)(torch.zeros(1, 3, 8, 8)).shape == (1, 4, 6, 6)
    else:
        with pytest.raises(LoadError, match=r"holds more than weights in [\s\S]*It was not run"):
            load(path)
    assert not mark.exists()


def test_expressions_are_not_evaluated(good: Members, tmp_path: Path) -> None:
    """torch.export.load gives such texts to sympy, which evaluates them."""
    mark = tmp_path / "mark"
    code = f"__import__('pathlib').Path({str(mark)!r}).write_text('ran')"

    def change(program: Any) -> None:
        graph = program["graph_module"]["graph"]
        graph["tensor_values"]["input"]["sizes"][2] = {"as_expr": {"expr_str": code, "hint": {"as_int": 8}}}
        graph["sym_int_values"]["s0"] = {"as_expr": {"expr_str": code, "hint": None}}
        program["range_constraints"] = {code: {"min_val": 0, "max_val": 9}}
        program["guards_code"] = [code]
        for call in program["graph_module"]["module_call_graph"]:
            if call["signature"]:
                call["signature"]["in_spec"] = code
        for node in nodes(program):
            node["metadata"] |= {"custom": code, "from_node": code, "source_fn_stack": code}

    loaded = load(written(changed(good, change), tmp_path / "net.pt2"))
    assert loaded.input_size == (3, 8, 8)
    assert loaded(torch.zeros(1, 3, 8, 8)).shape == (1, 4, 6, 6)
    assert not mark.exists()


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.eval",
        "torch.load",
        "torch.hub.load",
        "torch.ops.load_library",
        "torch.ops.aten.from_file.default",
        "torch.ops.aten.from_file.out",
        "torch.ops.aten.relu.out",
        "torch.ops.aten._linalg_check_errors.default",
        "torch.ops.aten._embedding_bag.default",
        "torch.ops.quantized.linear.default",
        "torch.ops.higher_order.cond",
        "_operator.attrgetter",
        "_operator.pow",
        "convitro.load",
        None,
        7,
    ],
    ids=str,
)
def test_what_is_not_on_the_list_is_not_called(good: Members, tmp_path: Path, target: Any) -> None:
    path = written(changed(good, lambda p: nodes(p)[1].update(target=target)), tmp_path / "net.pt2")
    with pytest.raises(UnsupportedError, match="which is not computed"):
        load(path)


@pytest.mark.parametrize(
    "target", ["torch.ops.aten.__class__.mro", "torch.ops.aten.relu.__init__", "torch.ops.aten.a.b"]
)
def test_what_is_no_operator_is_not_called(good: Members, tmp_path: Path, target: str) -> None:
    path = written(changed(good, lambda p: nodes(p)[1].update(target=target)), tmp_path / "net.pt2")
    with pytest.raises(LoadError, match="has no operator"):
        load(path)


@pytest.mark.parametrize(
    "kind", ["as_graph", "as_custom_obj", "as_operator", "as_string_to_argument", "as_complex"]
)
def test_arguments_that_are_no_numbers_are_refused(good: Members, tmp_path: Path, kind: str) -> None:
    def change(program: Any) -> None:
        nodes(program)[1]["inputs"][0]["arg"] = {kind: {"name": "input"}}

    with pytest.raises(UnsupportedError, match="neither a number nor a tensor"):
        load(written(changed(good, change), tmp_path / "net.pt2"))


META = "data/weights/model_weights_config.json"


@pytest.mark.parametrize(
    "meta",
    [
        {"sizes": [{"as_int": 10**9}] * 4},
        {"sizes": [{"as_int": 2**63}] * 4},
        {"sizes": [{"as_int": -4}] * 4},
        {"sizes": [{"as_int": 10**9}] * 4, "strides": [{"as_int": 0}] * 4},
        {"sizes": [{"as_expr": {"expr_str": "s0"}}] * 4},
        {"sizes": [{"as_int": True}] * 4},
        {"strides": [{"as_int": 10**9}] * 4},
        {"strides": [{"as_int": -1}] * 4},
        {"strides": []},
        {"storage_offset": {"as_int": 1}},
        {"storage_offset": {"as_int": -1}},
        {"dtype": 99},
        {"layout": 1},
        {"sizes": None},
    ],
    ids=str,
)
def test_tensors_must_lie_within_their_bytes(good: Members, tmp_path: Path, meta: dict[str, Any]) -> None:
    members = changed(good, lambda c: c["config"]["0.weight"]["tensor_meta"].update(meta), META)
    with pytest.raises(LoadError, match=r"cannot be read as a program of torch\.export"):
        load(written(members, tmp_path / "net.pt2"))


def test_arguments_beyond_any_memory(good: Members, tmp_path: Path) -> None:
    def change(program: Any) -> None:
        program["graph_module"]["graph"]["tensor_values"]["input"]["sizes"][2] = {"as_int": 10**12}

    with pytest.raises(LoadError, match="impossible size"):
        load(written(changed(good, change), tmp_path / "net.pt2"))


def test_members_are_not_unpacked(good: Members, tmp_path: Path) -> None:
    members = {**good, "data/weights/weight_0": bytes(10**8)}  # some thousand bytes when compressed
    path = written(members, tmp_path / "net.pt2", zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 10**6
    with pytest.raises(LoadError, match="compressed"):
        load(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("models/model.json", b"[" * 100_000),
        ("models/model.json", b'{"graph_module": 1e999}'),
        ("models/model.json", b"[]"),
        ("models/model.json", b'{"graph_module": ' + b"9" * 5000 + b"}"),
        ("models/model.json", b"\xff\xfe"),
        ("models/model.json", b"{}"),
        ("models/second.json", b"{}"),
        ("data/weights/model_weights_config.json", b'{"config": []}'),
        ("data/weights/model_weights_config.json", b'{"config": {"0.weight": {}}}'),
        ("data/weights/weight_0", b""),
    ],
    ids=lambda value: str(value)[:40],
)
def test_members_that_make_no_sense(good: Members, tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises(LoadError, match="load: "):
        load(written({**good, name: content}, tmp_path / "net.pt2"))


def test_values_that_nothing_gives(good: Members, tmp_path: Path) -> None:
    def backwards(program: Any) -> None:
        nodes(program).reverse()

    with pytest.raises(LoadError, match='nothing in the program gives the value "conv2d"'):
        load(written(changed(good, backwards), tmp_path / "net.pt2"))


def test_sizes_do_not_grow_without_bound(good: Members, tmp_path: Path) -> None:
    """Squaring a number some dozen times would fill the memory with its digits."""

    def change(program: Any) -> None:
        def named(name: str) -> dict[str, Any]:
            return {"name": "", "arg": {"as_sym_int": {"as_name": name}}, "kind": 1}

        first = {"name": "", "arg": {"as_int": 10}, "kind": 1}
        grown = [
            {
                "target": "_operator.mul",
                "inputs": [first, first],
                "outputs": [{"as_sym_int": {"as_name": "n0"}}],
            }
        ]
        for index in range(60):
            pair = [named(f"n{index}")] * 2
            result = [{"as_sym_int": {"as_name": f"n{index + 1}"}}]
            grown.append({"target": "_operator.mul", "inputs": pair, "outputs": result})
        nodes(program)[:0] = [{**node, "metadata": {}} for node in grown]

    loaded = load(written(changed(good, change), tmp_path / "net.pt2"))
    with pytest.raises(ConvitroError, match="beyond 64 bits"):
        loaded(torch.zeros(1, 3, 8, 8))
