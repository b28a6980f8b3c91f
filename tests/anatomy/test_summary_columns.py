"""What a summary shows beside parameters and MACs: memory, fields, time, advice, trees, other formats."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convitro
from convitro.anatomy import Summary, receptive_field, summary
from convitro.anatomy.costs.columns import COLUMNS
from convitro.errors import ArgumentError
from tests import architectures

SIZES = {name: (parameters, macs) for name, parameters, macs in (
    ("alexnet", 61_100_840, 714_188_480),
    ("vgg16", 138_357_544, 15_470_264_320),
    ("resnet50", 25_557_032, 4_089_184_256),
    ("inception_v3", 23_834_568, 5_713_216_096),
    ("mobilenet_v1", 4_231_976, 568_740_352),
    ("densenet121", 7_978_856, 2_834_161_664),
    ("unet", 31_030_658, 150_428_424_448),
)}  # fmt: skip


class Net(nn.Module):
    """Something to say about every layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.body = nn.Sequential(nn.Conv2d(8, 8, 5, padding=2), nn.MaxPool2d(2), nn.Conv2d(8, 8, 2))
        self.head = nn.Linear(8, 4)

    def forward(self, input: Tensor) -> Tensor:
        maps = self.body(self.stem(input))
        maps = F.conv2d(maps, torch.ones(8, 1, 1, 1), groups=8)
        return self.head(maps.mean((2, 3)))


def rows(found: Summary) -> dict[str, Any]:
    return {row.name: row for row in found.rows}


@pytest.mark.parametrize(
    ("name", "network", "size"), [*architectures.every()], ids=lambda v: v if isinstance(v, str) else ""
)
def test_famous_networks(name: str, network: nn.Module, size: tuple[int, ...]) -> None:
    found = summary(network, size, verbose=0, depth=9)
    assert (found.parameters, found.macs) == SIZES[name]
    assert sum(row.parameters for row in found.rows) == found.parameters
    fields = receptive_field(network, size)
    shown = rows(found)
    for layer, field in fields.items():
        if layer in shown:
            assert shown[layer].field == field, layer


def test_memory_is_what_outputs_take_anew() -> None:
    found = summary(Net(), (3, 8, 8), col_names=["memory"], verbose=0)
    memory = {name: row.output_bytes for name, row in rows(found).items()}
    assert memory == {
        "stem.0": 8 * 64 * 4,
        "stem.1": 8 * 64 * 4,
        "stem.2": 0,
        "body.0": 8 * 64 * 4,
        "body.1": 8 * 16 * 4,
        "body.2": 8 * 9 * 4,
        "conv2d": 8 * 9 * 4,
        "head": 16,
    }
    assert (found.output_bytes, found.input_bytes) == (sum(memory.values()), 3 * 64 * 4)
    assert "memory: 7.1 KiB for the outputs of the layers, the largest 2.0 KiB (stem.0)" in str(found)


def test_fields_of_every_layer() -> None:
    found = summary(Net(), (3, 8, 8), verbose=0)
    sizes = {name: None if row.field is None else row.field.size[0] for name, row in rows(found).items()}
    assert sizes == {
        "stem.0": 3,
        "stem.1": 3,
        "stem.2": 3,
        "body.0": 7,
        "body.1": 8,
        "body.2": 10,
        "conv2d": 10,
        "head": 8,
    }
    assert rows(found)["head"].field.whole
    assert summary(nn.Sequential(nn.Linear(3, 4)), (2, 3), verbose=0).rows[0].field is None


def test_advice_is_right() -> None:
    advice = summary(Net(), (3, 9, 9), verbose=0).advice
    small, large = 2 * (9 * 64 + 8), 25 * 64 + 8
    assert advice == {
        "stem.0": ("its 8 biases are useless: only a BatchNorm follows, which takes them away",),
        "body.0": (
            f"two 3x3 in a row see as much as this 5x5 and save {large - small:,} parameters "
            f"({(large - small) / large:.0%}) and {81 * 7 * 64:,} MACs (28%)",
        ),
        "body.2": (
            "a 2x2 kernel has no middle: its maps are shifted by half a pixel (rows and columns)",
            "from here on a unit sees 10x10 pixels, more than the image (9x9)",
        ),
    }
    saved = 81 * 7 * 64
    proposed = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1))
    other = summary(proposed, (8, 9, 9), verbose=0)
    now = summary(nn.Sequential(nn.Conv2d(8, 8, 5, padding=2)), (8, 9, 9), verbose=0)
    assert now.macs is not None
    assert other.macs == now.macs - saved
    assert other.parameters == now.parameters - (large - small)


def test_advice_without_padding_counts_the_larger_maps_between() -> None:
    now = summary(nn.Sequential(nn.Conv2d(8, 8, 7)), (8, 32, 32), verbose=0)
    proposed = summary(nn.Sequential(*(nn.Conv2d(8, 8, 3) for _ in range(3))), (8, 32, 32), verbose=0)
    assert now.macs is not None
    assert proposed.macs is not None
    (sentence,) = now.advice["0"]
    assert f"{now.parameters - proposed.parameters:,} parameters" in sentence
    assert f"{now.macs - proposed.macs:,} MACs" in sentence


class Shared(nn.Module):
    """A convolution whose output is normalised, but used beside it as well."""

    def __init__(self, *, returns: bool) -> None:
        super().__init__()
        self.conv, self.norm, self.returns = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), returns

    def forward(self, input: Tensor) -> Any:
        maps = self.conv(input)
        if self.returns:
            return self.norm(maps), maps
        return self.norm(maps) + maps


class Twice(nn.Module):
    """A convolution that a BatchNorm follows the first time only, or whose bias another one has, too."""

    def __init__(self, *, tied: bool, normalised: bool = False, kernel_size: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(8, 8, kernel_size, padding=kernel_size // 2)
        self.second = nn.Conv2d(8, 8, kernel_size, padding=kernel_size // 2) if tied else self.first
        self.second.bias = self.first.bias
        self.norm = nn.BatchNorm2d(8)
        self.end = self.norm if normalised else nn.ReLU()

    def forward(self, input: Tensor) -> Tensor:
        result: Tensor = self.end(self.second(self.norm(self.first(input))))
        return result


class BiasTaken(nn.Module):
    """A bias that is used beside its convolution: before it runs, or in what the model returns."""

    def __init__(self, *, returns: bool) -> None:
        super().__init__()
        self.conv, self.norm, self.returns = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), returns

    def forward(self, input: Tensor) -> Any:
        assert self.conv.bias is not None
        if self.returns:
            return self.norm(self.conv(input)), self.conv.bias
        return self.norm(self.conv(input + self.conv.bias.sum()))


SILENT: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "a first layer, where 3x3 cost more": (nn.Sequential(nn.Conv2d(3, 64, 5, padding=2)), (3, 32, 32)),
    "strides": (nn.Sequential(nn.Conv2d(8, 8, 5, 2, 2)), (8, 32, 32)),
    "dilation": (nn.Sequential(nn.Conv2d(8, 8, 5, padding=4, dilation=2)), (8, 32, 32)),
    "rows only": (nn.Sequential(nn.Conv2d(8, 8, (1, 5), padding=(0, 2))), (8, 32, 32)),
    "another aggregation": (
        nn.Sequential(convitro.Conv2d(8, 8, 5, padding=2, aggregation="max")),
        (8, 32, 32),
    ),
    "an even kernel that moves by two": (nn.Sequential(nn.Conv2d(3, 8, 2, 2)), (3, 32, 32)),
    "a dilated one with a middle": (nn.Sequential(nn.Conv2d(3, 8, 2, dilation=2)), (3, 32, 32)),
    "no bias": (nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8)), (3, 32, 32)),
    "a bias with something between": (
        nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.BatchNorm2d(8)),
        (3, 32, 32),
    ),
    "a bias that is used besides": (Shared(returns=False), (1, 32, 32)),
    "a bias that is returned besides": (Shared(returns=True), (1, 32, 32)),
    "a bias that is added again where it counts": (Twice(tied=False), (8, 32, 32)),
    "a bias that another convolution has, too": (Twice(tied=True), (8, 32, 32)),
    "a bias that is added to the input": (BiasTaken(returns=False), (1, 32, 32)),
    "a bias that is returned": (BiasTaken(returns=True), (1, 32, 32)),
    "global pooling": (nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1)), (3, 32, 32)),
}


@pytest.mark.parametrize("name", SILENT)
def test_advice_is_silent_where_nothing_is_certain(name: str) -> None:
    network, size = SILENT[name]
    assert summary(network, size, verbose=0).advice == {}


def test_advice_on_a_layer_that_runs_twice_is_given_once() -> None:
    found = summary(Twice(tied=False, normalised=True, kernel_size=5), (8, 32, 32), verbose=0)
    small, large = 2 * (9 * 64 + 8), 25 * 64 + 8
    assert [row.name for row in found.rows if row.macs] == ["first", "first#2"]
    assert found.advice == {
        "first": (
            f"two 3x3 in a row see as much as this 5x5 and save {large - small:,} parameters "
            f"({(large - small) / large:.0%}) and {32 * 32 * 7 * 64:,} MACs (28%)",
            "its 8 biases are useless: only a BatchNorm follows, which takes them away",
        )
    }


def test_one_layer_that_takes_most_of_the_memory() -> None:
    network = nn.Sequential(nn.Conv2d(1, 32, 3, padding=1), nn.Conv2d(32, 2, 3, 4), nn.Conv2d(2, 2, 1))
    found = summary(network, (1, 64, 64), verbose=0)
    outputs = 32 * 64 * 64, 2 * 16 * 16, 2 * 16 * 16
    assert found.advice == {
        "0": (f"its output is {outputs[0] / sum(outputs):.0%} of the memory of all outputs",)
    }


def test_measured_times() -> None:
    found = summary(Net(), (3, 8, 8), col_names=["time_ms"], verbose=0)
    times = [row.time_ms or 0.0 for row in found.rows]
    assert all(time > 0 for time in times)
    assert max(times) <= (found.time_ms or 0.0)
    assert "medians of 5 runs" in str(found)
    assert summary(Net(), (3, 8, 8), verbose=0).rows[0].time_ms is None


def test_a_tree_as_torchinfo_has_it() -> None:
    found = summary(
        Net(), (3, 8, 8), row_settings=("depth", "var_names"), col_names=["num_params"], verbose=0
    )
    assert str(found).splitlines()[3:13] == [
        " Net (Net)",
        " ├─ Sequential (stem): 1-1",
        " │  ├─ Conv2d (0): 2-1               224",
        " │  ├─ BatchNorm2d (1): 2-2           16",
        " │  └─ ReLU (2): 2-3",
        " ├─ Sequential (body): 1-2",
        " │  ├─ Conv2d (0): 2-4             1,608",
        " │  ├─ MaxPool2d (1): 2-5",
        " │  └─ Conv2d (2): 2-6               264",
        " ├─ conv2d (conv2d): 1-3",
    ]
    plain = summary(Net(), (3, 8, 8), row_settings=("ascii_only",), depth=1, verbose=0)
    assert str(plain).isascii()
    assert " +- Sequential" in str(plain)
    twice = nn.Sequential(*[nn.ReLU()] * 2)
    for settings, count in ((("depth",), 3), (("depth", "hide_recursive_layers"), 2)):
        assert str(summary(twice, (3, 4, 4), row_settings=settings, verbose=0)).count("\n ") == count + 1


@pytest.mark.parametrize("settings", [(), ("depth", "var_names")])
def test_all_columns_stay_within_80_characters(resnet18: nn.Module, settings: tuple[str, ...]) -> None:
    names = [name for name in COLUMNS if name != "time_ms"]
    with torch.device("meta"):
        found = summary(resnet18.to("meta"), (3, 224, 224), col_names=names, row_settings=settings, verbose=0)
    text = str(found)
    assert max(map(len, text.splitlines())) <= 80
    for column in COLUMNS.values():
        assert column.title in text or column.name == "time_ms"
    for whole in ("118,013,952", "1x3x224x224", "236,027,904", "3.1 MiB", "435"):
        assert whole in text
    assert found._repr_html_().count("<table>") == 1


def test_names_in_lines_of_a_chosen_width() -> None:
    network = nn.Sequential(nn.Sequential())
    network[0].add_module("a_module_with_a_long_name", nn.Conv2d(1, 1, 1))
    text = str(summary(network, (1, 4, 4), col_width=10, verbose=0))
    assert " 0.a_module" in text
    assert "a_long_name" not in text


def test_other_formats() -> None:
    names = ("output_size", "num_params", "params_percent", "receptive_field", "advice")
    found = summary(Net(), (3, 8, 8), col_names=names, verbose=0)
    lines = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert [line["layer"] for line in lines] == [row.name for row in found.rows]
    assert (lines[0]["num_params"], lines[0]["output_size"]) == ("224", "1x8x8x8")
    assert float(lines[0]["params_percent"]) == pytest.approx(100 * 224 / found.parameters)
    assert lines[0]["advice"] == found.rows[0].advice[0]
    markdown = found.to_markdown().splitlines()
    assert markdown[2:4] == [
        "| layer | kind | output | parameters | share | field | advice |",
        "| :-- | :-- | :-- | --: | --: | --: | :-- |",
    ]
    assert len({line.count("|") for line in markdown if line.startswith("|")}) == 1
    latex = found.to_latex()
    assert r"\begin{tabular}{lllrrrl}" in latex
    assert r"10.43\%" in latex
    assert latex.count(r"\\") == 1 + len(found.rows)


def test_torchinfo_s_other_arguments() -> None:
    found = summary(nn.Conv2d(3, 4, 3), (3, 8, 8), batch_dim=0, cache_forward_pass=True, verbose=0)
    assert found.rows[0].input_shape == (1, 3, 8, 8)
    linear = summary(nn.Linear(3, 4), (5, 3), batch_dim=0, verbose=0)
    assert linear.rows[0].input_shape == (1, 5, 3)
    for options, message in (
        ({"batch_dim": 5}, "`batch_dim` is outside"),
        ({"row_settings": ["names"]}, "unknown word in row_settings"),
        ({"col_width": 2}, "`col_width` is too small"),
    ):
        with pytest.raises(ArgumentError, match=message):
            summary(nn.Conv2d(3, 4, 3), (3, 8, 8), verbose=0, **options)
