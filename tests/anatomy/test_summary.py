"""The summary: right shapes, parameters and MACs for layers of any kind, however they are called."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convitro
from convitro.anatomy import summary
from convitro.errors import ArgumentError, ShapeError
from convitro.geometry import conv_problem


def rows(model: nn.Module, size: Any, **options: Any) -> dict[str, Any]:
    return {row.name: row for row in summary(model, size, verbose=0, **options).rows}


def test_a_usual_network() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, padding=1, groups=1), nn.ReLU(), nn.Flatten(), nn.Linear(128, 10)
    )
    found = summary(model, (3, 8, 8), verbose=0)
    assert [(row.name, row.kind, row.output_shape, row.parameters) for row in found.rows] == [
        ("0", "Conv2d", (1, 8, 4, 4), 224),
        ("1", "ReLU", (1, 8, 4, 4), 0),
        ("2", "Flatten", (1, 128), 0),
        ("3", "Linear", (1, 10), 1290),
    ]
    assert found.rows[0].macs == conv_problem((8, 3, 3, 3), 2, 1).macs(1, 8, 8) == 3456
    assert found.rows[3].macs == 1280
    assert (found.macs, found.flops) == (4736, 9472)
    assert (found.parameters, found.trainable_parameters, found.unused_parameters) == (1514, 1514, 0)
    assert found.parameter_bytes == 4 * 1514
    assert model.training


def test_a_residual_network_of_known_size(resnet18: nn.Module) -> None:
    found = summary(resnet18, (1, 3, 224, 224), verbose=0)
    assert found.parameters == 11_689_512
    assert found.macs == 1_814_073_344  # the literature's 1.8 "GFLOPs" are MACs
    assert sum(row.parameters for row in found.rows) == found.parameters
    shallow = summary(resnet18, (1, 3, 224, 224), depth=1, verbose=0)
    assert (shallow.macs, shallow.parameters) == (found.macs, found.parameters)
    assert [row.kind for row in shallow.rows].count("Sequential") == 4
    assert len(shallow.rows) == 11
    assert shallow.rows[4].output_shape == (1, 64, 56, 56)


@pytest.mark.parametrize(
    ("layer", "size", "macs"),
    [
        (nn.Conv1d(4, 6, 3), (1, 4, 10), 6 * 4 * 3 * 8),
        (nn.Conv3d(2, 3, 2, stride=2), (1, 2, 4, 4, 4), 3 * 2 * 8 * 8),
        (nn.Conv2d(4, 8, 3, groups=4, dilation=2), (1, 4, 9, 9), 8 * 9 * 25),
        (nn.ConvTranspose2d(4, 6, 3, stride=2), (1, 4, 5, 5), 4 * 6 * 9 * 25),
        (nn.ConvTranspose1d(4, 6, 3), (2, 4, 5), 2 * 4 * 6 * 3 * 5),
        (nn.Linear(7, 3), (5, 4, 7), 5 * 4 * 7 * 3),
        (convitro.Conv2d(4, 8, 3, aggregation="max"), (1, 4, 9, 9), 8 * 4 * 9 * 49),
        (convitro.Conv2d(4, 8, 3, aggregation="none"), (1, 4, 9, 9), 8 * 4 * 9 * 49),
        (nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 8, 1)), (1, 4, 3, 3), 8 * 4 * 9),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else str(value),
)
def test_macs(layer: nn.Module, size: tuple[int, ...], macs: int) -> None:
    model = nn.Sequential(layer)
    found = summary(model, input_data=torch.zeros(size), verbose=0)
    assert len(found.rows) == 1
    assert found.macs == macs
    assert found.rows[0].parameters == sum(parameter.numel() for parameter in layer.parameters())


SIZES = [(3, 32, 32), (1, 3, 32, 32), [3, 32, 32], [(3, 32, 32)], torch.Size([3, 32, 32])]


@pytest.mark.parametrize("size", SIZES)
def test_sizes_with_and_without_a_batch(size: Any) -> None:
    assert rows(nn.Sequential(nn.Conv2d(3, 4, 3)), size)["0"].output_shape == (1, 4, 30, 30)


def test_sizes_of_other_models() -> None:
    assert rows(nn.Sequential(nn.Conv1d(3, 4, 3)), (2, 3, 9))["0"].output_shape == (2, 4, 7)
    assert rows(nn.Sequential(nn.Conv1d(3, 4, 3)), (3, 9))["0"].output_shape == (1, 4, 7)
    assert rows(nn.Sequential(nn.Linear(3, 4)), (3,))["0"].output_shape == (1, 4)
    assert rows(nn.Sequential(nn.Flatten(), nn.Linear(12, 4)), (3, 2, 2))["1"].output_shape == (1, 4)
    assert rows(nn.Sequential(nn.Linear(3, 4)), (7, 3))["0"].output_shape == (7, 4)


class Reused(nn.Module):
    """A layer that runs twice, one that shares its weight, one that never runs, a parameter of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.twin = nn.Conv2d(3, 3, 3, padding=1)
        self.twin.weight = self.conv.weight
        self.unused = nn.Linear(5, 5)
        self.scale = nn.Parameter(torch.ones(3, 1, 1), requires_grad=False)

    def forward(self, input: Tensor) -> Tensor:
        return self.twin(self.conv(self.conv(input))) * self.scale


def test_reused_layers_and_shared_parameters() -> None:
    found = summary(Reused(), (3, 8, 8), verbose=0)
    counts = [(row.name, row.parameters, row.shared, row.trainable) for row in found.rows]
    assert counts == [
        ("conv", 84, 0, True),
        ("conv#2", 0, 84, True),
        ("twin", 3, 81, True),
        ("Reused", 3, 0, False),
    ]
    assert found.macs == 3 * 81 * 64
    assert (found.parameters, found.trainable_parameters, found.unused_parameters) == (120, 117, 30)
    text = str(found)
    assert "(84)" in text
    assert "3 (81)" in text
    assert "in brackets: used before, counted once" in text
    assert "unused in this run: 30 parameters" in text


def test_functional_networks(functional_model: nn.Module) -> None:
    found = rows(nn.Sequential(functional_model), (3, 8, 8))
    assert list(found) == ["0.conv2d", "0.conv2d#2"]
    assert found["0.conv2d"].parameters == 108
    assert found["0.conv2d#2"].macs == 6 * 4 * 4 * 2 * 3

    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, input: Tensor) -> Tensor:
            return F.linear(self.conv(F.conv2d(input, self.conv.weight)), torch.ones(2, 8))

    mixed = rows(Mixed(), (3, 8, 8))
    assert list(mixed) == ["conv2d", "conv", "linear"]
    assert (mixed["conv2d"].parameters, mixed["conv"].parameters, mixed["conv"].shared) == (9, 3, 9)
    assert mixed["linear"].macs == 3 * 8 * 8 * 2


def test_modules_whose_parts_do_not_run_are_whole_themselves() -> None:
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    found = summary(attention, input_data=(torch.zeros(1, 3, 8),) * 3, verbose=0)
    assert [row.kind for row in found.rows] == ["MultiheadAttention"]
    assert found.unused_parameters == 0


def test_blocks_of_ours_show_their_parts() -> None:
    found = rows(convitro.ConvBlock(3, 4, 3), (3, 8, 8))
    assert [row.kind for row in found.values()] == ["Conv2d", "ReLU", "MaxPool2d"]


def test_modes() -> None:
    seen = []

    class Mode(nn.Module):
        def forward(self, input: Tensor) -> Tensor:
            seen.append(self.training)
            return input

    model = Mode()
    for mode in ("same", "eval", "train"):
        summary(model, (3,), mode=mode, verbose=0)
    assert seen == [True, False, True]
    assert model.training


def test_dtypes_and_several_inputs() -> None:
    half = nn.Sequential(nn.Conv2d(3, 4, 3)).to(torch.bfloat16)
    assert rows(half, (3, 8, 8))["0"].output_shape == (1, 4, 6, 6)
    embedded = rows(nn.Sequential(nn.Embedding(5, 2)), (1, 7), dtypes=[torch.long])
    assert embedded["0"].output_shape == (1, 7, 2)
    bilinear = nn.Bilinear(3, 4, 5)
    assert rows(bilinear, [(2, 3), (2, 4)])["Bilinear"].output_shape == (2, 5)
    with pytest.raises(ArgumentError, match=r"`dtypes` does not fit(.|\n)*expected: 2 of them"):
        summary(bilinear, [(2, 3), (2, 4)], dtypes=[torch.float32], verbose=0)


def test_without_an_input_only_parameters_are_listed() -> None:
    found = summary(Reused(), verbose=0)
    assert [(row.name, row.parameters, row.shared) for row in found.rows] == [
        ("Reused", 3, 0),
        ("conv", 84, 0),
        ("twin", 3, 81),
        ("unused", 30, 0),
    ]
    assert found.macs is None
    assert "give input_size or input_data" in str(found)
    json.dumps(found.to_dict())


def test_the_table() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
    assert str(summary(model, (3, 8, 8), verbose=0)) == (
        "Sequential\n"
        " layer   kind     output    parameters    MACs\n"
        "───────────────────────────────────────────────\n"
        " 0       Conv2d   1x8x6x6          224   7,776\n"
        " 1       ReLU     1x8x6x6\n"
        "parameters: 224 (224 trainable), 0.0 MiB\n"
        "MACs: 7,776 in convolutions and linear layers\n"
        "FLOPs: 15,552 (2 for each MAC)"
    )


def test_all_columns_fit_a_terminal(resnet18: nn.Module) -> None:
    columns = ("input_size", "kernel_size", "num_params", "mult_adds", "trainable")
    text = str(summary(resnet18, (3, 224, 224), col_names=columns, depth=9, verbose=0))
    assert max(map(len, text.splitlines())) <= 80
    for whole in ("118,013,952", "1x3x224x224", "2,359,296", "7x7"):
        assert whole in text


def test_as_json_and_html() -> None:
    found = summary(nn.Sequential(nn.Conv2d(3, 8, 3)), (3, 8, 8), verbose=0)
    values = json.loads(json.dumps(found.to_dict()))
    assert values["layers"][0] == {
        "name": "0",
        "kind": "Conv2d",
        "input_shape": [1, 3, 8, 8],
        "output_shape": [1, 8, 6, 6],
        "kernel_size": [3, 3],
        "groups": 1,
        "parameters": 224,
        "shared": 0,
        "trainable": True,
        "macs": 7776,
        "flops": 15552,
        "output_bytes": 4 * 288,
        "receptive_field": {
            "size": [3, 3],
            "stride": [1, 1],
            "start": [0, 0],
            "whole": False,
            "exact": True,
        },
        "time_ms": None,
        "advice": [],
    }
    assert values["totals"]["flops"] == 2 * values["totals"]["macs"]
    page = found._repr_html_()
    assert page.count("<tr>") == 2
    assert "script" not in page


def test_printing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3))
    printed = str(summary(model, (3, 8, 8)))  # a script: prints by itself
    assert capsys.readouterr().out == printed + "\n"
    monkeypatch.setattr("sys.ps1", ">>> ", raising=False)  # a prompt: shows the result itself
    summary(model, (3, 8, 8))
    assert capsys.readouterr().out == ""
    summary(model, (3, 8, 8), verbose=1)
    assert capsys.readouterr().out == printed + "\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_size": (3, -1, 8)}, r"`input_size` is no size(.|\n)*\(3, -1, 8\)"),
        ({"input_size": ()}, "`input_size` is no size"),
        ({"input_size": (3, 8, 8), "input_data": torch.zeros(1)}, "two inputs"),
        ({"input_data": "picture.png"}, "`input` holds no tensor"),
        ({"depth": 0}, "`depth` is too small"),
        ({"mode": "evaluate"}, r'unknown mode(.|\n)*did you mean "eval"'),
        ({"col_names": ["num_parameters"]}, r'unknown column(.|\n)*did you mean "num_params"'),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(list(value)),
)
def test_wrong_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        summary(nn.Sequential(nn.Conv2d(3, 8, 3)), verbose=0, **options)
    with pytest.raises(ArgumentError, match=r"`model` is not a torch.nn.Module"):
        summary(nn.Conv2d, (3, 8, 8))  # type: ignore[arg-type]


def test_a_size_for_which_there_is_no_memory() -> None:
    with pytest.raises(
        ShapeError, match=r"there is no memory(.|\n)*\(1, 3, 1000000000, 1000000000\): 11,175,"
    ):
        summary(nn.Sequential(nn.Conv2d(3, 8, 3)), (3, 10**9, 10**9), verbose=0)


def test_a_size_that_the_model_cannot_take() -> None:
    with pytest.raises(ShapeError, match=r"cannot run(.|\n)*\(1, 1, 8, 8\)(.|\n)*to have 3 channels"):
        summary(nn.Sequential(nn.Conv2d(3, 8, 3)), (1, 8, 8), verbose=0)
