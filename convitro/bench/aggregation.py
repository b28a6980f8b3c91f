"""The suite "aggregation": other ways to combine channels, ours against all that PyTorch users can write."""

from __future__ import annotations

import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from convitro.bench.contenders import TorchCompile
from convitro.bench.formulations import FORMULAS, Formula, Function, Shape, formulations
from convitro.bench.measure import Runner, Timing, interleaved
from convitro.bench.results import DIRECT_SUM, OURS, Row
from convitro.bench.targets import FORWARD, FORWARD_BACKWARD
from convitro.errors import ExperimentError
from convitro.functional import conv2d

SHAPES = (Shape(1, 16, 16, 28), Shape(8, 32, 32, 28), Shape(8, 64, 64, 56))
MOST_BYTES = 6 * 2**30
"""Formulations that need more are not run."""
SLOW_MS = 500.0
"""Who takes longer, after a first call, is timed by one call alone."""
TOLERANCE, GRADIENT_TOLERANCE = 3e-4, 2e-2
"""Of the largest output; of a gradient's norm. Where channels nearly tie, rounding picks another winner."""
MEMORY = """
import sys, torch
from convitro.functional import conv2d
torch.set_num_threads(int(sys.argv[1]))
sizes, settings, backward = eval(sys.argv[2])
def run(input, weight):
    output = conv2d(input, weight, **settings)
    if backward:
        torch.autograd.grad(output, (input, weight), torch.ones_like(output))
small = [torch.randn(*size[:-2], *(min(side, 16) for side in size[-2:]))[:1] for size in sizes[:1]]
tensors = [torch.randn(size).to(memory_format=torch.channels_last).requires_grad_(backward) for size in sizes]
run(small[0].to(memory_format=torch.channels_last).requires_grad_(backward), tensors[1])
def kilobytes(word):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(word))
open("/proc/self/clear_refs", "w").write("5")  # the peak so far, of imports and compiling, is forgotten
before = kilobytes("VmRSS")
run(*tensors)
print(1024 * (kilobytes("VmHWM") - before))
"""


@dataclass(frozen=True, eq=False)
class Problem:
    """An operator on one shape, with numbers in it.

    Attributes:
        backward: whether both gradients are asked for, too.
    """

    formula: Formula
    shape: Shape
    backward: bool

    @property
    def name(self) -> str:
        """Operator and shape."""
        return f"{self.formula.name} {self.shape.name}"

    @cached_property
    def tensors(self) -> tuple[Tensor, Tensor]:
        """Input and weight, of unit scale; the same every time."""
        generator = torch.Generator().manual_seed(0)
        input, weight = (torch.randn(size, generator=generator) for size in self.shape.sizes)
        return input, weight / self.shape.kernel

    @cached_property
    def upstream(self) -> Tensor:
        """The gradient of the output."""
        shape = self.shape
        generator = torch.Generator().manual_seed(1)
        return torch.randn(shape.images, shape.filters, shape.side, shape.side, generator=generator)

    def leaves(self, layout: torch.memory_format) -> tuple[Tensor, Tensor]:
        """Input and weight for a contender."""
        input, weight = self.tensors
        input = input.detach().contiguous(memory_format=layout)
        return input.requires_grad_(self.backward), weight.detach().requires_grad_(self.backward)

    @cached_property
    def last_image(self) -> list[Tensor]:
        """By the reference in float64: the last image's output, its gradient, what the weight gets of it."""
        input, weight = (tensor.double() for tensor in self.tensors)
        image, weight = input[-1:].requires_grad_(self.backward), weight.requires_grad_(self.backward)
        output = conv2d(image, weight, **self.formula.settings, algorithm="reference")
        if not self.backward:
            return [output]
        gradients = torch.autograd.grad(output, (image, weight), self.upstream[-1:].double())
        return [output.detach(), *gradients]

    def wrong(self, function: Function, layout: torch.memory_format) -> str:
        """What is wrong with a contender's numbers; empty where nothing is."""
        input, weight = self.leaves(layout)
        output = function(input, weight)
        error = _error(output[-1:], self.last_image[0])
        if error > TOLERANCE:
            return f"wrong: error {error:.1e} of the largest output against float64, {TOLERANCE:.0e} allowed"
        if not self.backward:
            return ""
        upstream = torch.zeros_like(self.upstream)
        upstream[-1] = self.upstream[-1]  # so that the weight's gradient is the last image's
        of_input, of_weight = torch.autograd.grad(output, (input, weight), upstream)
        pairs = zip((of_input[-1:], of_weight), self.last_image[1:], strict=True)
        worst = max(float((own.double() - exact).norm() / exact.norm()) for own, exact in pairs)
        if not worst <= GRADIENT_TOLERANCE:
            return f"wrong: a gradient is off by {worst:.1e} of its norm"
        return ""

    def call(self, function: Function, layout: torch.memory_format) -> Callable[[], Any]:
        """What is timed."""
        input, weight = self.leaves(layout)
        if not self.backward:
            return lambda: function(input, weight)
        upstream = self.upstream.contiguous(memory_format=layout)
        return lambda: torch.autograd.grad(function(input, weight), (input, weight), upstream)


def problems(words: str, *, quick: bool) -> list[Problem]:
    """All rows of the suite whose name has these words; for `quick` those of the smallest shape."""
    shapes = SHAPES[:1] if quick else SHAPES
    found = [
        Problem(formula, shape, back) for shape in shapes for formula in FORMULAS for back in (False, True)
    ]
    return [problem for problem in found if all(word in problem.name for word in words.split())]


def measure_aggregation(problem: Problem, peers: Sequence[str], threads: int, budget_s: float) -> Row:
    """One row: everybody's numbers checked, then timed; and the memory of ours.

    Args:
        problem: the operator.
        peers: "torch" for PyTorch's formulations as they stand, "torch.compile" for the compiled; both for
            none.
        threads: of everybody.
        budget_s: seconds for all of them together, checks not counted.
    """
    torch.set_num_threads(threads)
    runners: dict[str, Runner] = {}
    refused: dict[str, str] = {}
    for name, function, layout in _contenders(problem, peers, refused):
        ready = _prepared(problem, name, function, layout, threads)
        if isinstance(ready, Runner):
            runners[name] = ready
        else:
            refused[name] = ready
    group = FORWARD_BACKWARD if problem.backward else FORWARD
    shape = "; ".join(",".join(map(str, size)) for size in problem.shape.sizes)
    extra = extra_bytes(problem, threads)
    return Row(
        "aggregation",
        f"{group}, {problem.formula.kind}",
        problem.name,
        shape,
        _timed(runners, budget_s),
        refused,
        extra_bytes={OURS: extra} if extra else {},
        output_bytes=problem.shape.output_bytes,
    )


def _contenders(
    problem: Problem, peers: Sequence[str], refused: dict[str, str]
) -> Iterator[tuple[str, Function, torch.memory_format]]:
    """Ours, the plain sum by the direct algorithm, and PyTorch's; who needs too much memory is refused."""
    settings, last = problem.formula.settings, torch.channels_last
    yield OURS, lambda input, weight: conv2d(input, weight, **settings), last
    yield DIRECT_SUM, lambda input, weight: conv2d(input, weight, algorithm="direct"), last
    for name, function in formulations(problem.formula):
        needed = problem.shape.least_bytes(name, problem.formula, backward=problem.backward)
        for peer in ("torch", "torch.compile"):
            if peers and peer not in peers:
                continue
            who, compiles = f"{peer} {name}", peer == "torch.compile"
            if needed > MOST_BYTES:
                refused[who] = f"needs {needed / 2**30:.1f} GiB or more, over {MOST_BYTES / 2**30:.0f} GiB"
            elif compiles and (missing := TorchCompile().missing()):
                refused[who] = missing
            elif compiles:
                torch.compiler.reset()
                yield who, torch.compile(function, dynamic=False, fullgraph=True), torch.contiguous_format
            else:
                yield who, function, torch.contiguous_format


def _prepared(
    problem: Problem, name: str, function: Function, layout: torch.memory_format, threads: int
) -> Runner | str:
    """The contender, its numbers right; or why it is not timed."""
    start = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the compiler's, about itself
            wrong = "" if name == DIRECT_SUM else problem.wrong(function, layout)
    except Exception as error:  # whatever PyTorch raises is its answer to this operator
        if name == OURS:
            raise
        return f"{type(error).__name__}: {error}".splitlines()[0][:200]
    cold_ms = (time.perf_counter() - start) * 1e3
    return wrong or Runner(problem.call(function, layout), cold_ms, threads)


def _timed(runners: dict[str, Runner], budget_s: float) -> dict[str, Timing]:
    """In turns; who is slow by one call, so that the suite ends."""
    timings, quick = {}, {}
    for name, runner in runners.items():
        start = time.perf_counter()
        runner.forward()
        ms = (time.perf_counter() - start) * 1e3
        if name in (OURS, DIRECT_SUM) or ms <= SLOW_MS:
            quick[name] = runner
        else:
            timings[name] = Timing(runner.cold_ms, ms, 0.0, 1, ms)
    timings |= interleaved(quick, budget_s) if quick else {}
    return {name: timings[name] for name in runners}


def extra_bytes(problem: Problem, threads: int) -> int:
    """By how much a call of ours, its results included, raises the peak of a fresh process, as Linux counts.

    Raises:
        ExperimentError: the process failed.
    """
    if not Path("/proc/self/clear_refs").exists():
        return 0
    told = repr((problem.shape.sizes, problem.formula.settings, problem.backward))
    command = [sys.executable, "-c", MEMORY, str(threads), told]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if result.returncode:
        raise ExperimentError("bench: a fresh process failed.", received=result.stderr.strip()[-500:])
    return int(result.stdout)


def _error(output: Tensor, exact: Tensor) -> float:
    if output.shape != exact.shape:
        return float("inf")
    difference = (output.detach().double() - exact).abs().amax() / exact.abs().amax()
    return float(difference.nan_to_num(float("inf")))
