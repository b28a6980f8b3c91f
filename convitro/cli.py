"""The command line, `convitro explore`, `summary` and `bench`: it reads arguments and calls the library.

Results go to stdout, progress and errors to stderr. Wrong input ends with exit code 2 and one message.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from typer import Argument, Option

from convitro.bench.command import bench
from convitro.errors import ArgumentError, ConvitroError

if TYPE_CHECKING:
    from convitro.sources import Network

EMBEDDED = "convitro.models:small_vgg"


MODEL = Annotated[
    str | None,
    Argument(
        metavar="MODEL",
        help='"module:callable", or a file of weights with --arch. Default: the embedded network.',
    ),
]
ARCH = Annotated[
    str | None, Option(metavar="MODULE:CALLABLE", help="What builds the network of a file of weights.")
]
INPUT = Annotated[str | None, Option("--input", metavar="CxHxW", help="Input size, such as 3x32x32.")]
IMAGE = Annotated[
    str | None, Option(metavar="FILE", help="A picture, or a bundled one's name. Default: cat.")
]
CLASSES = Annotated[str | None, Option(metavar="FILE", help="Names of the classes, one per line.")]
MEAN = Annotated[
    str,
    Option(
        metavar="NUMBERS", help="Subtracted from values 0..1; one number or one per channel: 0.5,0.5,0.5."
    ),
]
STD = Annotated[str, Option(metavar="NUMBERS", help="What then divides them.")]
HOST = Annotated[str, Option(metavar="HOST", help="Interface to listen on.")]
PORT = Annotated[int, Option(metavar="PORT", min=0, max=65535, help="Port to listen on; 0 takes a free one.")]
BROWSE = Annotated[
    bool, Option("--browse/--no-browse", help="Open a browser where there is one.", show_default=False)
]
JSON = Annotated[bool, Option("--json", help="Print JSON instead of a table.")]

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


@app.command()
def explore(
    model: MODEL = None,
    image: IMAGE = None,
    arch: ARCH = None,
    input: INPUT = None,
    classes: CLASSES = None,
    mean: MEAN = "0",
    std: STD = "1",
    host: HOST = "127.0.0.1",
    port: PORT = 0,
    browse: BROWSE = True,
) -> None:
    """Open a network in the browser: each filter, map and number.

    \b
    Examples:
      convitro explore
      convitro explore my_networks:small_net --input 3x32x32 --image cat.jpg
      convitro explore weights.safetensors --arch my_networks:small_net
    """
    with plain_errors():
        with progress("Opening the network ..."):
            from convitro.explorer import serve

            network = open_model(model, arch, input, classes, mean, std)
        serve(network, image, host=host, port=port, browse=browse)


@app.command()
def summary(
    model: MODEL = None,
    arch: ARCH = None,
    input: INPUT = None,
    as_json: JSON = False,
) -> None:
    """Print a network's layers with output shapes, parameters and MACs.

    \b
    Examples:
      convitro summary
      convitro summary my_networks:small_net --input 3x32x32 --json
    """
    with plain_errors():
        with progress("Running the network once ..."):
            from convitro.anatomy import summary as summarize

            network = open_model(model, arch, input)
            table = summarize(network.model, (1, *network.input_size), verbose=0)
        print(json.dumps(table.to_dict(), indent=2) if as_json else table)


def open_model(
    model: str | None,
    arch: str | None,
    input: str | None,
    classes: str | None = None,
    mean: str = "0",
    std: str = "1",
) -> Network:
    """The network that the arguments ask for; the embedded one where they name none."""
    from convitro.models import CLASSES, INPUT_SIZE
    from convitro.sources import open_network, parse_input_size, read_classes

    size = parse_input_size(input) if input else None
    names = read_classes(classes) if classes else ()
    if model is None:
        size, names = size or INPUT_SIZE, names or CLASSES
    return open_network(
        EMBEDDED if model is None else model,
        arch,
        input_size=size,
        classes=names,
        mean=parse_numbers("--mean", mean),
        std=parse_numbers("--std", std),
    )


def parse_numbers(option: str, text: str) -> tuple[float, ...]:
    """ "0.5,0.5,0.5" as numbers; an ArgumentError that names `option` for anything else."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ArgumentError(
            f'{option}: "{text}" are no numbers.',
            expected="numbers between commas, such as 0.485,0.456,0.406",
        ) from None


@contextmanager
def plain_errors() -> Iterator[None]:
    """What Convitro refuses becomes one message on stderr and exit code 2; Ctrl-C ends without a word."""
    try:
        yield
    except ConvitroError as error:
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@contextmanager
def progress(doing: str) -> Iterator[None]:
    """Say what takes its time, on stderr, and only where somebody looks."""
    console = Console(stderr=True)
    if console.is_terminal:
        with console.status(doing):
            yield
    else:
        yield


app.command()(plain_errors()(bench))
