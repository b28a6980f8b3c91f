"""Arms: every name means one thing, the parameters are shared, and what cannot be an arm is refused."""

import pytest
import torch
from torch import nn

from convitro.aggregation import aggregations
from convitro.errors import ArgumentError
from convitro.functional import conv2d
from convitro.lab.comparison.arms import Arm, parse_arms
from convitro.presets import PRESETS, max_plus, sharpened_cosine


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (" max ", "max"),
        ("logsumexp(beta=5)", "logsumexp(beta=5.0)"),
        ("multiply:sum:mean", "mean"),
        ("add:max:sum", "add:max:sum"),
        ("multiply:logsumexp(beta=5):max", "multiply:logsumexp(beta=5.0):max"),
        ("adder", "adder"),
        ("adder( gradient = adder )", "adder(gradient=adder)"),
        ("sharpened_cosine(q=0.5, p=3)", "sharpened_cosine(p=3,q=0.5)"),
    ],
)
def test_names(text: str, name: str) -> None:
    arm = Arm.parse(text)
    assert arm.name == name
    assert Arm.parse(name) == arm


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("maen", 'did you mean "mean"'),
        ("ader", 'did you mean "adder"'),
        ("none", '"none" cannot be an arm'),
        ("", "an arm is not a name"),
        ("add:max", "cannot be read"),
        ("add:median:sum", "this window cannot be used"),
        ("divide:sum:sum", "unknown combine"),
        ("logsumexp(alpha=1)", "cannot be read"),
        ("adder(gradient=steep)", "unknown gradient"),
        ("adder(p=2)", "no parameter `p`"),
        ("adder(gradient", "cannot be read"),
    ],
)
def test_what_is_no_arm(text: str, problem: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        Arm.parse(text)
    assert problem in str(caught.value)


def test_lists() -> None:
    assert parse_arms("max,kervolution(kernel=gaussian,gamma=0.1)") == (
        "max",
        "kervolution(gamma=0.1,kernel=gaussian)",
    )
    with pytest.raises(ArgumentError, match="stands there twice"):
        parse_arms(["logsumexp", "logsumexp(beta=1.0)"])


def test_an_arm_computes_what_it_says_with_shared_parameters() -> None:
    torch.manual_seed(0)
    convolution, images = nn.Conv2d(4, 3, 3, stride=2, padding=1), torch.rand(2, 4, 7, 7)
    weight, bias = convolution.weight, convolution.bias
    expected = {
        "max": conv2d(images, weight, bias, 2, 1, aggregation="max"),
        "absolute_difference:max:sum": conv2d(
            images, weight, bias, 2, 1, combine="absolute_difference", window="max"
        ),
        "max_plus": max_plus(images, weight, bias, 2, 1),
        "sharpened_cosine(p=3)": sharpened_cosine(images, weight, bias, 2, 1, p=3),
    }
    for name, maps in expected.items():
        layer = Arm.parse(name).layer(convolution)
        assert layer.weight is weight
        assert layer.bias is bias
        torch.testing.assert_close(layer(images), maps, rtol=0, atol=0)


@pytest.mark.parametrize("name", [*(name for name in aggregations() if name != "none"), *PRESETS])
def test_every_aggregation_and_preset_is_an_arm(name: str) -> None:
    network = nn.Sequential(nn.Conv2d(2, 2, 3, bias=False), nn.ReLU(), nn.Conv2d(2, 2, 1))
    names = list(network.state_dict())
    changed = Arm.parse(name).take(network)
    assert list(changed.state_dict()) == names
    assert changed(torch.rand(1, 2, 4, 4)).shape == (1, 2, 2, 2)
