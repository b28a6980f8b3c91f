"""The command `convitro summary`: columns, trees, times and formats for people, spreadsheets and papers."""

from __future__ import annotations

import csv
import io
import json
from functools import partial

import pytest

from tests.command_line import invoke

summary = partial(invoke, "summary")


def test_chosen_columns_and_depth() -> None:
    code, out, err = summary("--columns", "receptive_field, field_stride,advice", "--depth", "1")
    assert (code, err) == (0, "")
    head = out.splitlines()[1].split()
    assert head == ["layer", "kind", "field", "stride"]
    assert "more than the image (32x32)" in out


def test_all_columns_fit_80_characters() -> None:
    code, out, _ = summary("--columns", "all")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert " ms" not in out  # only what costs no time


def test_times_are_measured_when_asked_for() -> None:
    code, out, _ = summary("--time", "--columns", "num_params")
    assert code == 0
    assert out.splitlines()[1].split() == ["layer", "kind", "parameters", "ms"]
    assert "medians of 5 runs" in out


def test_a_tree() -> None:
    code, out, _ = summary("--tree")
    assert code == 0
    assert "├─ Conv2d (conv1_1): 1-1" in out


@pytest.mark.parametrize("arguments", [["--json"], ["--format", "json"]])
def test_json(arguments: list[str]) -> None:
    code, out, _ = summary(*arguments)
    layers = json.loads(out)["layers"]
    assert code == 0
    assert layers[0]["receptive_field"]["size"] == [3, 3]
    assert layers[0]["output_bytes"] == 4 * 32 * 32 * 32


def test_csv_markdown_and_latex() -> None:
    _, table, _ = summary("--format", "csv", "--columns", "mult_adds,memory")
    rows = list(csv.DictReader(io.StringIO(table)))
    assert rows[0] == {"layer": "conv1_1", "kind": "Conv2d", "mult_adds": "884736", "memory": "131072"}
    assert "| conv1_1 | Conv2d |" in summary("--format", "markdown")[1]
    assert r"conv1\_1 & Conv2d &" in summary("--format", "latex")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--columns", "size"], "unknown column"),
        (["--depth", "0"], "`depth` is too small"),
        (["--format", "xml"], "Invalid value for '--format'"),
    ],
)
def test_wrong_input_ends_with_code_2(arguments: list[str], message: str) -> None:
    code, out, err = summary(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err
