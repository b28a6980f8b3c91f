"""The suites "block" and "conv": one layer after another, checked against float64, then timed in turns."""

from __future__ import annotations

import importlib
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace

import torch

from convitro.bench.contenders import (
    Case,
    Contender,
    Convitro,
    ConvitroContiguous,
    ConvitroOneThread,
    Torch,
    TorchChannelsLast,
    TorchCompile,
)
from convitro.bench.layers import Layer
from convitro.bench.measure import Runner, interleaved
from convitro.bench.results import Row
from convitro.bench.runtimes import Jax, OnnxRuntime, OpenVino
from convitro.geometry import check_choice
from convitro.nn import ConvBlock

CONTENDERS: tuple[type[Contender], ...] = (
    Convitro,
    ConvitroContiguous,
    ConvitroOneThread,
    Torch,
    TorchChannelsLast,
    TorchCompile,
    OnnxRuntime,
    OpenVino,
    Jax,
)
TOLERANCE = 3e-4  # of the largest output; the direct algorithm has 1e-6, Winograd's a few 1e-5


def measure_layer(
    suite: str, layer: Layer, contenders: Sequence[Contender], threads: int, budget_s: float
) -> Row:
    """Check everybody's output, then time those whose output is right, for so many seconds."""
    case = Case.of(layer, threads)
    runners: dict[str, Runner] = {}
    refused: dict[str, str] = {}
    with torch.inference_mode():
        for contender in contenders:
            if contender.one_thread and threads == 1:
                continue
            torch.set_num_threads(1 if contender.one_thread else threads)
            ready = prepared(contender, case)
            if isinstance(ready, Runner):
                runners[contender.name] = ready
            else:
                refused[contender.name] = ready
        timings = interleaved(runners, budget_s) if runners else {}
    algorithm, plan = planned(layer)
    row = Row(suite, layer.group, layer.name, layer.shape, timings, refused)
    return replace(row, algorithm=algorithm, plan=plan)


def prepared(contender: Contender, case: Case) -> Runner | str:
    """The contender ready to run, its first call done and its output right; or why it is not timed."""
    if missing := contender.missing():
        return missing
    start = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a peer's, about itself
            forward = contender.prepare(case)
            result = forward()
    except Exception as problem:  # whatever a peer raises is its answer to this layer
        if contender.ours:
            raise
        return f"{type(problem).__name__}: {problem}".splitlines()[0][:200]
    cold_ms = (time.perf_counter() - start) * 1e3
    if (error := case.error(contender.output(result))) > TOLERANCE:
        return f"wrong: error {error:.1e} of the largest output against float64, {TOLERANCE:.0e} allowed"
    return Runner(forward, cold_ms, 1 if contender.one_thread else case.threads)


def planned(layer: Layer) -> tuple[str, str]:
    """Algorithm and plan of ours for the layer, in the words of `convitro.plan`; empty where it has none."""
    plan = getattr(importlib.import_module("convitro"), "plan", None)
    if plan is None:
        return "", ""
    geometry = (layer.kernel, layer.stride, layer.padding, layer.dilation, layer.groups)
    block = ConvBlock(
        layer.image[0],
        layer.out_channels,
        *geometry,
        pool=layer.pool or None,
        pool_stride=layer.pool_stride or None,
    )
    found = plan(block, (layer.batch, *layer.image))
    return str(found.algorithm), str(found)


def contenders_named(names: Sequence[str]) -> list[Contender]:
    """Ours, and the peers of these names; all peers for no names.

    Raises:
        ArgumentError: a name that no peer has.
    """
    known = {kind.name: kind for kind in CONTENDERS}
    peers = [name for name, kind in known.items() if not kind.ours]
    for name in names:
        check_choice(name, peers, "bench: unknown peer.")
    return [kind() for name, kind in known.items() if kind.ours or not names or name in names]
