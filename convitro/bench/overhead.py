"""The suite "overhead": what a call costs beside its arithmetic, an import, and a shape never seen before."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor

from convitro.bench.measure import Runner, interleaved
from convitro.bench.results import Figure, Row
from convitro.bench.targets import CALL
from convitro.errors import ExperimentError
from convitro.functional import conv2d, conv_block

PROCESSES = 5
IMPORT = """
import time
start = time.perf_counter()
import torch
middle = time.perf_counter()
import convitro
print(time.perf_counter() - middle)
"""
FIRST_CALLS = """
import time, torch
from convitro.functional import conv_block
def seconds(channels, kernel):
    input = torch.rand(2, channels, 30, 30).to(memory_format=torch.channels_last)
    weight, bias = torch.rand(48, channels, kernel, kernel), torch.rand(48)
    start = time.perf_counter()
    with torch.inference_mode():
        conv_block(input, weight, bias, padding=kernel // 2)
    return time.perf_counter() - start
print(seconds(24, 3), seconds(40, 5))
"""
Tensors = Tensor | tuple[Tensor, ...]
Pair = tuple[Callable[[], Tensors], Callable[[], Tensors]]


def measure_calls(threads: int, budget_s: float) -> Iterator[Row]:
    """Calls on a (1, 3, 8, 8) input with eight 3x3 filters: ours, and PyTorch's functions for the same."""
    for name, (ours, theirs) in calls().items():
        runners, results = {}, {}
        for who, call in (("convitro", ours), ("torch", theirs)):
            start = time.perf_counter()
            results[who] = call()
            runners[who] = Runner(call, (time.perf_counter() - start) * 1e3, threads)
        refused = {} if same(results["convitro"], results["torch"]) else {"convitro": "wrong: not PyTorch's"}
        timed = {who: runner for who, runner in runners.items() if who not in refused}
        yield Row("overhead", CALL, name, "1,3,8,8 → 8, 3x3", interleaved(timed, budget_s), refused)


def same(ours: Tensors, theirs: Tensors) -> bool:
    """Whether two results agree to float32's rounding."""
    pairs = zip(*([one] if isinstance(one, Tensor) else one for one in (ours, theirs)), strict=True)
    return all(torch.allclose(own, other, rtol=1e-4, atol=1e-4) for own, other in pairs)


def calls() -> dict[str, Pair]:
    """By name: our call, and PyTorch's."""
    input, weight, bias = tensors(trained=False)
    trained = tensors(trained=True)

    def block(input: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return F.max_pool2d(F.relu(F.conv2d(input, weight, bias, padding=1)), 2)

    def our_block(input: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        output = conv_block(input, weight, bias, padding=1)
        assert isinstance(output, Tensor)
        return output

    def ours(input: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return conv2d(input, weight, bias, padding=1)

    def theirs(input: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return F.conv2d(input, weight, bias, padding=1)

    pairs = {"conv2d": (ours, theirs), "conv_block": (our_block, block)}
    result: dict[str, Pair] = {}
    for name, (own, other) in pairs.items():
        plain = [torch.no_grad()(lambda call=call: call(input, weight, bias)) for call in (own, other)]
        graph = [lambda call=call: call(*trained) for call in (own, other)]
        back = [backward(call(*trained), trained) for call in (own, other)]
        result |= {f"{name}, forward": (plain[0], plain[1])}
        result |= {
            f"{name}, forward with grad": (graph[0], graph[1]),
            f"{name}, backward": (back[0], back[1]),
        }
    return result


def tensors(*, trained: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Input, weight and bias."""
    generator = torch.Generator().manual_seed(0)
    shapes = ((1, 3, 8, 8), (8, 3, 3, 3), (8,))
    input, weight, bias = (torch.rand(shape, generator=generator) for shape in shapes)
    return input, weight.requires_grad_(trained), bias.requires_grad_(trained)


def backward(output: Tensor, trained: tuple[Tensor, Tensor, Tensor]) -> Callable[[], Tensors]:
    """The gradients of weight and bias from an output's, as in a first layer."""
    gradient = torch.ones_like(output)
    return lambda: torch.autograd.grad(output, trained[1:], gradient, retain_graph=True)


def measure_processes() -> Iterator[Figure]:
    """Import, and first calls with an empty and with a filled cache on disk, each in processes of its own."""
    yield Figure(
        "import convitro, over import torch", median(_seconds(IMPORT)[0] for _ in range(PROCESSES)), "s", 0.2
    )
    cold, filled = [], []
    for _ in range(PROCESSES):
        with tempfile.TemporaryDirectory() as folder:
            cold.append(_seconds(FIRST_CALLS, folder))
            filled.append(_seconds(FIRST_CALLS, folder))
    for state, samples, limit in (("nothing cached", cold, 0.3), ("cached on disk", filled, 0.005)):
        yield Figure(f"first call of a process, {state}", median(first for first, _ in samples), "s")
        yield Figure(
            f"first call of a new shape, {state}", median(second for _, second in samples), "s", limit
        )


def _seconds(code: str, cache: str = "") -> list[float]:
    environment = {**os.environ, **({"CONVITRO_CACHE_DIR": cache} if cache else {})}
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    if result.returncode:
        raise ExperimentError("bench: a fresh process failed.", received=result.stderr.strip()[-500:])
    return [float(word) for word in result.stdout.split()]
