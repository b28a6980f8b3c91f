"""Activations, arithmetic, and other operations that work on every number alike or along one axis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convitro.sources.keras.recipe import OWN, Call, Recipe, Value

ACTIVATIONS: dict[str, Callable[..., Tensor]] = {
    "relu": F.relu,
    "relu6": F.relu6,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "silu": F.silu,
    "swish": F.silu,
    "mish": F.mish,
    "selu": F.selu,
    "softplus": F.softplus,
    "softsign": F.softsign,
    "hard_sigmoid": F.hardsigmoid,
    "hard_silu": F.hardswish,
    "hard_swish": F.hardswish,
    "hard_tanh": F.hardtanh,
    "log_sigmoid": F.logsigmoid,
    "tanh_shrink": F.tanhshrink,
    "exponential": torch.exp,
}
UNARY: dict[str, Callable[..., Tensor]] = {
    "Absolute": torch.abs,
    "Abs": torch.abs,
    "Ceil": torch.ceil,
    "Cos": torch.cos,
    "Exp": torch.exp,
    "Floor": torch.floor,
    "Log": torch.log,
    "Negative": torch.neg,
    "Reciprocal": torch.reciprocal,
    "Rsqrt": torch.rsqrt,
    "Sign": torch.sign,
    "Sin": torch.sin,
    "Sqrt": torch.sqrt,
    "Square": torch.square,
    "Tanh": torch.tanh,
    "Relu": F.relu,
    "Relu6": F.relu6,
    "Sigmoid": torch.sigmoid,
    "Softplus": F.softplus,
    "Softsign": F.softsign,
    "Silu": F.silu,
    "LogSigmoid": F.logsigmoid,
    "HardSigmoid": F.hardsigmoid,
    "HardSilu": F.hardswish,
    "Selu": F.selu,
    "TanhShrink": F.tanhshrink,
}
BINARY: dict[str, Callable[..., Tensor]] = {
    "Add": torch.add,
    "Subtract": torch.sub,
    "Multiply": torch.mul,
    "Divide": torch.div,
    "TrueDivide": torch.div,
    "Maximum": torch.maximum,
    "Minimum": torch.minimum,
    "Power": torch.pow,
}
REDUCTIONS: dict[str, Callable[..., Tensor]] = {
    "Mean": torch.mean,
    "Sum": torch.sum,
    "Max": torch.amax,
    "Amax": torch.amax,
    "Min": torch.amin,
    "Amin": torch.amin,
}


@dataclass(frozen=True)
class Apply:
    """A torch function of the values, with further arguments.

    Args:
        function: of torch.
        arguments: what follows the values.
        keywords: by name.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    keywords: tuple[tuple[str, Any], ...] = ()

    def __call__(self, *values: Tensor) -> Any:
        return self.function(*values, *self.arguments, **dict(self.keywords))


@dataclass(frozen=True)
class Keep:
    """Nothing is done at inference."""

    def __call__(self, values: Tensor) -> Tensor:
        return values


@dataclass(frozen=True)
class Rectify:
    """max(x, 0) as Keras has it: with a slope below, a threshold, and a largest value."""

    negative_slope: float
    max_value: float | None
    threshold: float

    def __call__(self, values: Tensor) -> Tensor:
        above = values.clamp(max=self.max_value)
        below = self.negative_slope * (values - self.threshold)
        return torch.where(values >= self.threshold, above, below)


@dataclass(frozen=True)
class Chain:
    """One function of two values after the other, and a factor at the end (for an average)."""

    function: Callable[..., Tensor]
    factor: float = 1.0

    def __call__(self, first: Tensor, *others: Tensor) -> Tensor:
        for other in others:
            first = self.function(first, other)
        return first if self.factor == 1.0 else first * self.factor


@dataclass(frozen=True)
class Arithmetic:
    """A function of two arguments, some of which are numbers or constants.

    Args:
        function: of torch.
        places: for each argument "value", "constant" (a buffer), or a number.
    """

    function: Callable[..., Tensor]
    places: tuple[Any, ...]

    def __call__(self, *values: Tensor, constant: Tensor | None = None) -> Tensor:
        rest = list(values)
        items = [
            rest.pop(0) if place == "value" else constant if place == "constant" else place
            for place in self.places
        ]
        if isinstance(items[0], (int, float)) or self.function in (torch.maximum, torch.minimum):
            like = values[0]
            items = [item if isinstance(item, Tensor) else like.new_tensor(item) for item in items]
        return self.function(*items)


@dataclass(frozen=True)
class Concatenate:
    """Values side by side along an axis."""

    axis: int

    def __call__(self, *values: Tensor) -> Tensor:
        return torch.cat(values, self.axis)


@dataclass(frozen=True)
class Scale:
    """values * scale + offset."""

    def __call__(self, values: Tensor, scale: Tensor, offset: Tensor) -> Tensor:
        return values * scale + offset


@dataclass(frozen=True)
class Parametric:
    """The slopes of a PReLU for each number, where they are not one for each channel."""

    def __call__(self, values: Tensor, weight: Tensor) -> Tensor:
        return F.relu(values) - weight * F.relu(-values)


def torch_activation(function: Any, call: Call) -> Callable[[Tensor], Tensor] | None:
    """The torch function that an activation of Keras is, for tensors in the order of `call`; or None."""
    name, home = getattr(function, "__name__", ""), getattr(function, "__module__", "") or ""
    if not home.startswith("keras.src.activations"):
        return None
    if name == "linear":
        return Keep()
    if name in ("softmax", "log_softmax"):
        return Apply(torch.softmax if name == "softmax" else torch.log_softmax, (call.axis(-1),))
    if name == "gelu":
        return Apply(F.gelu)
    if name == "leaky_relu":
        return Apply(F.leaky_relu, (0.2,))
    if name in ("elu", "celu"):
        return Apply(F.elu if name == "elu" else F.celu)
    return ACTIVATIONS.get(name)


def activation(layer: Any, call: Call) -> Recipe | None:
    """The layer Activation."""
    function = torch_activation(layer.activation, call)
    return None if function is None else Recipe(function)


def kept(layer: Any, call: Call) -> Recipe:
    """What only a training needs: dropout, noise, regularisation."""
    return Recipe(Keep())


def relu(layer: Any, call: Call) -> Recipe:
    """ReLU, in torch's words where it has them."""
    slope, top, threshold = layer.negative_slope, layer.max_value, layer.threshold
    top = None if top is None else float(top)
    slope, threshold = float(slope or 0), float(threshold or 0)
    if threshold == 0 and top is None:
        return Recipe(F.relu if slope == 0 else Apply(F.leaky_relu, (slope,)))
    if threshold == 0 and slope == 0 and top is not None:
        return Recipe(F.relu6 if top == 6 else Apply(F.hardtanh, (0.0, top)))
    return Recipe(Rectify(slope, top, threshold))


def leaky_relu(layer: Any, call: Call) -> Recipe:
    """LeakyReLU."""
    return Recipe(Apply(F.leaky_relu, (float(layer.negative_slope),)))


def elu(layer: Any, call: Call) -> Recipe:
    """ELU."""
    return Recipe(Apply(F.elu, (float(layer.alpha),)))


def prelu(layer: Any, call: Call) -> Recipe:
    """PReLU; the slopes of channels are torch's own, others are spread over the map."""
    weight = call.shaped(layer.alpha)
    if weight.numel() == weight.shape[1 if call.channels_first else 0]:  # all slopes stand along axis 1
        return Recipe(F.prelu, {"weight": weight.flatten()})
    return Recipe(Parametric(), {"weight": weight})


def softmax(layer: Any, call: Call) -> Recipe | None:
    """Softmax over one axis."""
    axis = layer.axis[0] if isinstance(layer.axis, (list, tuple)) and len(layer.axis) == 1 else layer.axis
    return Recipe(Apply(torch.softmax, (call.axis(axis),))) if isinstance(axis, int) else None


def merge(layer: Any, call: Call) -> Recipe | None:
    """Add, Subtract, Multiply, Average, Maximum, Minimum of a list, all of one rank."""
    if not call.listed or len({value.rank for value in call.values}) > 1:
        return None
    name = type(layer).__name__
    function = torch.add if name == "Average" else BINARY[name]
    return Recipe(Chain(function, 1 / len(call.values) if name == "Average" else 1.0))


def concatenate(layer: Any, call: Call) -> Recipe:
    """Concatenate, as layer and as operation."""
    return Recipe(Concatenate(call.axis(layer.axis)))


def dot(layer: Any, call: Call) -> Recipe | None:
    """Dot of two tables of vectors; other ranks are left to Keras."""
    if [value.rank for value in call.values] != [2, 2] or layer.normalize:
        return None
    return Recipe(Rows())


@dataclass(frozen=True)
class Rows:
    """The scalar product of each row with the other's."""

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        return (first * second).sum(1, keepdim=True)


def rescaling(layer: Any, call: Call) -> Recipe:
    """Rescaling."""
    weights = {"scale": call.shaped(layer.scale), "offset": call.shaped(layer.offset)}
    return Recipe(Scale(), {name: weight.float() for name, weight in weights.items()})


def normalization(layer: Any, call: Call) -> Recipe | None:
    """Normalization with known statistics, as a factor and an offset."""
    import keras

    if layer.mean is None:
        return None
    mean, variance = call.shaped(layer.mean).float(), call.shaped(layer.variance).float()
    deviation = variance.sqrt().clamp(min=keras.config.epsilon())
    scale, offset = (deviation, mean) if layer.invert else (1 / deviation, -mean / deviation)
    return Recipe(Scale(), {"scale": scale, "offset": offset})


def gelu(operation: Any, call: Call) -> Recipe:
    """Gelu, as operation."""
    return Recipe(Apply(F.gelu, keywords=(("approximate", "tanh" if operation.approximate else "none"),)))


def unary(operation: Any, call: Call) -> Recipe | None:
    """An operation of one tensor that has the same name in torch."""
    return Recipe(UNARY[type(operation).__name__]) if len(call.arguments) == 1 else None


def binary(operation: Any, call: Call) -> Recipe | None:
    """An operation of two arguments: tensors, numbers, or one constant array."""
    if len(call.arguments) != 2 or len({value.rank for value in call.values}) > 1:
        return None
    places: list[Any] = []
    constants = {}
    for item in call.arguments:
        if isinstance(item, Value):
            places.append("value")
        elif isinstance(item, (int, float)) and not isinstance(item, bool):
            places.append(item)
        elif hasattr(item, "shape") and len(item.shape) <= call.rank:
            places.append("constant")
            constants["constant"] = call.shaped(item)
        else:
            return None
    return Recipe(Arithmetic(BINARY[type(operation).__name__], tuple(places)), constants, trained=())


def reduction(operation: Any, call: Call) -> Recipe | None:
    """Mean, sum, largest and smallest value over axes; what is left is in Keras' order."""
    axes = operation.axis
    axes = (axes,) if isinstance(axes, int) else axes
    if len(call.arguments) != 1 or axes is None or getattr(operation, "initial", None) is not None:
        return None
    keeps, found = bool(operation.keepdims), tuple(call.axis(axis) for axis in axes)
    inner = set(found) == set(range(2, call.rank)) and call.channels_first
    keywords = (("dim", found), ("keepdim", keeps))
    function = REDUCTIONS[type(operation).__name__]
    if keeps:
        return Recipe(Apply(function, keywords=keywords))
    if inner:  # only the channels are left, which have one order
        return Recipe(Apply(function, keywords=keywords), gives=OWN)
    own = tuple(axis % call.rank for axis in axes)
    return Recipe(Apply(function, keywords=(("dim", own), ("keepdim", False))), order=OWN)


CONVERTERS: dict[str, Callable[[Any, Call], Recipe | None]] = {
    "layers.Activation": activation,
    "layers.ReLU": relu,
    "layers.LeakyReLU": leaky_relu,
    "layers.ELU": elu,
    "layers.PReLU": prelu,
    "layers.Softmax": softmax,
    "layers.Concatenate": concatenate,
    "layers.Dot": dot,
    "layers.Rescaling": rescaling,
    "layers.Normalization": normalization,
    "activations.ReLU": relu,
    "ops.Concatenate": concatenate,
    "ops.LeakyRelu": leaky_relu,
    "ops.Elu": elu,
    "ops.Gelu": gelu,
    "ops.Softmax": softmax,
    **{
        f"layers.{name}": kept
        for name in (
            "Dropout",
            "SpatialDropout1D",
            "SpatialDropout2D",
            "SpatialDropout3D",
            "AlphaDropout",
            "GaussianDropout",
            "GaussianNoise",
            "ActivityRegularization",
            "Identity",
            "RandomFlip",
            "RandomRotation",
            "RandomZoom",
            "RandomTranslation",
            "RandomContrast",
            "RandomBrightness",
        )
    },
    **{f"layers.{name}": merge for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")},
    **{f"ops.{name}": unary for name in UNARY},
    **{f"ops.{name}": binary for name in BINARY},
    **{f"ops.{name}": reduction for name in REDUCTIONS},
}
