"""The command `convitro summary`."""

from __future__ import annotations

import json
from enum import Enum
from typing import TYPE_CHECKING, Annotated

from typer import Option

from convitro.cli.manners import progress
from convitro.cli.network import open_model
from convitro.cli.options import ARCH, INPUT, JSON, MODEL

if TYPE_CHECKING:
    from convitro.anatomy import Summary

USUAL = "output_size,num_params,mult_adds"


class Format(str, Enum):
    """What a summary is printed as."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"
    LATEX = "latex"


COLUMNS = Annotated[
    str,
    Option(
        metavar="NAMES",
        help="Columns between commas, or all: input_size, output_size, kernel_size, groups, num_params, "
        "params_percent, mult_adds, flops, memory, receptive_field, field_stride, field_start, time_ms, "
        "trainable, advice.",
    ),
]
DEPTH = Annotated[int, Option(metavar="N", help="Modules nested deeper are summed up.")]
TREE = Annotated[bool, Option("--tree", help="Show the modules as a tree.")]
TIME = Annotated[bool, Option("--time", help="Measure the time of each layer: the column time_ms.")]
FORMAT = Annotated[Format, Option(help="What to print.")]


def summary(
    model: MODEL = None,
    arch: ARCH = None,
    input: INPUT = None,
    columns: COLUMNS = USUAL,
    depth: DEPTH = 3,
    tree: TREE = False,
    time: TIME = False,
    format: FORMAT = Format.TABLE,
    as_json: JSON = False,
) -> None:
    """Print the layers of a network: shapes, parameters, MACs, fields, advice.

    \b
    Examples:
      convitro summary
      convitro summary my_networks:small_net --input 3x32x32 --json
      convitro summary --columns output_size,receptive_field,advice --time
      convitro summary --columns all --format csv > layers.csv
    """
    with progress("Running the network once ..."):
        from convitro.anatomy import summary as summarize

        network = open_model(model, arch, input)
        found = summarize(
            network.model,
            (1, *network.input_size),
            col_names=column_names(columns, time=time),
            depth=depth,
            row_settings=("depth", "var_names") if tree else (),
            verbose=0,
        )
    print(text_of(found, Format.JSON if as_json else format))


def column_names(text: str, *, time: bool) -> list[str]:
    """The names of columns between commas; "all" for every one that costs no time."""
    from convitro.anatomy.costs.columns import COLUMNS as KNOWN

    names = [name.strip() for name in text.split(",") if name.strip()]
    if names == ["all"]:
        names = [name for name in KNOWN if name != "time_ms"]
    if time and "time_ms" not in names:
        names.insert(len(names) - (names[-1:] == ["advice"]), "time_ms")
    return names


def text_of(found: Summary, format: Format) -> str:
    """A summary as it is printed."""
    if format is Format.JSON:
        return json.dumps(found.to_dict(), indent=2)
    if format is Format.TABLE:
        return str(found)
    return {Format.CSV: found.to_csv, Format.MARKDOWN: found.to_markdown, Format.LATEX: found.to_latex}[
        format
    ]().rstrip("\n")
