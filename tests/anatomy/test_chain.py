"""The chain after a convolution: what the anatomy says equals what the model computed inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.testing import assert_close

from convitro.anatomy import dissect
from convitro.errors import UnsupportedError

ACTIVATIONS = [
    nn.ReLU(),
    nn.ReLU(inplace=True),
    nn.LeakyReLU(0.2, inplace=True),
    nn.PReLU(6),
    nn.PReLU(),
    nn.GELU(),
    nn.GELU(approximate="tanh"),
    nn.SiLU(inplace=True),
    nn.ELU(0.5),
    nn.Hardtanh(-1, 2),
    nn.Hardswish(),
    nn.Softplus(beta=2),
    nn.Sigmoid(),
    nn.Tanh(),
    nn.Mish(),
    nn.Threshold(0.1, 3.0),
    nn.RReLU().eval(),
    nn.LogSigmoid(),
]
POOLS = [
    nn.MaxPool2d(2),
    nn.MaxPool2d(3, 2, 1),
    nn.MaxPool2d(3, 2, ceil_mode=True),
    nn.MaxPool2d((2, 3), (1, 2), dilation=(2, 1)),
    nn.AvgPool2d(3, 2, 1),
    nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False),
    nn.AvgPool2d(3, 2, divisor_override=5),
    nn.AdaptiveMaxPool2d((3, 3)),
    nn.AdaptiveAvgPool2d((None, 3)),
]
CONV: dict[str, Any] = {"in_channels": 3, "out_channels": 6, "kernel_size": 3, "padding": 1}


def batch_norm() -> Any:
    """A BatchNorm with numbers as after training."""
    norm: Any = nn.BatchNorm2d(6)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    nn.init.normal_(norm.running_mean)
    nn.init.uniform_(norm.running_var, 0.5, 2)
    return norm


def check_against_model(
    model: nn.Sequential, capture: Callable[..., dict[str, Tensor]], image: Tensor
) -> Any:
    """The first layer's maps equal those inside the model, whole and filter by filter."""
    layer = dissect(model, image)["conv"]
    inside = capture(model, image)
    names = [name for name in ("norm", "activation") if name in inside]
    expected = {"output": inside["conv"], "activated": inside[names[-1] if names else "conv"]}
    if "pool" in inside:
        expected["pooled"] = inside["pool"]
    for part, maps in [*expected.items(), *expected.items()]:  # twice: none may spoil another
        assert_close(getattr(layer, part), maps)
        for index in range(6):
            assert_close(getattr(layer.filter(index), part), maps[:, index])
    if "pool" not in inside:
        assert layer.pooled is None
        assert layer.filter(0).pooled is None
    return layer


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_activations(activation: nn.Module, capture: Any) -> None:
    model = nn.Sequential()
    model.add_module("conv", nn.Conv2d(**CONV))
    model.add_module("activation", activation)
    layer = check_against_model(model, capture, torch.randn(2, 3, 9, 9))
    assert layer.activation not in ("none", "")
    assert not layer.normalized


@pytest.mark.parametrize("pool", POOLS, ids=str)
@pytest.mark.parametrize("training", [False, True])
def test_pools_after_batch_norm(pool: nn.Module, training: bool, capture: Any) -> None:
    model = nn.Sequential()
    for name, module in (("conv", nn.Conv2d(**CONV)), ("norm", batch_norm()), ("activation", nn.ReLU(True))):
        model.add_module(name, module)
    model.add_module("pool", pool)
    layer = check_against_model(model.train(training), capture, torch.randn(3, 3, 9, 9))
    assert layer.normalized
    assert layer.pool is not None
    assert layer.activation == "relu"


@pytest.mark.parametrize("pool", [pool for pool in POOLS if isinstance(pool, nn.MaxPool2d)], ids=str)
def test_switches_point_at_the_winner(pool: nn.MaxPool2d) -> None:
    layer: Any = dissect(nn.Sequential(nn.Conv2d(**CONV), nn.ReLU(), pool), torch.randn(2, 3, 9, 9))["0"]
    switches, maps, geometry = layer.switches, layer.activated, layer.pool
    assert switches.dtype == torch.uint8
    assert switches.shape == layer.pooled.shape
    for n, c, y, x in torch.cartesian_prod(*map(torch.arange, switches.shape)).tolist():
        values = {}
        for cell in range(geometry.kernel_size[0] * geometry.kernel_size[1]):
            row = y * geometry.stride[0] - geometry.padding[0]
            column = x * geometry.stride[1] - geometry.padding[1]
            row += cell // geometry.kernel_size[1] * geometry.dilation[0]
            column += cell % geometry.kernel_size[1] * geometry.dilation[1]
            if 0 <= row < maps.shape[2] and 0 <= column < maps.shape[3]:
                values[cell] = float(maps[n, c, row, column])
        assert switches[n, c, y, x] == max(values, key=lambda cell: values[cell])  # the first of equals
    assert torch.equal(layer.filter(2).switches, switches[:, 2])


def test_switches_take_the_first_of_equals_and_averages_have_none() -> None:
    image = torch.ones(1, 3, 9, 9)
    even: Any = dissect(nn.Sequential(nn.Conv2d(3, 6, 1), nn.MaxPool2d(3)), image)["0"]
    assert even.switches.max() == 0
    averaged = dissect(nn.Sequential(nn.Conv2d(3, 6, 1), nn.AvgPool2d(3)), image)["0"]
    assert averaged.switches is None
    assert averaged.filter(0).switches is None


def test_windows_too_large_for_switches() -> None:
    layer: Any = dissect(nn.Sequential(nn.Conv2d(3, 6, 1), nn.MaxPool2d(17)), torch.randn(1, 3, 17, 17))["0"]
    with pytest.raises(UnsupportedError, match="at most 256 pixels"):
        _ = layer.switches
    assert layer.pooled.shape == (1, 6, 1, 1)


class Net(nn.Module):
    """One convolution with whatever `after` does to its output."""

    def __init__(self, after: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(**CONV)
        self.after = after

    def forward(self, input: Tensor) -> Tensor:
        return self.after(self.conv(input))


SPELLINGS = {
    "relu": [
        torch.relu,
        torch.relu_,
        Tensor.relu,
        Tensor.relu_,
        F.relu_,
        lambda x: F.relu(input=x, inplace=True),
    ],
    "clamp": [lambda x: x.clamp(min=0), lambda x: x.clamp_(0, 6), lambda x: torch.clamp(x, 0)],
    "prelu": [lambda x: F.prelu(x, torch.tensor(0.3)), lambda x: F.prelu(weight=torch.rand(6), input=x)],
    "silu": [lambda x: x * torch.sigmoid(x), lambda x: x.sigmoid().mul(x), lambda x: x.mul_(x.sigmoid())],
    "hardtanh": [lambda x: F.hardtanh(x.contiguous(memory_format=torch.channels_last).clone())],
    "gelu": [lambda x: F.dropout(F.gelu(x, approximate="tanh"), 0.5, training=False)],
}


@pytest.mark.parametrize(
    ("name", "after"), [(name, after) for name, all in SPELLINGS.items() for after in all]
)
def test_spellings_of_activations(name: str, after: Callable[[Tensor], Tensor]) -> None:
    anatomy = dissect(Net(after), torch.randn(1, 3, 5, 5))
    assert anatomy["conv"].activation == name
    assert_close(anatomy["conv"].activated, anatomy.output)


def test_pooling_before_the_activation() -> None:
    anatomy = dissect(Net(lambda x: F.relu(F.max_pool2d(x, 2))), torch.randn(2, 3, 8, 8))
    layer = anatomy["conv"]
    assert [stage.kind for stage in layer.chain.stages] == ["pool", "activation"]
    assert_close(layer.pooled, anatomy.output)
    assert_close(layer.activated, layer.output.relu())
    assert_close(layer.filter(4).pooled, anatomy.output[:, 4])


def test_normalisation_after_the_activation() -> None:
    norm = batch_norm().eval()
    anatomy = dissect(Net(lambda x: F.max_pool2d(norm(x.relu()), 2)), torch.randn(2, 3, 8, 8))
    assert [stage.kind for stage in anatomy["conv"].chain.stages] == ["activation", "normalization", "pool"]
    assert_close(anatomy["conv"].pooled, anatomy.output)


def test_a_normalisation_after_pooling_is_not_followed() -> None:
    norm = batch_norm().eval()
    anatomy = dissect(Net(lambda x: norm(F.max_pool2d(x, 2)).relu()), torch.randn(2, 3, 8, 8))
    assert [stage.kind for stage in anatomy["conv"].chain.stages] == ["pool"]
    assert_close(anatomy["conv"].pooled, F.max_pool2d(anatomy["conv"].output, 2))


def gate(x: Tensor) -> Tensor:
    return x * torch.tanh(F.softplus(x))


def shifted(x: Tensor) -> Tensor:
    x += 1
    return x.relu_()


def overwritten(x: Tensor) -> Tensor:
    x[:, 0] = 0
    return x.relu()


ENDINGS = {
    "a residual in place": shifted,
    "a residual": lambda x: (x + 1).relu(),
    "a part overwritten": overwritten,
    "a gate": gate,
    "a shortcut around the activation": lambda x: x + F.relu(x),
    "a shortcut, spelled otherwise": lambda x: F.relu(x) + torch.add(input=x, other=F.relu(x)),
    "a random activation": lambda x: F.rrelu(x, training=True),
    "dropout": lambda x: F.dropout(x, 0.5, training=True).relu(),
    "a concatenation": lambda x: torch.cat([x, x], 1).relu(),
    "a global average": lambda x: F.adaptive_avg_pool2d(x, 1),
    "a softmax": lambda x: x.softmax(1).relu(),
}


@pytest.mark.parametrize("after", ENDINGS.values(), ids=ENDINGS.keys())
def test_what_ends_a_chain(after: Callable[[Tensor], Tensor]) -> None:
    layer = dissect(Net(after), torch.randn(1, 3, 6, 6))["conv"]
    assert layer.chain.stages == ()
    assert_close(layer.activated, layer.output)


def test_inference_mode_inside_the_model_is_followed_with_care() -> None:
    @torch.inference_mode()
    def sealed(x: Tensor) -> Tensor:
        return F.relu(x, inplace=True)

    class Sealed(Net):
        @torch.inference_mode()
        def forward(self, input: Tensor) -> Tensor:
            return super().forward(input)

    image = torch.randn(1, 3, 6, 6)
    assert dissect(Sealed(sealed), image)["conv"].activation == "relu"
    assert dissect(Sealed(shifted), image)["conv"].activation == "none"
    with torch.inference_mode():
        assert dissect(Net(torch.relu_), torch.randn(1, 3, 6, 6))["conv"].activation == "relu"


def test_a_skip_connection_keeps_the_pooling() -> None:
    def down_and_up(x: Tensor) -> Tensor:
        x = x.relu()
        return x + F.interpolate(F.max_pool2d(x, 2), scale_factor=2)

    layer = dissect(Net(down_and_up), torch.randn(1, 3, 6, 6))["conv"]
    assert [stage.kind for stage in layer.chain.stages] == ["activation", "pool"]


def test_dense_and_residual_networks(resnet18: nn.Module, capture: Any) -> None:
    image = torch.randn(1, 3, 64, 64)
    anatomy, inside = dissect(resnet18, image), capture(resnet18, image)
    assert len(anatomy) == 20
    first, second = anatomy["4.0.conv1"], anatomy["4.0.conv2"]
    assert (first.activation, first.normalized, first.pool) == ("relu", True, None)
    assert (second.activation, second.normalized) == ("none", True)  # the shortcut comes before the ReLU
    assert_close(second.activated, inside["4.0.bn2"])
    assert_close(anatomy["0"].pooled, inside["3"])
    for name, layer in anatomy.items():
        assert_close(layer.output, inside[name])

    class Dense(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm2d(3)
            self.convs = nn.ModuleList([nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(7, 4, 3, padding=1)])

        def forward(self, input: Tensor) -> Tensor:
            maps = self.norm(input).relu_()
            for conv in self.convs:
                maps = torch.cat([maps, conv(maps)], 1)
            return maps.relu_()

    dense = dissect(Dense(), torch.randn(2, 3, 6, 6))
    assert list(dense) == ["convs.0", "convs.1"]
    assert_close(dense["convs.1"].input[:, 3:], dense["convs.0"].output)
    assert dense["convs.1"].activation == "none"
