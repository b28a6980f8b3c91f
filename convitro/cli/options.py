"""Arguments that several commands share, with their words in `--help`."""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

MODEL = Annotated[
    str | None,
    Argument(
        metavar="MODEL",
        help='"module:callable", an .onnx, .pt2, .keras or .h5 file, or weights with --arch. Default: the '
        "embedded network.",
    ),
]
MODELS = Annotated[
    list[str] | None,
    Argument(
        metavar="[MODEL]...",
        help='"module:callable", .onnx, .pt2, .keras or .h5 files, or weights with --arch; the page switches '
        "between several. Default: the embedded network.",
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
JSON = Annotated[bool, Option("--json", help="Print JSON instead of a table.")]
