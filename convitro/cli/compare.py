"""The command `convitro compare`."""

from __future__ import annotations

import importlib.util
import json
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Argument, Option

from convitro.cli.manners import progress
from convitro.cli.options import INPUT, JSON
from convitro.cli.train import (
    BATCH,
    DATA,
    DECAY,
    ERASE,
    IMAGES,
    MIRROR,
    MOMENTUM,
    NESTEROV,
    OPTIMIZER,
    PRECISION,
    SCHEDULE,
    SHIFT,
    SMOOTHING,
    TEST,
    VALIDATION,
    WARMUP,
)
from convitro.errors import ArgumentError
from convitro.plots.display import MISSING

MODEL = Annotated[
    str | None,
    Argument(
        metavar="MODEL",
        help='"module:callable". Default: the embedded network\'s plan, made to fit the data.',
    ),
]
ARMS = Annotated[
    str,
    Option(
        "--aggregations",
        "--arms",
        metavar="NAMES",
        help='With commas: aggregations (max, "logsumexp(beta=5.0)"), presets (adder), or '
        "combine:window:aggregation (add:max:sum). The sum is always among them.",
    ),
]
REGIMES = Annotated[
    str,
    Option(
        metavar="NAMES",
        help="Of drop-in (the usual first weights), calibrated (scaled to fit), batchnorm (one behind "
        "each convolution).",
    ),
]
RATES = Annotated[str, Option(metavar="NUMBERS", help="Learning rates where each arm's search begins.")]
EXTENSIONS = Annotated[
    int,
    Option(
        metavar="COUNT",
        help="How often a search may widen its grid: at the edge where the best rate lies, or at both ends "
        "where none trains.",
    ),
]
SEARCH = Annotated[
    int, Option("--search-seeds", metavar="COUNT", min=1, help="Trainings for each rate of a search.")
]
SEEDS = Annotated[int, Option(metavar="COUNT", help="Paired trainings of each arm that are compared.")]
EPOCHS = Annotated[int, Option(metavar="COUNT", help="How often each image is seen.")]
OUTPUT = Annotated[
    Path | None,
    Option("-o", "--output", metavar="FOLDER", help="Where every training is kept. Default: nowhere."),
]
PROCESSES = Annotated[
    int | None,
    Option("--workers", metavar="COUNT", help="Processes, one thread each. Default: one for each core."),
]
PLAN = Annotated[bool, Option("--plan", help="Only say how many trainings it would be, and how long.")]


def compare(
    model: MODEL = None,
    data: DATA = "digits",
    aggregations: ARMS = "sum,mean,max",
    regimes: REGIMES = "drop-in,calibrated,batchnorm",
    rates: RATES = "0.005,0.016,0.05,0.16,0.5",
    extensions: EXTENSIONS = 3,
    search_seeds: SEARCH = 2,
    seeds: SEEDS = 10,
    input: INPUT = None,
    images: IMAGES = None,
    epochs: EPOCHS = 20,
    batch_size: BATCH = 64,
    optimizer: OPTIMIZER = "sgd",
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
    output: OUTPUT = None,
    workers: PROCESSES = None,
    only_plan: PLAN = False,
    as_json: JSON = False,
) -> None:
    """Compare aggregations under equal conditions: paired seeds, a learning rate for each, matched scale.

    Broken off, the same command with the same folder goes on where it was. Several machines that see
    the same folder share the work: start the same command on each.

    \b
    Examples:
      convitro compare --plan
      convitro compare --aggregations sum,mean,max,adder -o results/
      convitro compare --aggregations add:max:sum --regimes batchnorm -o results/
      convitro compare my_networks:small_net --data cifar10/ -o results/
    """
    given = locals()
    with progress("Opening the network and the data ..."):
        from convitro.lab.comparison.design import Design
        from convitro.lab.comparison.experiment import check_workers, opened
        from convitro.lab.comparison.opening import Source
        from convitro.lab.recipe import Recipe
        from convitro.sources import parse_input_size

        names = set(Recipe.__dataclass_fields__)
        changes: dict[str, Any] = {name: value for name, value in given.items() if name in names}
        design = Design.of(
            arms=aggregations,
            regimes=regimes,
            learning_rates=rates,
            extensions=extensions,
            search_seeds=search_seeds,
            seeds=seeds,
            model=model,
            **changes,
        )
        source = Source(data, parse_input_size(input) if input else None, images)
        count = check_workers(workers)
    if only_plan:
        print(planned(design, source, output, count))
        return
    if output is None:
        raise ArgumentError(
            "compare: nowhere to keep the trainings.",
            expected="-o FOLDER",
            hint="--plan says what the comparison would take",
        )
    with progress("Opening the network and the data ..."):
        experiment = opened(design, source, output)
    try:
        result = experiment.compared(count)
    except KeyboardInterrupt:
        done, total = experiment.standing()
        typer.echo(
            f"\nStopped: {done} of {total} trainings are kept in {output}. The same command goes on.",
            err=True,
        )
        raise typer.Exit(130) from None
    print(json.dumps(result.to_dict(), indent=2) if as_json else result)
    report = reported(result, output)
    if not as_json:
        print(report)
        print(f"Written to {output}.")


def reported(result: Any, output: Path) -> str:
    """Write the page about it, where it can be drawn; in words, where it is."""
    from convitro.lab.comparison.report import PAGE, write_report

    if importlib.util.find_spec("matplotlib") is None:
        return f"No page about it: matplotlib is not installed, {MISSING}."
    with progress("Drawing the report ..."):
        write_report(result, output)
    return f"The report: {output / PAGE}"


def planned(design: Any, source: Any, output: Path | None, workers: int) -> str:
    """What the comparison would take; nothing is written."""
    from convitro.lab.comparison.experiment import opened
    from convitro.lab.comparison.plan import plan

    with ExitStack() as stack:
        folder = output or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(progress("Timing a few steps of each arm ..."))
        return str(plan(opened(design, source, folder), workers))
