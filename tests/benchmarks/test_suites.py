"""Training, calls and fresh processes: the right thing is measured."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import convitro.bench.overhead as overhead
import convitro.bench.training as training
from convitro.bench.inference import contenders_named
from convitro.bench.training import Step, checked, exact_gradients, measure_training, of_blocks, steps
from convitro.errors import ExperimentError
from convitro.models import small_vgg


def test_ours_is_the_embedded_network() -> None:
    theirs, ours = small_vgg(), of_blocks().eval()
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), rtol=1e-4, atol=1e-4)


def test_training_compares_the_same_step(monkeypatch: pytest.MonkeyPatch) -> None:
    (row,) = measure_training(["torch", "torch channels_last"], (2,), threads=1, budget_s=0.0)
    assert row.refused == {}
    assert set(row.timings) == {"convitro", "convitro NCHW", "torch", "torch channels_last"}
    assert set(row.saved_bytes) == set(row.timings)
    activations = 2 * 4 * sum(width * side * side for width, side in ((32, 32), (64, 16), (96, 8)))
    assert row.saved_bytes["torch"] > 2 * activations  # both convolutions' outputs of every stage
    assert row.saved_bytes["convitro"] <= row.saved_bytes["torch"]


def test_a_wrong_gradient_is_not_timed() -> None:
    def wrong() -> Step:
        step = dict(steps(2))["torch"]()
        return Step(step.model, lambda images: step.model(images * 1.1), step.images, step.labels)

    told = checked(wrong, exact_gradients(2))
    assert isinstance(told, str)
    assert told.startswith("wrong: a gradient is off by")


def test_saved_storages_count_once_and_parameters_do_not() -> None:
    class Squashed(nn.Module):
        def __init__(self, times: int) -> None:
            super().__init__()
            self.weight, self.times = nn.Parameter(torch.rand(3)), times

        def forward(self, images: Tensor) -> Tensor:
            scores = images * self.weight  # keeps `images`; `weight` is a parameter
            for _ in range(self.times):
                scores = torch.sigmoid(scores)  # keeps its output
            return scores + images * self.weight  # keeps `images` again

    images, labels = torch.rand(4, 3), torch.zeros(4, dtype=torch.long)
    bare, squashed = (Step(net, net, images, labels).saved_bytes()[0] for net in (Squashed(0), Squashed(2)))
    assert squashed - bare == 2 * 4 * images.numel()


def test_a_call_does_what_pytorchs_does() -> None:
    names = {"conv2d", "conv_block"}
    kinds = ("forward", "forward with grad", "backward")
    calls = overhead.calls()
    assert set(calls) == {f"{name}, {kind}" for name in names for kind in kinds}
    for ours, theirs in calls.values():
        assert overhead.same(ours(), theirs())
    rows = list(overhead.measure_calls(threads=1, budget_s=0.0))
    assert [row.refused for row in rows] == [{}] * 6
    assert all(row.ratio() > 0 for row in rows)


def test_calls_that_differ_are_told_apart() -> None:
    one, other = torch.ones(3), torch.tensor([1.0, 1.0, 1.01])
    assert overhead.same(one, one.clone())
    assert not overhead.same(one, other)
    assert not overhead.same((one, one), (one, other))


def test_a_call_that_is_wrong_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = (lambda: torch.ones(2), lambda: torch.zeros(2))
    monkeypatch.setattr(overhead, "calls", lambda: {"conv2d, forward": pair})
    (row,) = overhead.measure_calls(threads=1, budget_s=0.0)
    assert set(row.timings) == {"torch"}
    assert row.refused == {"convitro": "wrong: not PyTorch's"}


def test_imports_and_first_calls_are_measured_in_fresh_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overhead, "PROCESSES", 1)
    figures = {figure.name: figure for figure in overhead.measure_processes()}
    assert figures["import convitro, over import torch"].at_most == 0.2
    assert figures["first call of a new shape, nothing cached"].at_most == 0.3
    assert figures["first call of a new shape, cached on disk"].at_most == 0.005
    assert all(figure.value > 0 for figure in figures.values())


def test_a_process_that_fails_says_why() -> None:
    with pytest.raises(ExperimentError, match="no such module here"):
        overhead._seconds("raise SystemExit('no such module here')")


def test_training_knows_the_peers_of_the_layers() -> None:
    known = {contender.name for contender in contenders_named([])}
    assert {name for name, _ in training.steps(1)} <= known
