"""Names, nesting, sharing, models of one's own, several inputs, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convitro.anatomy import dissect, summary
from convitro.errors import ShapeError, UnsupportedError
from convitro.sources import load
from convitro.sources.keras import builder, from_keras
from convitro.sources.opening import as_module
from tests.sources.keras_pairs import L, keras, randomized

ROOT = Path(__file__).parents[2]


def values(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def same(model: Any, *inputs: Tensor) -> Any:
    """The graph of a model, which gives what the model gives."""
    graph = from_keras(model)
    found, expected = graph(*inputs), model(list(inputs) if len(inputs) > 1 else inputs[0])
    if not isinstance(expected, list | tuple):
        found, expected = (found,), (expected,)
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine.detach(), theirs.detach(), rtol=1e-4, atol=1e-5)
    return graph


class Block(L.Layer):
    """A layer made of layers, as people write them."""

    def __init__(self, filters: int, **named: Any) -> None:
        super().__init__(**named)
        self.conv = L.Conv2D(filters, 3, padding="same", name="conv")
        self.norm = L.BatchNormalization(name="norm")

    def call(self, maps: Any, training: bool | None = None) -> Any:
        return keras.ops.relu(self.norm(self.conv(maps), training=training)) + maps


class Own(keras.Model):
    def __init__(self) -> None:
        super().__init__(name="own")
        self.stem = L.Conv2D(4, 1, name="stem")
        self.block, self.head = Block(4, name="block"), L.Dense(2, name="head")

    def call(self, picture: Any) -> Any:
        maps = self.stem(picture)
        for _ in range(2):
            maps = self.block(maps)
        return self.head(keras.ops.mean(maps, axis=(1, 2)))


def test_a_model_of_ones_own_is_seen_through() -> None:
    model, picture = Own(), values(2, 6, 6, 3)
    model(picture)
    randomized(model)
    nodes = [len(layer._inbound_nodes) for layer in model._flatten_layers()]
    graph = same(model, picture)
    assert list(dissect(graph, picture)) == ["stem", "block/conv", "block/conv#2"]
    assert [step.own_name for step in graph.steps][:5] == [
        "stem",
        "block/conv",
        "block/norm",
        "block/relu",
        "block/add",
    ]
    assert [str(stage) for stage in dissect(graph, picture)["block/conv#2"].chain.stages] == [
        "batch_norm",
        "relu",
    ]
    assert [step.own_name for step in from_keras(model).steps] == [step.own_name for step in graph.steps]
    assert [len(layer._inbound_nodes) for layer in model._flatten_layers()] == nodes


def test_nested_models_have_paths_and_shared_layers_one_weight() -> None:
    inner = keras.Sequential([L.Conv2D(3, 3, name="conv"), L.ReLU(name="relu")], name="inner")
    middle = keras.Sequential([keras.Input((8, 8, 3)), inner, L.Flatten(name="flat")], name="middle")
    left, right = keras.Input((8, 8, 3), name="left"), keras.Input((8, 8, 3), name="right")
    model = randomized(keras.Model([left, right], L.Add(name="sum")([middle(left), middle(right)])))
    pictures = values(2, 8, 8, 3), values(2, 8, 8, 3) * 2
    graph = same(model, *pictures)
    assert list(dissect(graph, pictures)) == ["middle/inner/conv", "middle/inner/conv#2"]
    assert sum(tensor.numel() for tensor in graph.parameters()) == model.count_params()
    rows = {row.name: row for row in summary(graph, input_data=pictures, verbose=0).rows}
    assert (rows["middle/inner/conv"].parameters, rows["middle/inner/conv#2"].shared) == (84, 84)


def test_inputs_in_order_in_a_list_and_by_name() -> None:
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    model = keras.Model({"left": left, "right": right}, L.Subtract()([left, right]))
    graph, (a, b) = as_module(model), (values(2, 4), values(2, 4) + 1)
    for found in (graph(a, b), graph([a, b]), graph(right=b, left=a)):
        torch.testing.assert_close(found, a - b)
    with pytest.raises(ShapeError, match="expected: 2: left, right"):
        graph(a)


def test_frozen_layers_are_not_trainable() -> None:
    model = keras.Sequential([keras.Input((6, 6, 3)), L.Conv2D(2, 3, name="a"), L.Conv2D(2, 3, name="b")])
    model.get_layer("a").trainable = False
    found = summary(as_module(model), (6, 6, 3), verbose=0)
    assert [row.trainable for row in found.rows] == [False, True]


def test_a_lambda_and_a_layer_of_numbers_run_as_they_are_with_their_gradient() -> None:
    class Roll(L.Layer):
        def build(self, shape: Any) -> None:
            self.factor = self.add_weight(shape=(1,), name="factor", initializer="ones")

        def call(self, maps: Any) -> Any:
            return torch.roll(maps, 1, dims=2) * self.factor.value  # torch alone can do that

    picture = keras.Input((5, 5, 2))
    maps = L.Conv2D(3, 2, activation=lambda x: keras.ops.square(x) * 2, name="conv")(picture)
    maps = L.Lambda(lambda x: x[:, 1:] - 1, name="turned")(Roll(name="roll")(maps))
    model = randomized(keras.Model(picture, L.Conv2D(2, 2, activation=L.LeakyReLU(), name="last")(maps)))
    given = values(1, 5, 5, 2).requires_grad_()
    graph = same(model, given)
    assert [step.own_name for step in graph.steps] == [
        "conv",
        "conv/activation",
        "roll",
        "turned",
        "last",
        "last/activation",
    ]
    (mine,) = torch.autograd.grad(graph(given).sum(), given)
    (theirs,) = torch.autograd.grad(model(given).sum(), given)
    torch.testing.assert_close(mine, theirs)
    assert sum(parameter.numel() for parameter in graph.parameters()) == model.count_params()


def test_a_call_with_training_runs_in_training() -> None:
    picture = keras.Input((4, 4, 2))
    model = keras.Model(picture, L.BatchNormalization()(picture, training=True))
    found = from_keras(model)(values(8, 4, 4, 2) * 3 + 1).detach()
    torch.testing.assert_close(found.mean((0, 1, 2)), torch.zeros(2), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "hint"),
    [
        ((2, 3, 8, 10), r"live Keras model takes its own order: call `input.permute\(0, 2, 3, 1\)`"),
        ((8, 10, 3), r"`input.unsqueeze\(0\)`"),
        ((2, 9, 10, 3), r"received: \(2, 9, 10, 3\)$"),
    ],
)
def test_another_order_is_explained_to_a_live_model(shape: tuple[int, ...], hint: str) -> None:
    model = keras.Sequential([keras.Input((8, 10, 3)), L.Conv2D(2, 3)], name="net")
    with pytest.raises(ShapeError, match=r"expected: a tensor \(N, 8, 10, 3\)[\s\S]*" + hint):
        dissect(model, values(*shape))


@pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)
def test_another_order_is_explained_to_a_loaded_model(tmp_path: Path) -> None:
    path = tmp_path / "net.keras"
    keras.Sequential([keras.Input((8, 10, 3)), L.Conv2D(2, 3)]).save(path)
    model = load(path)
    assert model.input_size == (3, 8, 10)
    assert model(values(2, 3, 8, 10)).shape == (2, 2, 6, 8)
    with pytest.raises(ShapeError, match=r"channels first[\s\S]*call `input.permute\(0, 3, 1, 2\)`"):
        model(values(2, 8, 10, 3))


def test_channels_first_is_one_order_for_both() -> None:
    model = randomized(
        keras.Sequential(
            [
                keras.Input((3, 8, 10)),
                L.Conv2D(2, 3, data_format="channels_first", name="conv"),
                L.MaxPooling2D(2, data_format="channels_first"),
            ]
        )
    )
    graph = same(model, values(2, 3, 8, 10))
    assert graph.input_size == (3, 8, 10)
    torch.testing.assert_close(
        from_keras(model, channels_first=True)(values(2, 3, 8, 10)), graph(values(2, 3, 8, 10))
    )
    assert str(dissect(model, values(2, 3, 8, 10))["conv"].pool) == "max pool 2x2"


def test_what_cannot_be_opened_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="no inputs yet"):
        from_keras(keras.Sequential([L.Dense(2)]))
    words = keras.Input((4,))
    with pytest.raises(UnsupportedError, match=r'the layer "embedding[^"]*" makes a mask'):
        from_keras(keras.Model(words, L.Embedding(5, 3, mask_zero=True)(words)))

    class Numbers(keras.Model):
        def call(self, picture: Any) -> Any:
            return torch.as_tensor(np.asarray(picture)) * 2

    model = Numbers(name="numbers")
    model.build((None, 4))
    with pytest.raises(UnsupportedError, match='"numbers" cannot be called on symbols'):
        from_keras(model)


def test_models_that_call_each_other_are_not_unfolded_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder, "LARGEST", 200)
    numbers = keras.Input((2,))
    model = keras.Model(numbers, L.Activation("relu")(numbers))
    for _ in range(20):
        inner, numbers = model, keras.Input((2,))
        model = keras.Model(numbers, inner(inner(numbers)))
    with pytest.raises(UnsupportedError, match="more than 200 operations"):
        from_keras(model)


def test_an_import_path_may_lead_to_keras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "keras_nets.py").write_text(
        "import keras\n"
        "def net():\n"
        "    return keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3, name='conv')])\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert load("keras_nets:net")(values(1, 3, 8, 8)).shape == (1, 2, 6, 6)


def test_a_single_layer_is_a_network_too() -> None:
    layer = L.Conv2D(2, 3, name="alone")
    layer.build((None, 8, 8, 3))
    graph = same(layer, values(1, 8, 8, 3))
    assert isinstance(graph, nn.Module)
    assert list(dissect(layer, values(1, 8, 8, 3))) == ["alone"]


def test_nothing_of_keras_is_imported_without_need() -> None:
    code = (
        "import sys, torch\n"
        "from convitro.sources.opening import as_module\n"
        "as_module(torch.nn.Identity())\n"
        "print('keras' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "False"
