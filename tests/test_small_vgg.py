"""The embedded network: its size, its accuracy, and that the card says what the weights say."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from convitro.models import CLASSES, INPUT_SIZE, WEIGHTS, small_vgg
from convitro.models.train_small_vgg import (
    Pictures,
    accuracy,
    augment,
    fold_batch_norm,
    model_card,
    read_cifar10,
    train,
    with_batch_norm,
)


def test_weights_are_small_and_the_card_is_theirs() -> None:
    assert WEIGHTS.stat().st_size <= 1_000_000
    with safe_open(WEIGHTS, framework="pt") as file:
        facts = file.metadata()
    card = WEIGHTS.with_suffix(".md").read_text(encoding="utf-8")
    in_order = sorted(facts, key=lambda name: card.find(f"| {name} |"))  # a safetensors file keeps no order
    assert card == model_card({name: facts[name] for name in in_order})


def test_accuracy_on_the_test_file(shared: Path) -> None:
    test = read_cifar10([shared / "data/cifar10/test_batch.bin"])
    assert accuracy(small_vgg(), test) >= 0.75


def test_shapes() -> None:
    assert small_vgg()(torch.zeros(2, *INPUT_SIZE)).shape == (2, len(CLASSES))
    assert not small_vgg().training
    assert small_vgg(pretrained=False).training


def test_first_layer_filters_are_smooth_or_coloured_not_noise() -> None:
    weight = small_vgg().get_parameter("conv1_1.weight").detach()
    flat = (weight - weight.mean((2, 3), keepdim=True)).flatten(1)
    power = torch.linalg.svdvals(flat).square()
    share = (power[:9].sum() / power.sum()).item()
    assert share > 0.8  # noise of this shape spreads over all 24 directions: about 0.55


def test_folding_changes_no_output() -> None:
    network = with_batch_norm(small_vgg(pretrained=False))
    network(torch.rand(8, 3, 32, 32))
    images = torch.rand(2, 3, 32, 32)
    folded = fold_batch_norm(network)
    torch.testing.assert_close(folded(images), network.eval()(images), rtol=1e-4, atol=1e-5)


def test_the_training_script_learns() -> None:
    colours = torch.rand(2, 3, 1, 1)
    labels = torch.arange(512) % 2
    data = Pictures(colours[labels].expand(-1, 3, 32, 32) + 0.05 * torch.randn(512, 3, 32, 32), labels)
    assert accuracy(train(data, epochs=2, seed=0), data) > 0.9


def test_augmentation_keeps_shape_and_range() -> None:
    images = torch.rand(16, 3, 32, 32)
    changed = augment(images)
    assert changed.shape == images.shape
    assert changed.min() >= 0
    assert changed.max() <= 1


def test_damaged_data_is_refused(tmp_path: Path) -> None:
    damaged = tmp_path / "test_batch.bin"
    damaged.write_bytes(b"x" * 1000)
    with pytest.raises(ValueError, match="1000 bytes are not whole records of 3073"):
        read_cifar10([damaged])
    with pytest.raises(FileNotFoundError, match=r"data_batch_\*\.bin"):
        read_cifar10([])
