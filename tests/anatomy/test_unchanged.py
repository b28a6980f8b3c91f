"""Afterwards the model, and all around it, is exactly what it was: also when its forward raises."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

from convitro.anatomy import dissect, summary

GLOBAL_HOOKS = (
    "_global_forward_hooks",
    "_global_forward_pre_hooks",
    "_global_forward_hooks_always_called",
    "_global_forward_hooks_with_kwargs",
    "_global_backward_hooks",
)


class Restless(nn.Module):
    """Its forward changes all it can: modes, buffers, weights, gradients, attributes, random states."""

    def __init__(self) -> None:
        super().__init__()
        self.conv: Any = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout()
        self.calls: Any
        self.register_buffer("calls", torch.zeros(2))
        self.register_buffer("scale", torch.ones(1))
        self.log: list[int] = []
        self.cache: dict[str, Any] = {}
        self.steps = 0
        self.fails = False

    def forward(self, input: Tensor) -> Tensor:
        self.norm.eval()
        self.norm.train()
        self.drop.eval()
        self.calls += 1
        self.calls = self.calls * 2
        self.scale = torch.full((1,), 3.0)
        self.steps += 1
        self.log.append(self.steps)
        self.cache["last"] = input
        self.conv.bias.requires_grad_(False)
        self.conv.weight.data = F.normalize(self.conv.weight.data, dim=1)
        self.norm.weight.data.clamp_(0.1, 0.2)
        with torch.enable_grad():
            self.norm(self.conv(input)).sum().backward()
        random.random()
        np.random.random()
        output = self.drop(self.norm(self.conv(input))) + torch.rand(1)
        if self.fails:
            raise RuntimeError("forward gave up")
        return F.dropout(output)


def photograph(model: nn.Module) -> dict[str, Any]:
    """All that must stay, as comparable values."""
    seen: dict[str, Any] = {"state": {name: value.clone() for name, value in model.state_dict().items()}}
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        grad = None if tensor.grad is None else tensor.grad.clone()
        seen[name] = (id(tensor), tensor.data_ptr(), tensor.requires_grad, grad, id(tensor.grad))
    for name, module in model.named_modules():
        hooks = [
            dict(getattr(module, kind))
            for kind in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")
        ]
        plain = {k: v for k, v in vars(module).items() if isinstance(v, (int, str, bool, float))}
        seen[f"{name} attributes"] = (list(vars(module)), plain, hooks)
    seen["log"] = copy.copy(getattr(model, "log", None)), dict(getattr(model, "cache", {}))
    seen["random"] = (
        torch.get_rng_state(),
        random.getstate(),
        np.random.get_state(legacy=False)["state"]["key"].tolist(),
    )
    seen["global"] = [dict(getattr(torch_module, name)) for name in GLOBAL_HOOKS]
    seen["grad mode"] = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
    return seen


def same(one: Any, other: Any) -> bool:
    """Equality that looks into containers and compares tensors bit for bit."""
    if isinstance(one, Tensor):
        return isinstance(other, Tensor) and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [key for key in {**before, **after} if not same(before.get(key), after.get(key))]


@pytest.fixture(params=[dissect, summary], ids=["dissect", "summary"])
def look(request: pytest.FixtureRequest) -> Callable[[nn.Module, Tensor], Any]:
    """Both ways to run a model only to look at it."""
    if request.param is dissect:
        return dissect
    return lambda model, input: summary(model, input_data=input, verbose=0)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("with_grad", [False, True])
def test_a_restless_model_stays_as_it_was(look: Any, training: bool, fails: bool, with_grad: bool) -> None:
    model, image = Restless().train(training), torch.randn(2, 3, 6, 6)
    model.conv.register_forward_hook(lambda *_: None)
    model.fails = fails
    if with_grad:
        F.conv2d(image, model.conv.weight, model.conv.bias).sum().backward()
    before, pixels = photograph(model), image.clone()
    if fails:
        with pytest.raises(RuntimeError, match="forward gave up"):
            look(model, image)
    else:
        look(model, image)
    assert differences(before, photograph(model)) == []
    assert torch.equal(image, pixels)


@pytest.mark.parametrize("training", [True, False])
def test_usual_layers_stay_as_they_were(look: Any, training: bool) -> None:
    layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout2d(), nn.RReLU()]
    model: Any = nn.Sequential(nn.ReLU(inplace=True), *layers).train(training)
    model[2].eval()  # a mixture of modes
    model[1].weight.requires_grad_(False)
    image = torch.randn(2, 3, 6, 6)
    before, pixels = photograph(model), image.clone()
    look(model, image)
    assert differences(before, photograph(model)) == []
    assert torch.equal(image, pixels)


def test_values_that_compare_oddly_are_kept_bit_for_bit(look: Any) -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 1)
            self.odd: Tensor
            self.register_buffer("odd", torch.tensor([float("nan"), -0.0, 1.0]))

        def forward(self, input: Tensor) -> Tensor:
            self.odd.abs_()
            return self.conv(input)

    model = Odd()
    bits = model.odd.view(torch.int32).clone()
    look(model, torch.randn(1, 1, 2, 2))
    assert torch.equal(model.odd.view(torch.int32), bits)


def test_the_gradient_graph_of_a_training_step_survives(look: Any) -> None:
    """Looking at a model between forward and backward must not disturb the step."""
    model: Any = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval()
    image = torch.randn(2, 3, 6, 6)
    loss = model(image).square().sum()
    look(model, image)
    loss.backward()
    assert model[0].weight.grad is not None


def test_a_module_that_raises_inside_and_is_caught(look: Any) -> None:
    class Fragile(nn.Module):
        def forward(self, input: Tensor) -> Tensor:
            raise ValueError("too fragile")

    class Careful(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fragile, self.conv = Fragile(), nn.Conv2d(3, 2, 1)

        def forward(self, input: Tensor) -> Tensor:
            try:
                return self.fragile(input)
            except ValueError:
                return self.conv(F.conv2d(input, torch.ones(3, 3, 1, 1)))

    assert list(dissect(Careful(), torch.randn(1, 3, 4, 4))) == ["conv2d", "conv"]
    look(Careful(), torch.randn(1, 3, 4, 4))
