"""Every layer that becomes a torch function gives what Keras gives, in both orders of axes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from convitro.sources.keras import from_keras
from convitro.sources.keras.foreign import Foreign
from tests.sources.keras_pairs import L, keras, randomized

pytestmark = pytest.mark.filterwarnings(
    "ignore:You might experience inconsistencies across backends:UserWarning"  # of Keras, on transposed ones
)
close = partial(torch.testing.assert_close, rtol=1e-4, atol=1e-5)
Make = Callable[[str], Any]

ACTIVATIONS = """
    relu relu6 sigmoid silu gelu elu selu softplus softsign hard_sigmoid hard_silu mish exponential tanh
    leaky_relu log_softmax celu linear
""".split()  # noqa: SIM905 - one per line would hide them
MAPS: dict[str, Make] = {
    "conv": lambda order: L.Conv2D(6, (3, 2), data_format=order),
    "conv same": lambda order: L.Conv2D(6, 4, padding="same", data_format=order),
    "conv strided": lambda order: L.Conv2D(6, 3, strides=(2, 3), padding="same", data_format=order),
    "conv dilated": lambda order: L.Conv2D(6, 3, dilation_rate=(2, 1), padding="same", data_format=order),
    "conv grouped": lambda order: L.Conv2D(6, 3, groups=2, activation="gelu", data_format=order),
    "conv lora": lambda order: L.Conv2D(6, 3, lora_rank=2, data_format=order),
    "depthwise": lambda order: L.DepthwiseConv2D(3, 2, "same", 3, data_format=order),
    "separable": lambda order: L.SeparableConv2D(5, 3, depth_multiplier=2, data_format=order),
    "transposed": lambda order: L.Conv2DTranspose(5, 3, strides=2, data_format=order),
    "transposed same": lambda order: L.Conv2DTranspose(5, 3, strides=2, padding="same", data_format=order),
    "transposed sparse": lambda order: L.Conv2DTranspose(5, 2, strides=4, data_format=order),
    "transposed longer": lambda order: L.Conv2DTranspose(
        5, 4, strides=3, padding="same", output_padding=1, data_format=order
    ),
    "transposed dilated": lambda order: L.Conv2DTranspose(5, 3, dilation_rate=2, data_format=order),
    "max pool": lambda order: L.MaxPooling2D((3, 2), data_format=order),
    "max pool same": lambda order: L.MaxPooling2D(3, 2, "same", data_format=order),
    "max pool uneven": lambda order: L.MaxPooling2D((4, 2), (1, 3), "same", data_format=order),
    "average pool": lambda order: L.AveragePooling2D(2, data_format=order),
    "average pool same": lambda order: L.AveragePooling2D(3, 1, "same", data_format=order),
    "average pool uneven": lambda order: L.AveragePooling2D(2, 2, "same", data_format=order),
    "global average": lambda order: L.GlobalAveragePooling2D(data_format=order),
    "global max kept": lambda order: L.GlobalMaxPooling2D(keepdims=True, data_format=order),
    "zero padding": lambda order: L.ZeroPadding2D(((1, 2), (0, 3)), data_format=order),
    "cropping": lambda order: L.Cropping2D(((1, 0), (2, 1)), data_format=order),
    "up": lambda order: L.UpSampling2D((2, 3), data_format=order),
    "up bilinear": lambda order: L.UpSampling2D(2, interpolation="bilinear", data_format=order),
    "flatten": lambda order: L.Flatten(data_format=order),
    "batch norm": lambda order: L.BatchNormalization(axis=-1 if order == "channels_last" else 1),
    "group norm": lambda order: L.GroupNormalization(2, axis=-1 if order == "channels_last" else 1),
}
ANY: dict[str, Callable[[], Any]] = {
    "dense": lambda: L.Dense(5, activation="tanh"),
    "batch norm of rows": lambda: L.BatchNormalization(axis=1, scale=False),
    "layer norm": lambda: L.LayerNormalization(),
    "layer norm of two": lambda: L.LayerNormalization(axis=(2, 3), center=False),
    "permute": lambda: L.Permute((3, 1, 2)),
    "reshape": lambda: L.Reshape((-1, 2)),
    "relu": lambda: L.ReLU(negative_slope=0.2, max_value=1.5, threshold=0.3),
    "relu6": lambda: L.ReLU(max_value=6),
    "leaky": lambda: L.LeakyReLU(negative_slope=0.3),
    "elu": lambda: L.ELU(alpha=0.7),
    "prelu": lambda: L.PReLU(),
    "prelu of channels": lambda: L.PReLU(shared_axes=[1, 2]),
    "softmax": lambda: L.Softmax(),
    "softmax of rows": lambda: L.Softmax(axis=1),
    "dropout": lambda: L.Dropout(0.5),
    "noise": lambda: L.GaussianNoise(1.0),
    "rescaling": lambda: L.Rescaling(1 / 255, offset=[1.0, 2.0, 3.0, 4.0]),
    "normalization": lambda: L.Normalization(mean=[1.0, 2.0, 3.0, 4.0], variance=[1.0, 2.0, 0.0, 4.0]),
    **{
        name: (lambda name=name: L.Activation(name))  # type: ignore[misc]
        for name in ACTIVATIONS
    },
}
ROWS: dict[str, Callable[[], Any]] = {
    "conv 1d": lambda: L.Conv1D(5, 3, padding="causal", dilation_rate=2),
    "conv 1d transposed": lambda: L.Conv1DTranspose(5, 3, strides=2, padding="same"),
    "separable 1d": lambda: L.SeparableConv1D(5, 3, strides=2, padding="same"),
    "max pool 1d": lambda: L.MaxPooling1D(3, 2, "same"),
    "zero padding 1d": lambda: L.ZeroPadding1D((2, 1)),
    "cropping 1d": lambda: L.Cropping1D((1, 2)),
    "up 1d": lambda: L.UpSampling1D(3),
    "global average 1d": lambda: L.GlobalAveragePooling1D(),
}


def compare(shape: tuple[int, ...], layer: Any, *, foreign: bool = False) -> Any:
    """Both outputs are the same, also behind a convolution, whose maps travel channels first."""
    generator = np.random.default_rng(3)
    values = generator.normal(size=(2, *shape)).astype("float32")
    order = getattr(layer, "data_format", None) or "channels_last"
    rank = len(shape) - 1
    first: Any = {1: L.Conv1D, 2: L.Conv2D}[rank](
        shape[0 if order == "channels_first" else -1], 1, data_format=order
    )
    for before in ([], [first]):
        clone = type(layer).from_config(layer.get_config())
        model = randomized(keras.Sequential([keras.Input(shape), *before, clone]))
        graph = from_keras(model)
        with torch.no_grad():
            close(graph(torch.from_numpy(values)), model(values).detach())
        assert isinstance(graph.steps[-1].compute, Foreign) is foreign
    return graph


@pytest.mark.parametrize("order", ["channels_last", "channels_first"])
@pytest.mark.parametrize("name", MAPS)
def test_layers_of_maps(name: str, order: str) -> None:
    compare((9, 8, 4) if order == "channels_last" else (4, 9, 8), MAPS[name](order))


@pytest.mark.parametrize("name", ANY)
def test_layers_of_any_order(name: str) -> None:
    compare((5, 6, 4), ANY[name]())


@pytest.mark.parametrize("name", ROWS)
def test_layers_of_rows(name: str) -> None:
    compare((9, 4), ROWS[name]())


@pytest.mark.parametrize("layer", [L.UnitNormalization(), L.UpSampling2D(2, interpolation="bicubic")])
def test_other_layers_are_called_as_they_are(layer: Any) -> None:
    compare((5, 6, 4), layer, foreign=True)


def test_a_pool_that_torch_can_say_is_a_stage() -> None:
    """The tracer knows F.max_pool2d on what the convolution gave, so no padding may come between."""
    from convitro.anatomy import dissect

    for rows in range(4, 9):
        model = randomized(
            keras.Sequential(
                [keras.Input((rows, 6, 2)), L.Conv2D(2, 1, name="conv"), L.MaxPooling2D(3, 2, "same")]
            )
        )
        picture = torch.randn(1, rows, 6, 2, generator=torch.Generator().manual_seed(0))
        layer = dissect(model, picture)["conv"]
        assert layer.pool is not None
        close(layer.pooled, model(picture).detach().permute(0, 3, 1, 2))


def test_operations() -> None:
    left, right = keras.Input((5, 6, 4)), keras.Input((5, 6, 4))
    maps = L.Conv2D(4, 1)(left)
    ops, scale = keras.ops, np.arange(4, dtype="float32")
    outputs = [
        maps + left * 2.0 - 1,
        1.0 / (ops.exp(maps) + 1),
        ops.maximum(maps, right),
        ops.maximum(maps, 0.1),
        maps * scale,
        ops.mean(maps, axis=[1, 2]),
        ops.max(maps, axis=-1, keepdims=True),
        ops.sum(maps, axis=1),
        ops.concatenate([maps, right], axis=-1),
        ops.gelu(maps, approximate=True),
        ops.softmax(maps, axis=-1),
        ops.leaky_relu(maps),
        maps[:, 1:3],
        ops.transpose(maps, (0, 2, 1, 3)),
        ops.clip(maps, -0.5, 0.5),
        L.Average()([maps, left, right]),
        L.Concatenate(axis=1)([maps, right]),
        L.Multiply()([maps, L.GlobalAveragePooling2D(keepdims=True)(right)]),
        L.Subtract()([maps, right]),
        L.Minimum()([maps, right]),
        L.Dot(axes=1)([L.GlobalMaxPooling2D()(maps), L.Flatten()(right[:, 0, 0])]),
    ]
    model = randomized(keras.Model([left, right], outputs))
    values = [np.random.default_rng(seed).normal(size=(2, 5, 6, 4)).astype("float32") for seed in (0, 1)]
    found = from_keras(model)(*map(torch.from_numpy, values))
    for mine, theirs in zip(found, model(values), strict=True):
        close(mine.detach(), theirs.detach())
