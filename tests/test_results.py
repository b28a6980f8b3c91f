"""Every result shows itself: a table of 80 columns, HTML without scripts, strict JSON; none changes."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import convitro
from convitro.datasets import open_dataset


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(0)
    layers = (
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3),
        nn.ReLU(),
    )
    model = nn.Sequential(*layers)
    with torch.no_grad():
        model.get_parameter("4.bias")[2] = -100.0
    return model.eval()


def images() -> torch.Tensor:
    return torch.rand(2, 3, 12, 14, generator=torch.Generator().manual_seed(0))


RESULTS: dict[str, Callable[[nn.Module], Any]] = {
    "Anatomy": lambda model: convitro.dissect(model, images()),
    "LayerAnatomy": lambda model: convitro.dissect(model, images())["4"],
    "FilterAnatomy": lambda model: convitro.dissect(model, images())["4"].filter(1),
    "Cancellation": lambda model: convitro.dissect(model, images())["4"].filter(1).cancellation,
    "PixelTrace": lambda model: convitro.dissect(model, images())["4"].pixel(1, 0, 0),
    "Summary": lambda model: convitro.summary(model, (3, 12, 14), verbose=0),
    "ReceptiveFields": lambda model: convitro.receptive_field(model, (3, 12, 14)),
    "StackComparison": lambda model: convitro.compare_stacks((5,), (3, 3), channels=4, input_size=9, runs=1),
    "Projection": lambda model: convitro.deconvnet(model, images(), "4", 1, top=1),
    "TopPatches": lambda model: convitro.top_patches(model, images(), "4", k=2),
    "Diagnosis": lambda model: convitro.diagnose(model, open_dataset("photographs", (3, 12, 14))),
    "Finding": lambda model: convitro.diagnose(model, open_dataset("photographs", (3, 12, 14))).findings[0],
    "Plan": lambda model: convitro.plan(model.get_submodule("0"), (1, 3, 12, 14)),
}


@pytest.mark.parametrize("kind", RESULTS)
def test_a_result_shows_itself(kind: str, model: nn.Module) -> None:
    result: Any = RESULTS[kind](model)
    assert type(result).__name__ == kind
    field = dataclasses.fields(result)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign"):
        setattr(result, field, None)
    if kind != "Finding":  # one sentence, as long as it has to be
        assert max(map(len, str(result).splitlines())) <= 80
    page = result._repr_html_()
    assert page.startswith("<")
    assert not re.search(r"<script|\son\w+=|(?:src|href)\s*=\s*[\"'](?!data:|#)", page)
    json.loads(json.dumps(result.to_dict(), allow_nan=False))
