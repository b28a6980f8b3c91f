"""What leads to what: chains, residuals in and out of place, concatenation, gates, reuse, several inputs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convitro.anatomy import dissect


def edges(model: nn.Module, input: object) -> dict[str, tuple[str, ...]]:
    return {node.name: node.sources for node in dissect(model.eval(), input).nodes}


def test_a_chain() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(2, 3, 1), nn.Flatten()
    )
    found = edges(model, torch.rand(1, 1, 9, 9))
    assert found == {"input": (), "0": ("input",), "3": ("0",), "output": ("3",)}


def test_a_residual_network(resnet18: nn.Module) -> None:
    found = edges(resnet18, torch.rand(1, 3, 64, 64))
    assert found["4.0.conv1"] == ("0",)
    assert found["add"] == ("4.0.conv2", "0")  # an identity shortcut: from the stem, past the pooling
    assert found["4.1.conv1"] == ("add",)
    assert found["add#2"] == ("4.1.conv2", "add")
    assert found["add#3"] == ("5.0.conv2", "5.0.shortcut.0")
    assert found["output"] == ("add#8",)
    assert sum(name.startswith("add") for name in found) == 8


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.left, self.right = (
            nn.Conv2d(2, 4, 1),
            nn.Conv2d(4, 4, 3, padding=1),
            nn.Conv2d(4, 4, 1),
        )
        self.gate = nn.Conv2d(4, 4, 1)
        self.scale = nn.Parameter(torch.ones(4, 1, 1))

    def forward(self, input: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        maps = F.silu(self.stem(input)) * self.scale + torch.arange(4.0).reshape(4, 1, 1)
        maps = maps * torch.sigmoid(maps)  # one way only
        wide = torch.cat([self.left(maps), self.right(maps)], dim=1)
        gated = wide[:, :4] * torch.sigmoid(self.gate(F.adaptive_avg_pool2d(maps, 1)))
        gated[:, :1] = mask
        return self.right(gated), wide.mean((2, 3))


def test_branches_gates_and_a_layer_used_twice() -> None:
    found = edges(Branches(), (torch.rand(1, 2, 6, 6), torch.rand(1, 1, 6, 6)))
    assert found == {
        "input": (),
        "stem": ("input",),
        "left": ("stem",),
        "right": ("stem",),
        "concat": ("left", "right"),
        "gate": ("stem",),
        "multiply": ("concat", "gate"),
        "merge": ("multiply", "input"),
        "right#2": ("merge",),
        "output": ("right#2", "concat"),
    }


def test_named_arguments_are_inputs_too() -> None:
    found = edges(Branches(), {"input": torch.rand(1, 2, 6, 6), "mask": torch.rand(1, 1, 6, 6)})
    assert found["stem"] == ("input",)


def test_functions_without_modules(functional_model: nn.Module) -> None:
    assert edges(functional_model, torch.rand(1, 3, 8, 8)) == {
        "input": (),
        "conv2d": ("input",),
        "conv2d#2": ("conv2d",),
        "output": ("conv2d#2",),
    }


def test_layers_that_are_not_kept_are_nodes_all_the_same(resnet18: nn.Module) -> None:
    anatomy = dissect(resnet18, torch.rand(1, 3, 64, 64), layers=["4.0.conv2"])
    assert list(anatomy) == ["4.0.conv2"]
    assert sum(node.kind == "layer" for node in anatomy.nodes) == 20
    assert anatomy.to_dict()["nodes"][0] == {"name": "input", "kind": "input", "sources": []}
