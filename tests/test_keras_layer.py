"""convitro.keras.Conv2D is Keras' layer: arguments, saving, training; on torch, and apart on jax."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from convitro import functional
from convitro.errors import ArgumentError, LoadError
from convitro.keras import Conv2D
from convitro.keras.backend import import_keras

keras = import_keras()
ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.filterwarnings(  # when Keras reads its own variables, with newer numpy
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)
ARGUMENTS: list[dict[str, Any]] = [
    {},
    {"padding": "same", "strides": 2, "activation": "relu"},
    {"padding": "same", "strides": (2, 1), "use_bias": False},
    {"dilation_rate": 2, "padding": "same"},
    {"groups": 2, "bias_initializer": "ones"},
    {"data_format": "channels_first", "padding": "same", "strides": 3},
    {"kernel_regularizer": "l2", "kernel_constraint": "unit_norm", "name": "named"},
]


def picture(order: str | None = None) -> torch.Tensor:
    values = torch.randn(2, 4, 9, 8, generator=torch.Generator().manual_seed(0))
    return values if order == "channels_first" else values.permute(0, 2, 3, 1).contiguous()


def with_weights_of(layer: Any, other: Any) -> Any:
    for mine, theirs in zip(layer.weights, other.weights, strict=True):
        mine.assign(theirs)
    return layer


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=str)
def test_the_sum_is_the_layer_of_keras(arguments: dict[str, Any]) -> None:
    given = picture(arguments.get("data_format"))
    theirs, mine = keras.layers.Conv2D(6, (3, 2), **arguments), Conv2D(6, (3, 2), **arguments)
    expected, shape = theirs(given), mine.compute_output_shape(given.shape)
    mine.build(given.shape)
    found = with_weights_of(mine, theirs)(given)
    assert tuple(shape) == tuple(found.shape)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    config = {**theirs.get_config(), "name": mine.name, "aggregation": "sum"}
    assert mine.get_config() == config
    assert [variable.name for variable in mine.weights] == [variable.name for variable in theirs.weights]


@pytest.mark.parametrize("arguments", ARGUMENTS[1:6], ids=str)
@pytest.mark.parametrize("aggregation", ["max", "std", "none"])
def test_other_aggregations_are_those_of_the_torch_layer(arguments: dict[str, Any], aggregation: str) -> None:
    """Against torch's own: the partial maps by one group for each channel, then a reduction."""
    given = picture(arguments.get("data_format"))
    layer = Conv2D(6, (3, 2), aggregation=aggregation, **arguments)
    found = layer(given)
    assert tuple(found.shape) == tuple(layer.compute_output_shape(given.shape))
    first = arguments.get("data_format") == "channels_first"
    maps = given if first else given.permute(0, 3, 1, 2)
    kernel = layer.kernel.value.detach().permute(3, 2, 0, 1)
    apart = [
        keras.layers.Conv2D(6, (3, 2), **{**arguments, "use_bias": False, "groups": 1, "activation": None})
        for _ in range(kernel.shape[1])
    ]
    groups, parts = arguments.get("groups", 1), []
    for channel, single in enumerate(apart):
        rows = []
        for group in range(groups):
            index = group * kernel.shape[1] + channel
            one = maps[:, index : index + 1]
            one = one if first else one.permute(0, 2, 3, 1)
            single.built or single.build(one.shape)
            filters = slice(group * 6 // groups, (group + 1) * 6 // groups)
            single.kernel.assign(layer.kernel.value[:, :, channel : channel + 1])
            row = single(one)
            rows.append((row if first else row.permute(0, 3, 1, 2))[:, filters])
        parts.append(torch.cat(rows, 1))
    stacked = torch.stack(parts, 2)  # (N, filters, channels, rows, columns)
    reduced = {
        "max": stacked.amax(2),
        "std": stacked.std(2, correction=0),
        "none": stacked.flatten(1, 2),
    }[aggregation]
    if layer.use_bias:
        each = stacked.shape[2] if aggregation == "none" else 1
        reduced = reduced + layer.bias.value.repeat_interleave(each).reshape(-1, 1, 1)
    reduced = reduced.relu() if arguments.get("activation") else reduced
    torch.testing.assert_close(found if first else found.permute(0, 3, 1, 2), reduced, rtol=1e-4, atol=1e-5)


def test_it_runs_on_our_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    real = functional.conv2d

    def noted(*arguments: Any, **named: Any) -> Any:
        calls.append(named["aggregation"])
        return real(*arguments, **named)

    monkeypatch.setattr(functional, "conv2d", noted)
    Conv2D(2, 3, aggregation="max")(picture())
    assert [str(call) for call in calls] == ["max"]


def test_the_script_of_everybody() -> None:
    """Red 1, green 100, blue 10000: 4 + 400 + 40000, and 13 parameters."""
    image = np.stack([np.full((3, 3), value) for value in (1, 100, 10000)], axis=-1)[None]
    inputs = keras.Input((3, 3, 3))
    layer = Conv2D(
        filters=1,
        strides=1,
        padding="valid",
        activation="relu",
        kernel_size=2,
        kernel_initializer="ones",
        bias_initializer="zeros",
    )
    model = keras.Model(inputs, layer(inputs))
    assert model.predict(image, verbose=0).tolist() == [[[[40404.0]] * 2] * 2]
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    assert model.count_params() == 13
    assert "Total params: 13 " in "".join(lines)


@pytest.mark.parametrize("aggregation", ["max", "softmax(beta=2.0)"])
def test_training_learns_and_saving_keeps_it(aggregation: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            Conv2D(4, 3, aggregation=aggregation, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(0.05), "mse")
    values = np.random.default_rng(0).normal(size=(32, 6, 6, 3)).astype("float32")
    goals = values.max((1, 2, 3))[:, None]
    before = model.evaluate(values, goals, verbose=0)
    model.fit(values, goals, epochs=12, batch_size=16, verbose=0)
    assert model.evaluate(values, goals, verbose=0) < before / 3
    model.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    assert again.layers[0].aggregation.spec == aggregation
    np.testing.assert_array_equal(again.predict(values, verbose=0), model.predict(values, verbose=0))


def test_a_missing_keras_says_the_line_that_adds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(LoadError, match=r'Keras 3 is not installed[\s\S]*pip install "convitro\[keras\]"'):
        import_keras()


def test_an_unknown_aggregation_is_named() -> None:
    with pytest.raises(ArgumentError, match='did you mean "mean"'):
        Conv2D(2, 3, aggregation="maen")


ON_JAX = """
import sys
import numpy as np
import jax, keras
import convitro
from convitro.errors import UnsupportedError
from convitro.keras import Conv2D
from tests.test_keras_layer import CASES, layer_of, upstream_of
from tests.sources.keras_pairs import L, randomized
from convitro.sources.keras import from_keras
import torch

assert keras.config.backend() == "jax"
found, given = {}, np.load(sys.argv[1])["picture"]
for index, case in enumerate(CASES):
    layer = layer_of(*case, given.shape)
    variables = [variable.value for variable in layer.trainable_variables]

    def run(x, values):
        return layer.stateless_call(values, [], x)[0]

    def both(x, values, upstream):
        output, pull = jax.vjp(run, x, values)
        return output, *pull(upstream)

    upstream = upstream_of(layer.compute_output_shape(given.shape))
    output, of_input, of_weights = jax.jit(both)(given, variables, upstream)
    for name, value in zip(("output", "input", *"kb"), (output, of_input, *of_weights)):
        found[f"{index} {name}"] = np.asarray(value)

model = keras.Sequential([
    keras.Input((9, 8, 4)),
    L.Conv2D(3, 3, strides=2, padding="same", activation="relu", name="conv"),
    L.AveragePooling2D(2, padding="same"),
    L.Lambda(lambda x: x * 2, name="twice"),
    L.Flatten(),
    L.Dense(2),
])
randomized(model)
picture = torch.from_numpy(given)
graph = from_keras(model)
found["graph"], found["keras"] = graph(picture).detach().numpy(), np.asarray(model(given))
assert convitro.dissect(model, picture)["conv"].activation == "relu"
try:
    graph(picture.requires_grad_()).sum().backward()
except UnsupportedError as error:
    assert 'no gradient passes the layer "twice", which runs on jax' in str(error), error
else:
    raise AssertionError("the gradient was lost")

class Growing(convitro.Aggregation):
    name, streams = "growing", False
    def init(self, n): return (0.0,) * n
    def step(self, state, p): return (*state[1:], p)
    def merge(self, s, t): return s
    def finish(self, state, n): return sum(state[1:], state[0])
    def slope(self, p, saved, n): return 1.0

try:
    layer = Conv2D(2, 3)
    layer.aggregation = Growing()
    layer(given)
except UnsupportedError as error:
    assert 'aggregation="growing" cannot run on jax' in str(error), error
else:
    raise AssertionError("a growing state was taken")
np.savez(sys.argv[2], **found)
"""
CASES: list[tuple[str, dict[str, Any]]] = [
    ("max", {"strides": 2, "padding": "same", "data_format": "channels_first"}),
    ("logsumexp(beta=2.0)", {"groups": 2}),
    ("median", {"dilation_rate": 2, "padding": "same"}),
    ("none", {"groups": 2}),
]


def layer_of(aggregation: str, arguments: dict[str, Any], shape: Any) -> Any:
    """A layer with small whole weights, so that items tie."""
    layer = Conv2D(4, (3, 2), aggregation=aggregation, **arguments)
    layer.build(shape)
    generator = np.random.default_rng(1)
    for variable in layer.weights:
        variable.assign(generator.integers(-2, 3, variable.shape).astype("float32") / 4)
    return layer


def upstream_of(shape: Any) -> Any:
    return np.random.default_rng(2).normal(size=shape).astype("float32")


def test_on_jax_it_is_the_same_with_the_same_gradient(tmp_path: Path) -> None:
    """Values, gradients and ties of every case, and a model of Keras on jax as a torch module."""
    given = np.random.default_rng(0).integers(-3, 4, (2, 9, 8, 4)).astype("float32")
    np.savez(tmp_path / "given.npz", picture=given)
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", ON_JAX, str(tmp_path / "given.npz"), str(tmp_path / "found.npz")]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500)
    assert run.returncode == 0, run.stderr[-3000:]
    found = np.load(tmp_path / "found.npz")
    for index, case in enumerate(CASES):
        layer, picture = layer_of(*case, given.shape), torch.from_numpy(given).requires_grad_()
        output = layer(picture)
        weights = [variable.value for variable in layer.trainable_variables]
        gradients = torch.autograd.grad(
            output, [picture, *weights], torch.from_numpy(upstream_of(output.shape))
        )
        for name, value in zip(("output", "input", *"kb"), (output, *gradients), strict=True):
            theirs = torch.from_numpy(found[f"{index} {name}"])
            torch.testing.assert_close(theirs, value.detach(), rtol=1e-4, atol=1e-4, msg=f"{case}: {name}")
    np.testing.assert_allclose(found["graph"], found["keras"], rtol=1e-4, atol=1e-5)
