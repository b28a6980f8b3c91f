"""The command `convitro explore`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from typer import Option

from convitro.cli.images import DATA, chosen_data
from convitro.cli.manners import progress
from convitro.cli.network import open_model
from convitro.cli.options import ARCH, CLASSES, IMAGE, INPUT, MEAN, MODELS, STD

IMAGES_SEEN = 300  # of a data set, when strongest patches and faults are looked for
WEIGHTS = (".safetensors", ".pt", ".pth", ".ckpt", ".bin")  # what holds no architecture
HOST = Annotated[str, Option(metavar="HOST", help="Interface to listen on.")]
PORT = Annotated[int, Option(metavar="PORT", min=0, max=65535, help="Port to listen on; 0 takes a free one.")]
BROWSE = Annotated[
    bool, Option("--browse/--no-browse", help="Open a browser where there is one.", show_default=False)
]


def explore(
    models: MODELS = None,
    image: IMAGE = None,
    data: DATA = None,
    arch: ARCH = None,
    input: INPUT = None,
    classes: CLASSES = None,
    mean: MEAN = "0",
    std: STD = "1",
    host: HOST = "127.0.0.1",
    port: PORT = 0,
    browse: BROWSE = True,
) -> None:
    """Open networks in the browser: each filter, map and number.

    The options hold for every MODEL; --arch for those that are files of weights.

    \b
    Examples:
      convitro explore
      convitro explore my_networks:small_net --input 3x32x32 --image cat.jpg
      convitro explore weights.safetensors --arch my_networks:small_net
      convitro explore before.onnx after.onnx
    """
    with progress("Opening the network ..."):
        from convitro.explorer import serve

        asked: list[str | None] = [*models] if models else [None]
        networks = [
            open_model(each, arch if is_weights(each, asked) else None, input, classes, mean, std)
            for each in asked
        ]
        seen = [None if data is None else chosen_data(each, data, IMAGES_SEEN)[0] for each in networks]
    serve(networks, image, data=seen, host=host, port=port, browse=browse)


def is_weights(model: str | None, asked: Sequence[str | None]) -> bool:
    """Whether --arch is meant for this one of several; a single one it always is, so that it is refused."""
    return len(asked) == 1 or Path(model or "").suffix.lower() in WEIGHTS
