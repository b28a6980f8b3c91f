"""The command `convitro train`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from convitro.cli.manners import progress
from convitro.cli.options import ARCH, INPUT, JSON
from convitro.errors import ArgumentError

if TYPE_CHECKING:
    from convitro.lab import Training

MODEL = Annotated[
    str | None,
    Argument(
        metavar="MODEL",
        help='"module:callable", or a file of weights with --arch. Default: the plan of the embedded '
        "network, made to fit the data.",
    ),
]
DATA = Annotated[
    str,
    Option(
        metavar="SOURCE",
        help="A folder of CIFAR-10, MNIST, Fashion-MNIST or pictures by class, an .npz or .safetensors file, "
        "or digits.",
    ),
]
IMAGES = Annotated[
    int | None, Option("--images", metavar="COUNT", min=1, help="Images to train on, at most. Default: all.")
]
AGGREGATION = Annotated[
    str | None,
    Option(metavar="NAME", help='Of every convolution, such as max or "logsumexp(beta=5.0)".'),
]
CALIBRATE = Annotated[
    bool | None,
    Option(
        "--calibrate/--no-calibrate",
        help="First weights that fit the aggregation. Default: only for the default network.",
        show_default=False,
    ),
]
EPOCHS = Annotated[int, Option(metavar="COUNT", help="How often each image is seen.")]
BATCH = Annotated[int, Option(metavar="COUNT", help="Images per step, of all processes together.")]
OPTIMIZER = Annotated[str, Option(metavar="NAME", help="sgd or adamw.")]
RATE = Annotated[
    float | None, Option(metavar="NUMBER", help="Largest learning rate. Default: 0.05, adamw 0.002.")
]
MOMENTUM = Annotated[float, Option(metavar="NUMBER", help="Of sgd.")]
NESTEROV = Annotated[bool, Option("--nesterov", help="Nesterov's momentum.")]
DECAY = Annotated[float, Option(metavar="NUMBER", help="Weight decay.")]
SCHEDULE = Annotated[str, Option(metavar="NAME", help="cosine, step (a tenth every 10 epochs) or constant.")]
WARMUP = Annotated[float, Option(metavar="EPOCHS", help="While the rate rises from 0.")]
SMOOTHING = Annotated[float, Option(metavar="SHARE", help="Of the target, spread over all classes.")]
MIRROR = Annotated[bool, Option("--mirror", help="Flip half of the images left to right.")]
SHIFT = Annotated[int, Option(metavar="PIXELS", help="Move each image by up to so many.")]
ERASE = Annotated[int, Option(metavar="PIXELS", help="Side of a grey square in each image.")]
PRECISION = Annotated[str, Option(metavar="BITS", help="32, bf16 or 16 (mixed), or 64.")]
VALIDATION = Annotated[float, Option(metavar="SHARE", help="Held out of the training images.")]
TEST = Annotated[float, Option(metavar="SHARE", help="For the test, of data without a test part.")]
PATIENCE = Annotated[
    int | None, Option(metavar="EPOCHS", help="Stop after so many without improvement; keep the best.")
]
SEED = Annotated[int, Option(metavar="NUMBER", help="Of weights, order and augmentation.")]
OUTPUT = Annotated[
    Path | None, Option("-o", "--output", metavar="FOLDER", help="Where to keep it. Default: nowhere.")
]
RESUME = Annotated[bool, Option("--resume", help="Go on with the training in that folder.")]
EVERY = Annotated[int, Option(metavar="STEPS", help="Checkpoints inside an epoch; 0: after each epoch only.")]
TENSORBOARD = Annotated[bool, Option("--tensorboard", help="Write the numbers for TensorBoard, too.")]
ACCELERATOR = Annotated[str, Option(metavar="NAME", help="auto, cpu or cuda.")]
DEVICES = Annotated[str, Option(metavar="COUNT", help="Per machine, one process each; or auto for all.")]
NODES = Annotated[int, Option(metavar="COUNT", help="Machines; under torchrun its own numbers count.")]
WORKERS = Annotated[int, Option(metavar="COUNT", help="Processes that read image files ahead.")]


def train(
    model: MODEL = None,
    data: DATA = "digits",
    aggregation: AGGREGATION = None,
    calibrate: CALIBRATE = None,
    arch: ARCH = None,
    input: INPUT = None,
    images: IMAGES = None,
    epochs: EPOCHS = 20,
    batch_size: BATCH = 64,
    optimizer: OPTIMIZER = "sgd",
    learning_rate: RATE = None,
    momentum: MOMENTUM = 0.9,
    nesterov: NESTEROV = False,
    weight_decay: DECAY = 5e-4,
    schedule: SCHEDULE = "cosine",
    warmup: WARMUP = 0.0,
    label_smoothing: SMOOTHING = 0.0,
    mirror: MIRROR = False,
    shift: SHIFT = 0,
    erase: ERASE = 0,
    precision: PRECISION = "32",
    validation: VALIDATION = 0.1,
    test: TEST = 0.2,
    patience: PATIENCE = None,
    seed: SEED = 0,
    output: OUTPUT = None,
    resume: RESUME = False,
    checkpoint_every: EVERY = 0,
    tensorboard: TENSORBOARD = False,
    accelerator: ACCELERATOR = "auto",
    devices: DEVICES = "1",
    nodes: NODES = 1,
    workers: WORKERS = 0,
    as_json: JSON = False,
) -> None:
    """Train a network on pictures, under any aggregation.

    The same command goes on after a crash with --resume, and runs on several devices or machines:
    with --devices, or started by torchrun.

    \b
    Examples:
      convitro train
      convitro train --data cifar10/ --mirror --shift 4 -o runs/sum
      convitro train my_networks:small_net --data mnist/ --aggregation max
      torchrun --nproc-per-node 2 -m convitro train --data cifar10/
    """
    given = locals()
    with progress("Opening the network and the data ..."):
        from convitro.lab import Machine, Recipe, RunFolder
        from convitro.lab.machine import is_first_process

        folder = None
        if output is not None:
            folder = RunFolder(output, resume, checkpoint_every, tensorboard=tensorboard)
        elif resume or checkpoint_every or tensorboard:
            raise ArgumentError(
                "train: nowhere to write.",
                expected="-o FOLDER beside --resume, --checkpoint-every, --tensorboard",
            )
        names = set(Recipe.__dataclass_fields__)
        recipe = Recipe(**{name: value for name, value in given.items() if name in names})
        machine = Machine(accelerator, parse_count("--devices", devices), nodes, workers)
    result = trained(model, arch, (data, input, images), recipe, folder=folder, machine=machine)
    if is_first_process():
        print(json.dumps(result.to_dict(), indent=2) if as_json else result)
        if not as_json:
            print(f"Written to {output}." if output else "Nothing was written: -o FOLDER keeps it.")


def trained(
    model: str | None, arch: str | None, data: tuple[str, str | None, int | None], recipe: Any, **where: Any
) -> Training:
    """The training of what the arguments name."""
    from convitro.lab import train as run
    from convitro.lab.data import open_parts
    from convitro.sources import load, parse_input_size

    source, size, images = data
    pictures, test = open_parts(source, parse_input_size(size) if size else None)
    if images is not None:
        pictures = pictures.sample(images)
    network: Any = load(model, arch) if model is not None and arch is not None else model
    return run(network, (pictures, test), recipe, **where)


def parse_count(option: str, text: str) -> int | str:
    """ "2" or "auto"; an ArgumentError that names `option` for anything else.

    Example:
        >>> parse_count("--devices", "2"), parse_count("--devices", "auto")
        (2, 'auto')
    """
    if text == "auto" or text.isdecimal():
        return text if text == "auto" else int(text)
    raise ArgumentError(f"{option}: not a number.", expected='a whole number, or "auto"', received=text)
