"""The command `convitro bench`: its arguments, its progress bar, and what it prints."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from convitro.errors import ArgumentError
from convitro.progress import line

if TYPE_CHECKING:
    from convitro.bench.run import Wanted

SUITE = Annotated[
    str,
    Option(metavar="NAMES", help="Of block, conv, train, overhead, compile, aggregation; commas between."),
]
AGAINST = Annotated[
    str, Option(metavar="NAMES", help="Peers, such as torch,onnxruntime. Default: all that are installed.")
]
THREADS = Annotated[int, Option(metavar="N", min=1, help="Threads of everybody.")]
CORES = Annotated[str, Option(metavar="NUMBERS", help="Processor cores to stay on, such as 0,1.")]
LAYERS = Annotated[str, Option(metavar="WORDS", help="Only layers with these words, such as VGG-16 b8.")]
BUDGET = Annotated[float, Option(metavar="SECONDS", min=0, help="Time per layer, for all peers together.")]
QUICK = Annotated[bool, Option("--quick", help="A few layers, one second each.")]
OUTPUT = Annotated[Path | None, Option(metavar="FILE", help="Write everything measured as JSON.")]
REPORT = Annotated[
    list[Path] | None, Option(metavar="FILE", help="Measure nothing: show results. May be repeated.")
]
PAGE = Annotated[
    Path | None, Option(metavar="FILE", help="With --report: write tables and pictures into this page.")
]


def bench(
    suite: SUITE = "block,conv,train,overhead,compile",
    against: AGAINST = "",
    threads: THREADS = 1,
    cores: CORES = "",
    layers: LAYERS = "",
    budget: BUDGET = 10.0,
    quick: QUICK = False,
    output: OUTPUT = None,
    report: REPORT = None,
    page: PAGE = None,
) -> None:
    """Time convolution layers against PyTorch, onnxruntime, OpenVINO and JAX.

    \b
    Examples:
      convitro bench --quick
      convitro bench --suite block --threads 2 --output block.json
      convitro bench --against torch.compile,openvino --layers "VGG-16 b8"
      convitro bench --report block.json --page speed.md
    """
    if report:
        show(report, page)
        return
    if cores:
        stay_on(cores)
    from convitro.bench.run import Wanted

    measure(Wanted(words(suite), words(against), threads, layers, budget, quick), output)


def measure(wanted: Wanted, output: Path | None) -> None:
    """Run it, keep it, print it."""
    from convitro.bench.run import Measurement
    from convitro.bench.table import text

    measurement = Measurement(wanted)
    with progress(measurement.steps) as measurement.tell:
        run = measurement.run()
    if output is not None:
        run.save(output)
    print(text(run))


def show(files: list[Path], page: Path | None) -> None:
    """Print results of earlier runs, and write them into a page if one is named."""
    from convitro.bench.results import Run
    from convitro.bench.table import text

    runs = [Run.read(file) for file in files]
    if page is None:
        print("\n".join(text(run) for run in runs))
        return
    from convitro.bench.report import write

    for file in write(runs, page):
        print(file)


def words(text: str) -> tuple[str, ...]:
    """ "a, b" as its words."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def stay_on(cores: str) -> None:
    """Keep this process, and the threads it starts from now on, on these cores."""
    try:
        os.sched_setaffinity(0, {int(core) for core in words(cores)})
    except (AttributeError, ValueError, OSError) as error:
        raise ArgumentError(
            f'bench: this process cannot stay on cores "{cores}".',
            expected="numbers of cores that it may use, such as 0,1",
            received=f"{type(error).__name__}: {error}",
        ) from error


@contextmanager
def progress(steps: int) -> Iterator[Callable[[str], None]]:
    """A bar on stderr, where somebody looks; yields what tells it the next step's name."""
    if not sys.stderr.isatty():
        yield lambda name: None
        return
    from rich.progress import MofNCompleteColumn, TimeElapsedColumn

    named = "{:24.24}".format  # the bar stays where it is
    with line(MofNCompleteColumn(), TimeElapsedColumn()) as shown:
        task = shown.add_task(named(""), total=steps)
        yield lambda name: shown.update(task, description=named(name), advance=1)
