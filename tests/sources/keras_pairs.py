"""The same network written in Keras and in PyTorch, with the same weights, which are moved here by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from convitro.keras.backend import import_keras

keras = import_keras()
L = keras.layers


class Pair(NamedTuple):
    keras: Any
    torch: nn.Module
    size: tuple[int, int, int]


def randomized(model: Any, seed: int = 0) -> Any:
    """The model with seeded weights; variances are positive."""
    generator = np.random.default_rng(seed)
    for variable in model.weights:
        values = generator.normal(size=variable.shape) / np.sqrt(max(1, np.prod(variable.shape[:-1])))
        values = np.abs(values) + 0.5 if "variance" in variable.path else values
        variable.assign(values.astype("float32"))
    return model


def numbers(variable: Any) -> Tensor:
    values: Tensor = variable if isinstance(variable, Tensor) else variable.value
    return values.detach().clone()


def move_weights(model: Any, network: nn.Module) -> None:
    """Layer by layer in order: Keras' kernels (H, W, in, out) to torch's (out, in, H, W)."""
    modules = [
        module for module in network.modules() if isinstance(module, nn.Conv2d | nn.BatchNorm2d | nn.Linear)
    ]
    waiting = iter(modules)
    for layer in model.layers:
        kind = type(layer).__name__
        if kind in ("Conv2D", "DepthwiseConv2D"):
            axes = (3, 2, 0, 1) if kind == "Conv2D" else (2, 3, 0, 1)
            assign(next(waiting), weight=numbers(layer.kernel).permute(axes), bias=layer.bias)
        elif kind == "SeparableConv2D":
            assign(next(waiting), weight=numbers(layer.depthwise_kernel).permute(2, 3, 0, 1))
            assign(next(waiting), weight=numbers(layer.pointwise_kernel).permute(3, 2, 0, 1), bias=layer.bias)
        elif kind == "Dense":
            assign(next(waiting), weight=numbers(layer.kernel).t(), bias=layer.bias)
        elif kind == "BatchNormalization":
            norm = next(waiting)
            assert isinstance(norm, nn.BatchNorm2d)
            assign(norm, weight=layer.gamma, bias=layer.beta)
            norm.running_mean, norm.running_var = numbers(layer.moving_mean), numbers(layer.moving_variance)
    assert next(waiting, None) is None


def assign(module: nn.Module, **values: Any) -> None:
    for name, value in values.items():
        own = getattr(module, name)
        if own is None:
            assert value is None
            continue
        with torch.no_grad():
            given = value if isinstance(value, Tensor) else numbers(value)
            own.copy_(given.reshape(own.shape))


def plain() -> Pair:
    model = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            L.Conv2D(6, 3, padding="same", activation="relu", name="block1_conv1"),
            L.Conv2D(6, 3, activation="relu", name="block1_conv2"),
            L.MaxPooling2D(2),
            L.Conv2D(8, (5, 3), padding="same", groups=2, name="block2_conv1"),
            L.LeakyReLU(negative_slope=0.1),
            L.AveragePooling2D(2),
            L.GlobalAveragePooling2D(),
            L.Dense(4, activation="softmax"),
        ]
    )
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(6, 6, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 8, (5, 3), padding=(2, 1), groups=2),
        nn.LeakyReLU(0.1),
        nn.AvgPool2d(2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 4),
        nn.Softmax(1),
    )
    return Pair(model, network, (3, 16, 16))


class Clipped(nn.Module):
    """nn.ReLU6 calls the function hardtanh, which is the same by another name."""

    def forward(self, maps: Tensor) -> Tensor:
        return nn.functional.relu6(maps)


def strided() -> Pair:
    """With odd sizes "same" is even on both sides, at any stride."""
    model = keras.Sequential(
        [
            keras.Input((17, 13, 2)),
            L.Conv2D(4, 3, strides=2, padding="same", use_bias=False, name="stem"),
            L.BatchNormalization(epsilon=1e-3),
            L.ReLU(max_value=6),
            L.MaxPooling2D(3, strides=2, padding="same"),
            L.Conv2D(5, 3, dilation_rate=2, padding="same", activation="silu", name="wide"),
        ]
    )
    network = nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(4, eps=1e-3),
        Clipped(),
        nn.MaxPool2d(3, 2, padding=1),
        nn.Conv2d(4, 5, 3, dilation=2, padding=2),
        nn.SiLU(),
    )
    return Pair(model, network, (2, 17, 13))


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4, eps=1e-3)
        self.first, self.first_norm = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4, eps=1e-3)
        self.second, self.second_norm = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4, eps=1e-3)
        self.head = nn.Linear(4, 3)

    def forward(self, picture: Tensor) -> Tensor:
        maps = self.norm(self.stem(picture)).relu()
        inner = self.first_norm(self.first(maps)).relu()
        maps = (self.second_norm(self.second(inner)) + maps).relu()
        return self.head(maps.mean((2, 3)))


def residual() -> Pair:
    picture = keras.Input((9, 9, 3))
    maps = L.Conv2D(4, 3, padding="same", name="stem")(picture)
    maps = L.ReLU()(L.BatchNormalization()(maps))
    inner = L.Conv2D(4, 3, padding="same", name="first")(maps)
    inner = L.Activation("relu")(L.BatchNormalization()(inner))
    inner = L.Conv2D(4, 3, padding="same", name="second")(inner)
    maps = L.Add()([L.BatchNormalization()(inner), maps])
    maps = keras.ops.relu(maps)
    output = L.Dense(3)(L.GlobalAveragePooling2D()(maps))
    return Pair(keras.Model(picture, output), Residual(), (3, 9, 9))


def separable() -> Pair:
    model = keras.Sequential(
        [
            keras.Input((11, 11, 3)),
            L.DepthwiseConv2D(3, depth_multiplier=2, padding="same", activation="relu", name="depthwise"),
            L.SeparableConv2D(4, 3, strides=2, padding="same", activation="elu", name="separable"),
            L.MaxPooling2D(2, padding="same"),
        ]
    )
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1, groups=3),
        nn.ReLU(),
        nn.Conv2d(6, 6, 3, stride=2, padding=1, groups=6, bias=False),
        nn.Conv2d(6, 4, 1),
        nn.ELU(),
        nn.MaxPool2d(2, ceil_mode=True),
    )
    return Pair(model, network, (3, 11, 11))


PAIRS: dict[str, Callable[[], Pair]] = {
    "plain": plain,
    "strided": strided,
    "residual": residual,
    "separable": separable,
}


def pair(name: str) -> Pair:
    """The two networks with the same seeded weights, in evaluation mode."""
    keras.utils.clear_session(free_memory=False)
    found = PAIRS[name]()
    randomized(found.keras)
    move_weights(found.keras, found.torch)
    return found._replace(torch=found.torch.eval())
