"""Units of networks from Keras and ONNX see what is said of them, whatever order of axes they speak."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from convitro.anatomy import receptive_field, summary
from convitro.sources import as_module, load
from tests.anatomy.impulses import check, really_seen

os.environ.setdefault("KERAS_BACKEND", "torch")
pytestmark = pytest.mark.filterwarnings(  # when Keras reads its own variables, with newer numpy
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)


@pytest.fixture
def keras_model() -> Any:
    """Uneven "same" padding, branches, depthwise, pooling, up and down again."""
    keras = pytest.importorskip("keras")
    if keras.backend.backend() != "torch":
        pytest.skip("Keras runs on another backend here")
    layers = keras.layers
    image = keras.Input((12, 11, 2))
    maps = layers.Conv2D(3, 3, strides=2, padding="same", activation="relu")(image)
    maps = layers.BatchNormalization()(maps)
    one, two = (
        layers.DepthwiseConv2D(4, padding="same")(maps),
        layers.SeparableConv2D(3, 2, padding="same")(maps),
    )
    maps = layers.Add()([one, two])
    maps = layers.ZeroPadding2D(((1, 0), (0, 2)))(maps)
    maps = layers.MaxPooling2D(3, 2, padding="same")(maps)
    maps = layers.UpSampling2D(2)(layers.Conv2D(3, (1, 2), padding="same")(maps))
    maps = layers.Conv2DTranspose(2, 3, 2, padding="same")(layers.Cropping2D(((1, 0), (0, 1)))(maps))
    return keras.Model(image, layers.Conv2D(2, 1)(maps))


def test_keras(keras_model: Any) -> None:
    module = as_module(keras_model)
    fields = receptive_field(keras_model, (12, 11))
    seen = really_seen(module, (2, 12, 11), math.nan, torch.float32)
    assert len(fields) == 8
    for layer, field in fields.items():
        assert field.exact
        check(field, seen[layer], (2, 12, 11))
    for size in (None, (2, 12, 11), (12, 11, 2), (1, 12, 11, 2)):
        assert receptive_field(keras_model, size).to_dict() == fields.to_dict()
    shown = {row.name: row.field for row in summary(keras_model, (12, 11, 2), verbose=0).rows}
    assert all(shown[layer] == field for layer, field in fields.items())


def test_onnx(shared: Path) -> None:
    pytest.importorskip("onnx")
    network = load(shared / "models" / "mnist-8.onnx")
    fields = receptive_field(network, 28)
    assert [(name, field.size[0], field.start[0]) for name, field in fields.items()] == [
        ("Convolution28", 5, -2),
        ("Pooling66", 6, -2),
        ("Convolution110", 14, -6),
        ("Pooling160", 18, -6),
    ]
    seen = really_seen(network, (1, 28, 28), math.nan, torch.float32)
    for layer, field in fields.items():
        check(field, seen[layer], (1, 28, 28))
    last = {row.name: row.field for row in summary(network, (1, 28, 28), verbose=0).rows}["Times212_reshape0"]
    assert last is not None
    assert (last.size, last.exact) == ((18, 18), True)
