"""Any operator on any layer: the fused kernels agree with the reference."""

from dataclasses import replace

import pytest
import torch
from hypothesis import example, given, settings

from convitro.aggregation import COMBINES
from convitro.engine.cpu.isa import forced, supported
from tests.fold.cases import AGGREGATIONS, WINDOWS, Layer, check, layers
from tests.profiles import crossed, thorough


@settings(max_examples=1500 if thorough() else 25, deadline=None)
@given(layers())
@example(Layer("max", kernel=(1, 1), padding=(0, 0), channels=17))
@example(Layer("sum", "max", "add", padding=(2, 2), kernel=(2, 2), channels=1, filters=1))
@example(Layer("norm", kernel=(11, 11), size=(23, 23), stride=(4, 4), padding=(2, 2), dtype=torch.float32))
@example(Layer("std", size=(1, 1), images=1))
@example(Layer("median", channels=33, dtype=torch.float32))
def test_any_layer(layer: Layer) -> None:
    check(layer)


@pytest.mark.parametrize(
    ("aggregation", "window"), crossed(AGGREGATIONS, ["sum", "max", "softmax(beta=0.5)"])
)
def test_every_aggregation(aggregation: str, window: str) -> None:
    check(Layer(aggregation, window, "multiply" if window == "sum" else "add"))


@pytest.mark.parametrize(("window", "combine"), crossed(WINDOWS, ["add", "squared_difference"]))
def test_every_window(window: str, combine: str) -> None:
    check(Layer("sum", window, combine, stride=(2, 1), filters=17))


@pytest.mark.parametrize("combine", COMBINES)
@pytest.mark.parametrize("window", ["sum", "min"])
def test_every_combine(combine: str, window: str) -> None:
    check(Layer("logsumexp", window, combine, groups=2))


@pytest.mark.parametrize(
    ("aggregation", "name"), crossed(["max", "logsumexp", "norm", "median"], supported())
)
def test_every_instruction_set(name: str, aggregation: str) -> None:
    with forced(name):
        for dtype in (torch.float32, torch.float64):
            check(Layer(aggregation, filters=33, channels=5, dtype=dtype))
            check(Layer(aggregation, "max", "add", dtype=dtype))


@pytest.mark.parametrize("pool", [2, 3])
@pytest.mark.parametrize("activation", ["none", "relu", "leaky_relu", "silu", "gelu", "sigmoid", "tanh"])
def test_activation_and_pooling(pool: int, activation: str) -> None:
    for aggregation in ("max", "softmax(beta=0.5)"):
        check(Layer(aggregation, activation=activation, pool=pool, filters=17))


def test_every_dtype_and_memory_format() -> None:
    base = Layer("maxabs", filters=17, channels=5)
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        for memory_format in ("contiguous", "channels_last", "strided"):
            check(replace(base, dtype=dtype, input=memory_format))
