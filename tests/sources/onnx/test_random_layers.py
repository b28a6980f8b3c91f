"""Random convolutions, pools and resizes of one to three axes, each against onnxruntime."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch

from convitro.sources.onnx import compare_with_onnxruntime
from tests.sources.onnx.building import model, node

CLOSE = 1e-5


def windows(chance: random.Random, axes: int) -> dict[str, Any]:
    """Sizes of windows and borders that fit inputs of 9 and more cells.

    With SAME, onnxruntime leaves dilations out of its borders and cuts cells off where windows stand apart.
    """
    kernel = [chance.randrange(1, 5) for _ in range(axes)]
    how: dict[str, Any] = {"kernel_shape": kernel}
    rule = chance.choice(["SAME_UPPER", "SAME_LOWER", "VALID", "", "", ""])
    if rule:
        how["auto_pad"] = rule
    elif chance.random() < 0.7:
        how["pads"] = [chance.randrange(size) for size in kernel * 2]
    if chance.random() < 0.7:
        how["strides"] = [chance.randrange(1, 1 + (size if "SAME" in rule else 3)) for size in kernel]
    if chance.random() < 0.4 and "SAME" not in rule:
        how["dilations"] = [chance.randrange(1, 3) for _ in range(axes)]
    return how


@pytest.mark.parametrize("op", ["Conv", "ConvTranspose", "MaxPool", "AveragePool"])
def test_windows(op: str) -> None:
    for seed in range(25):
        chance, axes = random.Random(seed), seed % 3 + 1
        how, sizes = windows(chance, axes), [chance.randrange(9, 14) for _ in range(axes)]
        weights, inputs, outputs = {}, "x", "y"
        if op.startswith("Conv"):
            groups = chance.choice([1, 2])
            first, second = (4, 6 // groups) if op == "ConvTranspose" else (6, 4 // groups)
            how["group"], inputs = groups, "x w"
            weights["w"] = torch.randn(first, second, *how["kernel_shape"])
        else:
            how["ceil_mode"] = chance.choice([0, 0, 1])
            outputs = chance.choice(["y", "y i"]) if op == "MaxPool" else "y"
        if op == "AveragePool":
            how["count_include_pad"] = chance.choice([0, 1])
        proto = model([node(op, inputs, outputs, **how)], {"x": (2, 4, *sizes)}, ["y"], weights, opset=19)
        agreement = compare_with_onnxruntime(proto, torch.randn(2, 4, *sizes))
        assert agreement.relative < CLOSE, f"{sizes} {how}\n{agreement}"


RULES = ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("rule", RULES)
def test_resizing(mode: str, rule: str) -> None:
    for seed in range(12):
        chance = random.Random(seed)
        nearest = chance.choice(["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"])
        how = {"mode": mode, "coordinate_transformation_mode": rule, "nearest_mode": nearest}
        sizes = [chance.randrange(3, 9) for _ in range(2)]
        scale = chance.choice([[2.0, 2.0], [3.0, 2.0], [0.5, 0.5], [1.0, 2.0]])
        goal = chance.choice([[2 * size for size in sizes], [7, 5]])
        inputs, weights = ("x - s", {"s": torch.tensor([1.0, 1.0, *scale])})
        if chance.random() < 0.5:
            inputs, weights = "x - - g", {"g": torch.tensor([1, 2, *goal])}
        proto = model([node("Resize", inputs, "y", **how)], {"x": (1, 2, *sizes)}, ["y"], weights, opset=13)
        agreement = compare_with_onnxruntime(proto, torch.randn(1, 2, *sizes))
        assert agreement.relative < 1e-4, f"{sizes} {inputs} {scale} {goal} {how}\n{agreement}"
