"""Everybody computes the same layer, and whoever does not is refused instead of timed.

Other runtimes run in a process of their own: their threads outlive a test, and JAX warns at every later fork.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest
import torch
from torch import Tensor

import convitro
import convitro.bench.contenders as contenders
from convitro.bench.contenders import Case, Contender, Convitro
from convitro.bench.inference import CONTENDERS, contenders_named, measure_layer
from convitro.bench.layers import Layer
from convitro.errors import ArgumentError
from convitro.nn import ConvBlock

TINY = [
    Layer("pooled", (3, 9, 8), 5, pool=2, pool_stride=2, batch=2),
    Layer("overlapping", (4, 15, 14), 6, 5, stride=2, padding=2, groups=2, pool=3, pool_stride=2),
    Layer("dilated", (4, 11, 10), 4, padding=1, dilation=2, groups=4),
]
RUNTIMES = ("onnxruntime", "openvino", "jax")
SCRIPT = """
import json, sys, torch
from convitro.bench.inference import contenders_named, measure_layer
from convitro.bench.layers import Layer
torch.set_num_threads(1)
for settings in json.loads(sys.argv[1]):
    settings["image"] = tuple(settings["image"])
    row = measure_layer("tiny", Layer(**settings), contenders_named(sys.argv[2].split(",")), 1, 0.0)
    print(json.dumps([sorted(row.timings), row.refused]))
"""


class Zeros(Contender):
    """The right shape, the wrong numbers."""

    name = "zeros"

    def prepare(self, case: Case) -> Callable[[], Any]:
        return lambda: torch.zeros(case.expected.shape)


class Transposed(Zeros):
    """The right numbers, the wrong shape."""

    name = "transposed"

    def prepare(self, case: Case) -> Callable[[], Any]:
        return lambda: case.expected.transpose(1, 2)


class NotANumber(Zeros):
    """Right but for one NaN."""

    name = "nan"

    def prepare(self, case: Case) -> Callable[[], Any]:
        output = case.expected.float().clone()
        output[0, 0, 0, 0] = float("nan")
        return lambda: output


class Breaking(Zeros):
    """A runtime that gives up."""

    name = "breaking"

    def prepare(self, case: Case) -> Callable[[], Any]:
        raise RuntimeError("no kernel for this\nand a long trace")


class Absent(Zeros):
    """A runtime that is not there."""

    name, package = "absent", "a_package_that_is_not_there"


class OursWrong(Convitro):
    """Ours, giving up."""

    def prepare(self, case: Case) -> Callable[[], Any]:
        raise RuntimeError("ours failed")


@pytest.mark.parametrize("layer", TINY, ids=lambda layer: layer.origin)
def test_ours_and_pytorch_agree_with_float64(layer: Layer) -> None:
    row = measure_layer("tiny", layer, contenders_named(["torch", "torch channels_last"]), 1, 0.0)
    assert row.refused == {}
    assert set(row.timings) == {"convitro", "convitro NCHW", "torch", "torch channels_last"}


@pytest.mark.parametrize("name", [*RUNTIMES, "torch.compile"])
def test_every_installed_peer_agrees_with_float64(name: str) -> None:
    peer = {kind.name: kind for kind in CONTENDERS}[name]()
    if reason := peer.missing():
        pytest.skip(reason)
    layers = json.dumps([asdict(layer) for layer in (TINY[:1] if name == "torch.compile" else TINY)])
    command = [sys.executable, "-c", SCRIPT, layers, name]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    for line in result.stdout.splitlines():
        assert json.loads(line) == [["convitro", "convitro NCHW", name], {}]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (Zeros(), "wrong: error 1.0e+00 of the largest output"),
        (Transposed(), "wrong: error inf"),
        (NotANumber(), "wrong: error inf"),
        (Breaking(), "RuntimeError: no kernel for this"),
        (Absent(), 'a_package_that_is_not_there is not installed: `pip install "convitro[bench]"` adds it'),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_peer_that_is_wrong_is_named_and_not_timed(wrong: Contender, reason: str) -> None:
    row = measure_layer("tiny", TINY[0], [Convitro(), wrong], 1, 0.0)
    assert set(row.timings) == {"convitro"}
    assert row.refused[wrong.name].startswith(reason)
    assert "\n" not in row.refused[wrong.name]


def test_a_failure_of_ours_is_no_result() -> None:
    with pytest.raises(RuntimeError, match="ours failed"):
        measure_layer("tiny", TINY[0], [OursWrong()], 1, 0.0)


def test_ours_with_wrong_numbers_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def half(*arguments: Any, **settings: Any) -> Tensor:
        from convitro.functional import conv_block

        output = conv_block(*arguments, **settings)
        assert isinstance(output, Tensor)
        return output / 2

    monkeypatch.setattr(contenders, "conv_block", half)
    row = measure_layer("tiny", TINY[0], contenders_named(["torch"]), 1, 0.0)
    assert set(row.timings) == {"torch"}
    assert set(row.refused) == {"convitro", "convitro NCHW"}
    assert row.ratio() == 0


def test_a_row_tells_how_ours_did_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Plan:
        algorithm = "winograd"

        def __init__(self, layer: ConvBlock, input_size: tuple[int, ...]) -> None:
            self.text = f"{layer.conv.weight.shape[0]} filters over {input_size}"

        def __str__(self) -> str:
            return self.text

    monkeypatch.setattr(convitro, "plan", Plan, raising=False)
    row = measure_layer("tiny", TINY[0], [Convitro()], 1, 0.0)
    assert (row.algorithm, row.plan) == ("winograd", "5 filters over (2, 3, 9, 8)")


def test_one_thread_is_compared_only_where_there_are_more() -> None:
    assert "convitro 1 thread" in measure_layer("", TINY[0], contenders_named(["torch"]), 2, 0.0).timings
    assert "convitro 1 thread" not in measure_layer("", TINY[0], contenders_named(["torch"]), 1, 0.0).timings


def test_peers_are_chosen_by_name() -> None:
    assert [one.name for one in contenders_named(["jax"]) if not one.ours] == ["jax"]
    assert len(contenders_named([])) == len(CONTENDERS)
    with pytest.raises(ArgumentError, match='did you mean "onnxruntime"'):
        contenders_named(["onnxruntim"])
    with pytest.raises(ArgumentError, match="unknown peer"):
        contenders_named(["convitro"])


def test_what_the_extra_promises_is_what_peers_need() -> None:
    assert {kind.package for kind in CONTENDERS} - {""} == set(RUNTIMES)
    assert importlib.util.find_spec("torch") is not None
