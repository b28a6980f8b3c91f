"""Results of a comparison that was never run: drawn from a seed, in the form in which real ones are kept."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

ARMS = ("sum", "mean", "max", "logsumexp(beta=1.0)")
REGIMES = ("drop-in", "calibrated", "batchnorm")
LAYERS = (("conv1_1", 1, 16), ("conv1_2", 16, 16), ("conv2_1", 16, 32), ("conv2_2", 32, 32))
LOSSES = {"mean": (0.20, 0.0, 0.0), "max": (0.08, 0.03, 0.031), "min": (0.4, 0.05, 0.03)}
"""How much worse than the sum an arm is, under each regime; others lie near it."""


def results(
    arms: Sequence[str] = ARMS,
    regimes: Sequence[str] = REGIMES,
    seeds: Sequence[int] = range(5),
    epochs: int = 6,
    seed: int = 0,
) -> dict[str, Any]:
    """Everything that `Comparison` reads; with no fewer parts than a real comparison leaves."""
    generator = random.Random(seed)
    cells = [
        cell(generator, arm, regime, number, epochs, first=number == seeds[0])
        for regime in regimes
        for arm in arms
        for number in seeds
    ]
    rates = [0.005, 0.016, 0.05, 0.16, 0.5]
    search = [
        {
            "arm": arm,
            "regime": regime,
            "learning_rate": rate,
            "seed": 1000,
            "validation_loss": None if rate == 0.5 else round(0.2 + abs(math.log(rate / 0.05)) * 0.1, 4),
            "validation_accuracy": 0.9,
            "ended": "diverged" if rate == 0.5 else "finished",
        }
        for regime in regimes
        for arm in arms
        for rate in rates
    ]
    chosen = [
        {"arm": arm, "regime": regime, "learning_rate": 0.05, "at_edge": (arm, regime) == ("max", "drop-in")}
        for regime in regimes
        for arm in arms
    ]
    return {
        "schema": 1,
        "convitro": "0.1.0",
        "environment": {"python": "3.11.2", "torch": "2.13.0", "device": "cpu, one thread for each training"},
        "design": design(arms, regimes, rates, seeds, epochs),
        "null_test": {
            "passed": True,
            "layers": ["conv1_2", "conv2_1", "conv2_2"],
            "steps": 32,
            "text": "The mean with weights times n gave the sum's curve, bit for bit, over 32 steps.",
        },
        "search": search,
        "chosen": chosen,
        "cells": cells,
    }


def design(
    arms: Sequence[str], regimes: Sequence[str], rates: list[float], seeds: Sequence[int], epochs: int
) -> dict[str, Any]:
    """What was asked."""
    convolutions = [{"name": name, "channels": read, "filters": made} for name, read, made in LAYERS]
    return {
        "data": "digits",
        "input_size": [1, 8, 8],
        "classes": [str(digit) for digit in range(10)],
        "pictures": {"train": 1294, "validation": 143, "test": 360},
        "arms": list(arms),
        "reference": "sum",
        "regimes": list(regimes),
        "learning_rates": rates,
        "extensions": 3,
        "search_seeds": [1000],
        "seeds": list(seeds),
        "model": None,
        "recipe": {
            "epochs": epochs,
            "batch_size": 64,
            "optimizer": "sgd",
            "momentum": 0.9,
            "schedule": "cosine",
        },
        "network": {"name": "default network", "parameters": 16698, "convolutions": convolutions},
    }


def cell(
    generator: random.Random, arm: str, regime: str, seed: int, epochs: int, *, first: bool
) -> dict[str, Any]:
    """One training; the minimum fails with the first seed as a drop-in."""
    failed = (arm, regime) == ("min", "drop-in") and first
    loss = LOSSES.get(arm, (0.004, 0.004, 0.004))[REGIMES.index(regime)]
    luck = random.Random(seed).gauss(0, 0.006)  # of the first weights, which all arms share
    accuracy = 0.1 if failed else round((0.965 - loss + luck + generator.gauss(0, 0.004)) * 360) / 360
    rising = [accuracy * (1 - math.exp(-1.2 * (epoch + 1))) for epoch in range(epochs)]
    falling = [2.3 * math.exp(-0.7 * (epoch + 1)) + 0.1 + loss for epoch in range(epochs)]
    return {
        "arm": arm,
        "regime": regime,
        "learning_rate": 0.05,
        "seed": seed,
        "ended": "finished",
        "failed": failed,
        "why": "never better than chance: 10.5% at best, chance is 10.4%" if failed else "",
        "test_accuracy": accuracy,
        "test_loss": 0.2 + loss,
        "validation_accuracy": accuracy,
        "validation_loss": 0.2 + loss,
        "curves": {
            "loss": falling,
            "accuracy": rising,
            "validation_loss": [value * generator.uniform(1, 1.2) for value in falling],
            "validation_accuracy": [value * generator.uniform(0.97, 1) for value in rising],
        },
        "step_ms_median": generator.uniform(1.8, 2.2) * (2 if arm.startswith("logsumexp") else 1),
        "peak_memory_bytes": 400_000_000,
        "filters": filters(generator) if first else None,
        "measures": measures(generator, arm, accuracy, trained=True),
        "random_measures": measures(generator, arm, 0.1, trained=False),
    }


def filters(generator: random.Random) -> dict[str, Any]:
    """Weights of a first layer."""
    return {"shape": [16, 1, 3, 3], "values": [round(generator.gauss(0, 0.3), 5) for _ in range(144)]}


def measures(generator: random.Random, arm: str, accuracy: float, *, trained: bool) -> dict[str, Any]:
    """What `measure_network` returns."""
    layers = []
    for name, read, _ in LAYERS:
        adds = arm in ("sum", "mean") and read > 1
        layers.append(
            {
                "name": name,
                "aggregation": arm,
                "weight_norm": generator.uniform(2, 4),
                "weight_gradient": generator.uniform(0.01, 0.1),
                "map_gradient": generator.uniform(0.001, 0.01),
                "zero_weight_gradients": generator.uniform(0, 0.1) + (0.4 if arm == "max" else 0),
                "zero_map_gradients": generator.uniform(0.4, 0.6),
                "cancellation": generator.uniform(0.5, 0.7) + 0.05 * trained if adds else None,
                "random_cancellation": generator.uniform(0.55, 0.6) if adds else None,
                "dropped": {"channels": 8, "of": read, "accuracy": accuracy * 0.9} if read > 1 else None,
            }
        )
    levels = {"gaussian": (0.25, 0.5, 1.0), "impulse": (0.05, 0.1, 0.2)}
    noisy = {
        name: [
            {"level": level, "accuracy": accuracy * (1 - 0.4 * index * level)}
            for index, level in enumerate(values)
        ]
        for name, values in levels.items()
    }
    return {
        "pictures": 256,
        "seed": 0,
        "loss": 0.3,
        "layers": layers,
        "accuracy": {"clean": accuracy, **noisy, "dropped": accuracy * 0.9},
    }
