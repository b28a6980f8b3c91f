"""Real networks that others trained, from their files: taken apart exactly, as good as their authors say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import convitro
from convitro.datasets import open_dataset
from convitro.pictures import load_picture, to_input
from convitro.sources.onnx import runtime_values
from tests.networks_shared import TINY_VGG_PICTURES, burn_mnist, captum_cifar, tiny_vgg

Opened = tuple[nn.Module, Tensor, Tensor]  # network, images as it takes them, right classes


def opened_tiny_vgg(shared: Path) -> Opened:
    files = sorted((shared / "models" / "tiny_vgg_images").iterdir())
    labels = [
        next(index for word, index in TINY_VGG_PICTURES.items() if file.name.startswith(word))
        for file in files
    ]
    images = torch.cat([to_input(load_picture(file), (3, 64, 64)) for file in files])
    model = convitro.load(shared / "models" / "tiny_vgg.safetensors", arch="tests.networks_shared:TinyVgg")
    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), tiny_vgg(shared).parameters(), strict=True)
    )
    return model, images, torch.tensor(labels)


def opened_captum(shared: Path) -> Opened:
    data = open_dataset(shared / "data" / "cifar10", split="test").sample(300)
    images, labels = stacked(data)
    model = convitro.load(shared / "models" / "captum_cifar.pt", arch="tests.networks_shared:CaptumCifar")
    assert str(model) == str(captum_cifar(shared))
    return model, (images - 0.5) / 0.5, labels


def opened_burn(shared: Path) -> Opened:
    images, labels = stacked(open_dataset(shared / "data" / "mnist", split="test").sample(200))
    model = convitro.load(
        shared / "models" / "burn_mnist.safetensors", arch="tests.networks_shared:BurnMnist"
    )
    assert str(model) == str(burn_mnist(shared))
    return model, (images - 0.1307) / 0.3081, labels


def opened_mnist_8(shared: Path) -> Opened:
    images, labels = stacked(open_dataset(shared / "data" / "mnist", split="test").sample(300))
    return convitro.load(shared / "models" / "mnist-8.onnx"), images * 255, labels


def stacked(data: object) -> tuple[Tensor, Tensor]:
    pairs = list(data)  # type: ignore[call-overload]
    return torch.stack([image for image, _ in pairs]), torch.tensor([label for _, label in pairs])


NETWORKS: dict[str, tuple[Callable[[Path], Opened], float, int]] = {
    "tiny_vgg": (opened_tiny_vgg, 0.7, 4),
    "captum_cifar": (opened_captum, 0.53, 2),
    "burn_mnist": (opened_burn, 0.95, 3),
    "mnist-8": (opened_mnist_8, 0.96, 2),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_it_loads_and_is_as_good_as_its_authors_say(name: str, shared: Path) -> None:
    opened, accuracy, _ = NETWORKS[name]
    model, images, labels = opened(shared)
    with torch.no_grad():
        right = (model(images).argmax(1) == labels).float().mean()
    assert right >= accuracy


@pytest.mark.parametrize("name", NETWORKS)
def test_the_parts_add_up_to_what_the_framework_computed(name: str, shared: Path) -> None:
    opened, _, layers = NETWORKS[name]
    model, images, _ = opened(shared)
    images = images[:3]
    anatomy = convitro.dissect(model, images)
    assert len(anatomy) == layers
    outputs = outputs_of(model, images) if name != "mnist-8" else outputs_of_onnxruntime(shared, images)
    for layer, output in zip(anatomy.values(), outputs, strict=True):
        scale = float(output.abs().max())
        torch.testing.assert_close(layer.output, output, rtol=0, atol=2e-6 * scale)
        for filter in range(layer.filters):
            parts = layer.partial_maps(filter).double().sum(1) + layer.filter(filter).bias
            torch.testing.assert_close(parts.float(), output[:, filter], rtol=0, atol=2e-6 * scale)
    with torch.no_grad():
        torch.testing.assert_close(anatomy.output, model(images))


def outputs_of(model: nn.Module, images: Tensor) -> list[Tensor]:
    """What PyTorch itself computes for every convolution, bias included, before anything overwrites it."""
    found: list[Tensor] = []
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    hooks = [
        module.register_forward_hook(lambda *call: found.append(call[-1].detach().clone()))
        for module in convolutions
    ]
    with torch.no_grad():
        model(images)
    for hook in hooks:
        hook.remove()
    return found


def outputs_of_onnxruntime(shared: Path, images: Tensor) -> list[Tensor]:
    """What onnxruntime computes for both convolutions of mnist-8; there the bias is a node of its own."""
    path = shared / "models" / "mnist-8.onnx"
    single = [runtime_values(path, image[None]) for image in images]  # it was saved for one picture
    return [
        torch.cat([values[name] for values in single]) for name in ("Plus30_Output_0", "Plus112_Output_0")
    ]
