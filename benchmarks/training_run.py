"""A whole training of the embedded network, ours against the same code with torch's own layers.

    python benchmarks/training_run.py CIFAR10_FOLDER [--output run.json] [--page docs/training.md]
    python benchmarks/training_run.py --report run.json --page docs/training.md

Both see the same pictures in the same order from the same first weights, and take turns. Kernels are built
before the clock runs, and the machine should have nothing else to do. Written: seconds of every epoch, their
ratio, the curves and both accuracies, with the machine; with `--page`, a section of that page.
"""

from __future__ import annotations

import argparse
import copy
import json
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn

from convitro.bench.machine import machine
from convitro.datasets import Dataset, open_dataset
from convitro.lab import Machine, Recipe, Training, train
from convitro.models import small_vgg
from convitro.nn import Conv2d

OURS, THEIRS = "convitro", "torch"
PROMISE = 2.0
BEGIN, END = "<!-- figures: written by benchmarks/training_run.py -->", "<!-- end of figures -->"
RESULTS = "benchmarks/results/training-run.json"


class TorchConv2d(nn.Conv2d):
    """torch's layer, which the lab leaves as it is because it is a class of its own."""


class TorchSequential(nn.Sequential):
    """torch's container, which the lab does not fuse for the same reason."""


def with_torch_layers(model: nn.Sequential) -> nn.Sequential:
    """A copy that the lab trains as torch computes it."""
    model = copy.deepcopy(model)
    model.__class__ = TorchSequential
    for layer in model:
        if type(layer) is nn.Conv2d:
            layer.__class__ = TorchConv2d
    return model


def compare(train_set: Dataset, test_set: Dataset, recipe: Recipe, rounds: int) -> dict[str, Any]:
    """Train both, in turns; what each took and reached."""
    torch.manual_seed(recipe.seed)
    plan = small_vgg(pretrained=False)
    models = {OURS: plan, THEIRS: with_torch_layers(plan)}
    for model in models.values():  # kernels are built
        train(model, (train_set.sample(4 * recipe.batch_size), test_set), recipe.but(epochs=1))
    runs: dict[str, list[Training]] = {name: [] for name in models}
    for number in range(rounds):
        for name in sorted(models, reverse=bool(number % 2)):
            run = train(models[name], (train_set, test_set), recipe, machine=Machine("cpu"))
            layers = {
                isinstance(layer, Conv2d) for layer in run.model.modules() if isinstance(layer, nn.Conv2d)
            }
            assert layers == {name == OURS}, "each is trained with its own layers"
            runs[name].append(run)
    seconds = {name: [epoch.seconds for run in there for epoch in run.epochs] for name, there in runs.items()}
    return {
        "machine": machine(),
        "threads": torch.get_num_threads(),
        "data": train_set.name,
        "images": len(train_set),
        "recipe": recipe.to_dict(),
        "rounds": rounds,
        "epoch_s": seconds,
        "epoch_s_median": {name: median(values) for name, values in seconds.items()},
        "ratio": median(seconds[THEIRS]) / median(seconds[OURS]),
        "loss": {name: there[0].curve("loss").tolist() for name, there in runs.items()},
        "test_accuracy": {name: there[0].test_accuracy for name, there in runs.items()},
    }


def section(result: dict[str, Any]) -> str:
    """The result as Markdown."""
    recipe, seconds = result["recipe"], result["epoch_s_median"]
    count, versions = len(result["epoch_s"][OURS]), result["machine"]["versions"]
    rows = (
        (f"an epoch, median of {count}", *(f"{seconds[name]:.1f} s" for name in (OURS, THEIRS))),
        *(
            (
                f"training loss, epoch {epoch}",
                *(f"{result['loss'][name][epoch - 1]:.3f}" for name in (OURS, THEIRS)),
            )
            for epoch in sorted({1, recipe["epochs"]})
        ),
        ("test accuracy", *(f"{result['test_accuracy'][name]:.1%}" for name in (OURS, THEIRS))),
    )
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    kept = "kept" if result["ratio"] >= PROMISE else "missed"
    where = f"{result['machine']['processor']}, {result['machine']['isa']}"
    return f"""## How much faster

The embedded network, trained with the layers that `train` puts in, and the same code with `torch.nn.Conv2d`,
ReLU and max-pool as they are: {result["images"]:,} pictures of {result["data"]}, {recipe["epochs"]} epochs,
batches of {recipe["batch_size"]}, the same first weights, order and changes of the pictures, both in the
layout that suits torch as well (channels_last).

| | {OURS} | {THEIRS} |
|---|--:|--:|
{table}

That is **{result["ratio"]:.2f}x** as fast; the promise of {PROMISE:g}x is {kept}. The curves are the same up
to roundings, which grow from step to step. Measured in turns, {result["threads"]} threads each, on
{where}, PyTorch {versions["torch"]}; all numbers are in
`{RESULTS}`. On a machine of your own, from a checkout:

```
python benchmarks/training_run.py cifar10/
```
"""


def write(result: dict[str, Any], page: Path) -> None:
    """Put the section between the page's marks."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise SystemExit(f"{page} has no lines {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n{section(result)}{END}{after}", encoding="utf-8")


def measured(arguments: argparse.Namespace) -> dict[str, Any]:
    """The two trainings that the arguments ask for."""
    recipe = Recipe(epochs=arguments.epochs, batch_size=128, mirror=True, shift=4, calibrate=True)
    pictures = open_dataset(arguments.folder, split="train").sample(arguments.images)
    return compare(pictures, open_dataset(arguments.folder, split="test"), recipe, arguments.rounds)


def main() -> None:
    """Read the arguments, measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", help="folder with CIFAR-10's files")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=2, help="how often each is trained")
    parser.add_argument("--output", type=Path, help="where the JSON goes; printed if left out")
    parser.add_argument("--report", type=Path, help="measure nothing: the JSON of an earlier run")
    parser.add_argument("--page", type=Path, help="the page that gets the section")
    arguments = parser.parse_args()
    if (arguments.folder is None) == (arguments.report is None):
        parser.error("either a folder to measure with, or --report")
    if arguments.report:
        result = json.loads(arguments.report.read_text(encoding="utf-8"))
    else:
        result = measured(arguments)
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if arguments.page:
        write(result, arguments.page)
    print(section(result) if arguments.output or arguments.page else json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
