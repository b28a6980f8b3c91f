"""PyTorch's own samples of two operators, written to a file: importing them changes torch's state.

They ship inside torch with tests that need a package for snapshots; no sample uses it: something stands in.
"""

from __future__ import annotations

import sys
import types
import unittest
from typing import Any

import torch

OPERATORS = ("nn.functional.conv2d", "nn.functional.max_pool2d")


def collect() -> dict[str, dict[str, list[Any]]]:
    """For each operator its samples (input, args, kwargs) and those that must be refused."""
    stand_in: Any = types.ModuleType("expecttest")
    stand_in.TestCase = unittest.TestCase
    sys.modules.setdefault("expecttest", stand_in)
    from torch.testing._internal.common_methods_invocations import op_db

    found: dict[str, dict[str, list[Any]]] = {}
    for operator in op_db:
        if operator.name in OPERATORS:
            wrong = [error.sample_input for error in operator.error_inputs("cpu")]
            found[operator.name] = {
                "good": [_plain(sample) for sample in operator.sample_inputs("cpu", torch.float64)],
                "wrong": [_plain(sample) for sample in wrong],
            }
    return found


def _plain(sample: Any) -> tuple[Any, ...]:
    return sample.input, tuple(sample.args), dict(sample.kwargs)


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.save(collect(), sys.argv[1])
