"""A network of ordinary size opens within ordinary memory: what an Anatomy keeps, counted byte by byte."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import torch
from torch import Tensor, nn

from convitro.anatomy import Anatomy, dissect

MEGABYTE = 2**20


def kept_bytes(anatomy: Anatomy) -> int:
    """The storages that an anatomy keeps alive, each counted once."""
    storages: dict[int, int] = {}
    seen: set[int] = set()
    queue: list[Any] = [anatomy]
    while queue:
        item = queue.pop()
        if id(item) in seen or isinstance(item, type):
            continue
        seen.add(id(item))
        if isinstance(item, Tensor):
            storages[item.untyped_storage().data_ptr()] = item.untyped_storage().nbytes()
        elif type(item).__module__.startswith("convitro.anatomy"):
            queue += vars(item).values()
        elif type(item).__name__ == "mappingproxy" or isinstance(item, dict):
            queue += dict(item).values()
        elif isinstance(item, (list, tuple)):
            queue += item
    return sum(storages.values())


def test_resnet18_at_full_size(resnet18: nn.Module) -> None:
    anatomy = dissect(resnet18, torch.randn(1, 3, 224, 224))
    assert len(anatomy) == 20
    assert kept_bytes(anatomy) < 70 * MEGABYTE  # 43 of weights, 10 of inputs
    for layer in anatomy.values():
        part = layer.filter(0)
        assert part.partial_maps.shape[1] == layer.weight.shape[1]
        assert part.activated.shape == (1, *layer.output_size)
    assert kept_bytes(anatomy) < 70 * MEGABYTE  # filters keep their maps to themselves
    assert not any({"output", "activated"} & set(vars(layer)) for layer in anatomy.values())
    for layer in anatomy.values():
        assert layer.activated.shape == (1, layer.filters, *layer.output_size)
    assert kept_bytes(anatomy) < 120 * MEGABYTE


def test_what_was_not_asked_for_is_forgotten(resnet18: nn.Module) -> None:
    anatomy = dissect(resnet18, torch.randn(1, 3, 224, 224), layers=["0"])
    assert kept_bytes(anatomy) < 1 * MEGABYTE


def test_the_model_and_its_activations_are_not_kept_alive() -> None:
    class Leaky(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, input: Tensor) -> Tensor:
            return self.conv(input).relu()

    model = Leaky()
    anatomy, gone = dissect(model, torch.randn(1, 3, 8, 8)), weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
    assert anatomy["conv"].activated.shape == (1, 4, 6, 6)


def test_layers_that_see_the_same_share_one_copy() -> None:
    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.branches = nn.ModuleList([nn.Conv2d(3, 2, 1) for _ in range(4)])

        def forward(self, input: Tensor) -> Tensor:
            return torch.cat([branch(input) for branch in self.branches], 1)

    layers = list(dissect(Branches(), torch.randn(1, 3, 8, 8)).values())
    assert len({layer.input.data_ptr() for layer in layers}) == 1
