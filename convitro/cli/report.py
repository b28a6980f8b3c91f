"""The command `convitro report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from convitro.cli.images import DATA, HELD_OUT, IMAGES, chosen_data, part_held_out
from convitro.cli.manners import progress
from convitro.cli.network import open_model
from convitro.cli.options import ARCH, CLASSES, INPUT, MEAN, MODEL, STD

if TYPE_CHECKING:
    from torch import Tensor

    from convitro.datasets import Dataset
    from convitro.sources import Network

PICTURES, LARGE = 3, 96 * 96  # pictures on the page, one of a network that sees more pixels than that

OUTPUT = Annotated[Path, Option("--output", "-o", metavar="FILE", help="Where to write it.")]
IMAGE = Annotated[
    list[str] | None,
    Option(
        metavar="FILE",
        help="A picture to open, or a bundled one's name; may be repeated. Default: some of the data.",
    ),
]
SIZE = Annotated[float, Option("--max-size", metavar="MB", min=1, help="How large the file may become.")]


def report(
    model: MODEL = None,
    data: DATA = None,
    output: OUTPUT = Path("report.html"),
    image: IMAGE = None,
    held_out: HELD_OUT = None,
    arch: ARCH = None,
    input: INPUT = None,
    classes: CLASSES = None,
    mean: MEAN = "0",
    std: STD = "1",
    images: IMAGES = 300,
    max_size: SIZE = 20.0,
) -> None:
    """Write one HTML file: every map, what filters look for, the health.

    It opens from disk, asks nobody for anything, and holds all its data.

    \b
    Examples:
      convitro report
      convitro report model.onnx --data pictures/ -o report.html
      convitro report weights.pt --arch my_networks:net --image cat --image me.jpg
    """
    with progress("Opening the network and the images ..."):
        from convitro.report import Counted, Runs, full_report
        from convitro.report.study import study

        network = open_model(model, arch, input, classes, mean, std)
        seen, _ = chosen_data(network, data, images)
        other = None if held_out is None else part_held_out(held_out, network, images)
        pictures = opened(network, image) if image else some_of(network, seen)
        counted = Counted.of(network)
    sections = study(network, seen, other, counted)
    with progress("Writing the report ..."):
        runs = Runs.of(network, pictures, counted)
        found = full_report(network, pictures, sections, max_bytes=int(max_size * 1e6), runs=runs)
        path = found.save(output)
    print(f"{path}: {found.size_bytes / 1e6:.1f} MB, open it in a browser")


def opened(network: Network, sources: list[str]) -> list[tuple[str, Tensor]]:
    """One's own pictures as the network sees them, before anything is subtracted."""
    from convitro.pictures import load_picture, to_input

    return [(Path(source).name, to_input(load_picture(source), network.input_size)) for source in sources]


def some_of(network: Network, seen: Dataset) -> list[tuple[str, Tensor]]:
    """The first pictures of the data, of different classes where these are known."""
    wanted = 1 if network.input_size[-1] * network.input_size[-2] > LARGE else PICTURES
    labels = seen.labels.tolist()
    first = list({label: index for index, label in reversed(list(enumerate(labels)))}.values())
    order = [*sorted(first), *(index for index in range(len(seen)) if index not in first)]
    return [(name_of(seen, index), seen[index][0][None]) for index in order[:wanted]]


def name_of(seen: Dataset, index: int) -> str:
    """A class's name, and which image it is."""
    label = int(seen.labels[index])
    return f"{seen.classes[label]}, image {index}" if 0 <= label < len(seen.classes) else f"image {index}"
