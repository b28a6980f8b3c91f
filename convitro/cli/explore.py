"""The command `convitro explore`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from typer import Option

from convitro.cli.images import DATA, chosen_data
from convitro.cli.manners import progress
from convitro.cli.network import open_model, open_run
from convitro.cli.options import ARCH, CLASSES, IMAGE, INPUT, MEAN, MODELS, STD
from convitro.errors import ArgumentError

IMAGES_SEEN = 300  # of a data set, when strongest patches and faults are looked for
WEIGHTS = (".safetensors", ".pt", ".pth", ".ckpt", ".bin")  # what holds no architecture
RUN = Annotated[
    str | None,
    Option(
        "--run",
        metavar="FOLDER",
        help="Follow the training that `convitro train -o FOLDER` keeps there, while it goes on or later.",
    ),
]
HOST = Annotated[str, Option(metavar="HOST", help="Interface to listen on.")]
PORT = Annotated[int, Option(metavar="PORT", min=0, max=65535, help="Port to listen on; 0 takes a free one.")]
BROWSE = Annotated[
    bool, Option("--browse/--no-browse", help="Open a browser where there is one.", show_default=False)
]


def explore(
    models: MODELS = None,
    image: IMAGE = None,
    data: DATA = None,
    run: RUN = None,
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
      convitro explore --run runs/first
    """
    with progress("Opening the network ..."):
        from convitro.explorer import serve

        asked: list[str | None] = [*models] if models else [None]
        followed = None
        if run is None:
            networks = [
                open_model(each, arch if is_weights(each, asked) else None, input, classes, mean, std)
                for each in asked
            ]
        else:
            own = {"--input": input, "--classes": classes, "--mean": mean.strip("0"), "--std": std.strip("1")}
            network, followed = open_run(run, only(asked), arch, own)
            networks = [network]
        seen = [None if data is None else chosen_data(each, data, IMAGES_SEEN)[0] for each in networks]
    serve(networks, image, data=seen, run=followed, host=host, port=port, browse=browse)


def only(asked: Sequence[str | None]) -> str | None:
    """What was trained, where the folder of a training does not know; an ArgumentError for several."""
    if len(asked) > 1:
        raise ArgumentError(
            "explore: several models beside --run.",
            expected="one at most: that which was trained, where its folder does not know it",
            received=", ".join(map(str, asked)),
        )
    return asked[0]


def is_weights(model: str | None, asked: Sequence[str | None]) -> bool:
    """Whether --arch is meant for this one of several; a single one it always is, so that it is refused."""
    return len(asked) == 1 or Path(model or "").suffix.lower() in WEIGHTS
