"""The command `convitro explore`."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from convitro.cli.images import DATA, chosen_data
from convitro.cli.manners import progress
from convitro.cli.network import open_model, open_run
from convitro.cli.options import ARCH, CLASSES, IMAGE, INPUT, MEAN, MODEL, STD

IMAGES_SEEN = 300  # of a data set, when strongest patches and faults are looked for
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
    model: MODEL = None,
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
    """Open a network in the browser: each filter, map and number.

    \b
    Examples:
      convitro explore
      convitro explore my_networks:small_net --input 3x32x32 --image cat.jpg
      convitro explore weights.safetensors --arch my_networks:small_net
      convitro explore --run runs/first
    """
    with progress("Opening the network ..."):
        from convitro.explorer import serve

        followed = None
        if run is None:
            network = open_model(model, arch, input, classes, mean, std)
        else:
            own = {"--input": input, "--classes": classes, "--mean": mean.strip("0"), "--std": std.strip("1")}
            network, followed = open_run(run, model, arch, own)
            image = image or (str(followed.example) if followed.example else None)
        seen = None if data is None else chosen_data(network, data, IMAGES_SEEN)[0]
    serve(network, image, data=seen, run=followed, host=host, port=port, browse=browse)
