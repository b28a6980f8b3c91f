"""ConvBlock is one pass where nobody could tell, and three modules where somebody looks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import convitro
import convitro.nn
from convitro import ConvBlock, functional


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The fused passes that were made."""
    made: list[Any] = []

    def counted(*arguments: Any, **keywords: Any) -> Any:
        made.append(arguments)
        return functional.conv_block(*arguments, **keywords)

    monkeypatch.setattr(convitro.nn, "conv_block", counted)
    return made


def block(**options: Any) -> ConvBlock:
    return ConvBlock(3, 8, 3, padding=1, **options)


@pytest.mark.parametrize(
    "options", [{}, {"pool": None}, {"pool": 3, "pool_stride": 2}, {"activation": "gelu"}]
)
def test_one_pass_equals_the_three_modules(passes: list[Any], options: dict[str, Any]) -> None:
    layer, image = block(**options), torch.randn(2, 3, 9, 9)
    fused = layer(image)
    assert len(passes) == 1
    torch.testing.assert_close(fused, layer.pool(layer.activation(layer.conv(image))))


def hook_on_a_child(layer: ConvBlock) -> None:
    layer.activation.register_forward_hook(lambda module, inputs, output: output + 1)


def hook_before_a_child(layer: ConvBlock) -> None:
    layer.pool.register_forward_pre_hook(lambda module, inputs: (inputs[0] * 2,))


def other_activation(layer: ConvBlock) -> None:
    layer.activation = nn.ReLU6()


def other_slope(layer: ConvBlock) -> None:
    layer.activation = nn.LeakyReLU(0.3)


def other_pool(layer: ConvBlock) -> None:
    layer.pool = nn.AvgPool2d(2)


def padded_pool(layer: ConvBlock) -> None:
    layer.pool = nn.MaxPool2d(2, padding=1)


def other_convolution(layer: ConvBlock) -> None:
    layer.conv = nn.Conv2d(3, 8, 5)  # type: ignore[assignment]


def own_forward(layer: ConvBlock) -> None:
    layer.activation.forward = lambda maps: maps.clamp(0, 0.1)


@pytest.mark.parametrize(
    "change",
    [
        hook_on_a_child,
        hook_before_a_child,
        other_activation,
        other_slope,
        other_pool,
        padded_pool,
        other_convolution,
        own_forward,
    ],
)
def test_children_that_were_touched_run(passes: list[Any], change: Callable[[ConvBlock], None]) -> None:
    layer, image = block(), torch.randn(2, 3, 9, 9)
    change(layer)
    found = layer(image)
    assert not passes
    torch.testing.assert_close(found, layer.pool(layer.activation(layer.conv(image))))


def test_global_hooks_see_the_children(passes: list[Any]) -> None:
    seen: list[str] = []
    handle = nn.modules.module.register_module_forward_hook(
        lambda module, inputs, output: seen.append(type(module).__name__)
    )
    try:
        block()(torch.randn(1, 3, 9, 9))
    finally:
        handle.remove()
    assert seen == ["Conv2d", "ReLU", "MaxPool2d", "ConvBlock"]
    assert not passes


def test_the_parts_are_seen_by_who_watches_functions() -> None:
    anatomy = convitro.dissect(nn.Sequential(block()), torch.randn(1, 3, 8, 8))
    assert anatomy["0.conv"].pooled is not None
    assert anatomy["0.conv"].activation == "relu"


def test_use_algorithm_reaches_all_layers_and_ends() -> None:
    image, layer = torch.randn(1, 16, 12, 12), convitro.Conv2d(16, 16, 3)
    usual = layer(image)
    with functional.use_algorithm("direct"):
        direct = layer(image)
        with functional.use_algorithm("aten"):
            torch.testing.assert_close(layer(image), nn.Conv2d.forward(layer, image), rtol=0, atol=0)
        assert torch.equal(layer(image), direct)
    assert torch.equal(layer(image), usual)
    torch.testing.assert_close(usual, direct, rtol=1e-4, atol=1e-5)


def test_use_algorithm_refuses() -> None:
    with (
        pytest.raises(convitro.errors.ArgumentError, match="unknown algorithm"),
        functional.use_algorithm("fft"),
    ):
        pass


def test_an_asked_algorithm_is_used_or_refused() -> None:
    image, weight = torch.randn(1, 8, 12, 12), torch.randn(8, 8, 5, 3)
    with pytest.raises(convitro.errors.UnsupportedError, match="winograd"):
        functional.conv2d(image, weight, algorithm="winograd")
    with pytest.raises(convitro.errors.UnsupportedError, match="depthwise"):
        functional.conv2d(image, weight, algorithm="depthwise")
    with pytest.raises(convitro.errors.UnsupportedError, match="not float16"):
        functional.conv2d(image.half(), weight.half(), algorithm="direct")


def saved_bytes(layer: nn.Module, image: Tensor) -> int:
    """Bytes that autograd keeps, parameters and the input left out."""
    storages = {}
    known = {parameter.untyped_storage().data_ptr() for parameter in layer.parameters()}
    known.add(image.untyped_storage().data_ptr())

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        layer(image)
    return sum(storages.values())


def test_backward_keeps_one_byte_for_a_pooled_value() -> None:
    layer, image = block(), torch.randn(2, 3, 16, 16)
    assert saved_bytes(layer, image) == 2 * 8 * 8 * 8
