"""The command line, `convitro explore`, `summary`, `bench` …: it reads arguments and calls the library.

Results go to stdout, progress and errors to stderr. Wrong input ends with exit code 2 and one message. Each
command has a file of its own.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer
from typer import Option

from convitro.bench.command import bench
from convitro.cli.compare import compare
from convitro.cli.diagnose import diagnose
from convitro.cli.explore import explore
from convitro.cli.manners import plain_errors
from convitro.cli.report import report
from convitro.cli.summary import summary
from convitro.cli.train import train

COMMANDS = (explore, summary, diagnose, report, train, compare, bench)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line; the entry point of the command `convitro`."""
    app(prog_name="convitro")


def print_version(wanted: bool) -> None:
    """Print the version and stop, where it is wanted."""
    if wanted:
        print(f"convitro {version('convitro')}")
        raise typer.Exit


@app.callback()
def convitro(
    version: Annotated[
        bool,
        Option("--version", callback=print_version, is_eager=True, help="Print the version and stop."),
    ] = False,
) -> None:
    """Convolution layers you can see through: every map, every number."""


for command in COMMANDS:
    app.command()(plain_errors()(command))
