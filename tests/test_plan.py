"""A plan says what a call does."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import nn

import convitro
import convitro.engine.cpu.isa as instruction_sets
from convitro.engine.cpu.layer import Forward
from convitro.errors import ArgumentError, ShapeError
from convitro.geometry import conv_problem

needs_kernels = pytest.mark.skipif(not instruction_sets.supported(), reason="no kernels for this processor")
LAYERS: list[tuple[nn.Module, tuple[int, ...]]] = [
    (nn.Conv2d(64, 64, 3, padding=1), (2, 64, 28, 28)),
    (nn.Conv2d(3, 32, 3, padding=1), (1, 3, 32, 32)),
    (nn.Conv2d(16, 16, 3, groups=16), (1, 16, 12, 12)),
    (convitro.ConvBlock(8, 16, 5, stride=2), (1, 8, 20, 20)),
    (convitro.Conv2d(8, 16, 1), (1, 8, 9, 9)),
]


@needs_kernels
@pytest.mark.parametrize(("layer", "size"), LAYERS)
def test_a_call_does_what_the_plan_says(
    layer: Any, size: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = convitro.plan(layer, size)
    used: list[str] = []
    run = Forward._run

    def watched(self: Forward, *arguments: Any) -> Any:
        used.append(self.convolver.request.algorithm)
        return run(self, *arguments)

    monkeypatch.setattr(Forward, "_run", watched)  # also a call that was prepared before comes by here
    with torch.no_grad():
        convitro.Conv2d.from_conv2d(layer)(torch.zeros(size)) if type(layer) is nn.Conv2d else layer(
            torch.zeros(size)
        )
    assert set(used) == {plan.algorithm}


@needs_kernels
def test_every_other_algorithm_has_a_reason() -> None:
    for layer, size in LAYERS:
        plan = convitro.plan(layer, size)
        assert {plan.algorithm, *plan.reasons} == {
            *("direct", "winograd", "depthwise", "fold", "aten", "reference")
        }
        assert all(reasons and all(reasons) for reasons in plan.reasons.values())
        assert plan.threads >= 1
        assert plan.expected_share > 0


def test_a_plan_is_a_short_table() -> None:
    text = str(convitro.plan(*LAYERS[0]))
    assert max(map(len, text.splitlines())) <= 80
    assert "not aten" in text
    assert "MACs" in text


def test_a_plan_is_json_and_html() -> None:
    plan = convitro.plan(*LAYERS[0])
    assert json.loads(json.dumps(plan.to_dict()))["algorithm"] == plan.algorithm
    assert f"<td>{plan.algorithm}</td>" in plan._repr_html_()


@pytest.mark.parametrize(
    ("layer", "dtype", "algorithm", "reason"),
    [
        (convitro.Conv2d(3, 4, 3, aggregation="max"), torch.float16, "reference", "is not linear"),
        (nn.Conv2d(3, 4, 3), torch.float16, "aten", "not float16"),
        (convitro.ConvBlock(3, 4, 3, pool=16, padding=8), torch.float32, "aten", "more than 254 pixels"),
    ],
)
def test_what_the_kernels_do_not_serve(layer: Any, dtype: torch.dtype, algorithm: str, reason: str) -> None:
    plan = convitro.plan(layer, (1, 3, 16, 16), dtype)
    assert plan.algorithm == algorithm
    assert reason in plan.reasons["direct"][0]


def test_a_problem_and_three_sizes_will_do() -> None:
    assert convitro.plan(conv_problem((4, 3, 3, 3)), (3, 8, 8)).macs == 4 * 3 * 9 * 36


@needs_kernels
def test_any_operator_has_kernels() -> None:
    plan = convitro.plan(convitro.Conv2d(3, 40, 3, aggregation="logsumexp"), (1, 3, 16, 16))
    assert (plan.algorithm, plan.tile[0]) == ("fold", 6)
    assert "is not linear" in plan.reasons["winograd"][0]
    large = convitro.Conv2d(3, 4, 12, aggregation="max")
    assert "more than 128" in convitro.plan(large, (1, 3, 16, 16)).reasons["fold"][0]


@needs_kernels
def test_one_thread_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convitro.engine.cpu.threads.pool", lambda: None)
    plan = convitro.plan(*LAYERS[0])
    assert plan.threads == 1
    assert plan.notes == ("PyTorch's OpenMP pool was not found in this process",)


@pytest.mark.parametrize(
    ("layer", "size", "error", "message"),
    [
        ("conv", (1, 3, 8, 8), ArgumentError, "not a layer"),
        (nn.Conv2d(3, 4, 3), (8, 8), ArgumentError, "not the size of pictures"),
        (nn.Conv2d(3, 4, 3), (1, 3, 0, 8), ArgumentError, "all positive"),
        (nn.Conv2d(3, 4, 3), (1, 4, 8, 8), ShapeError, "3 channels"),
        (nn.Conv2d(3, 4, 3), (1, 3, 2, 8), ShapeError, "does not take inputs"),
    ],
)
def test_plan_refuses(layer: Any, size: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        convitro.plan(layer, size)
