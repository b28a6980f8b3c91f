"""A run with known numbers, for whatever reads or shows one."""

import pytest

from convitro.bench.layers import BLOCK_3X3, CONV_OTHER
from convitro.bench.measure import Timing
from convitro.bench.results import Figure, Row, Run
from convitro.bench.targets import TRAINING


def timing(ms: float) -> Timing:
    return Timing(cold_ms=100 * ms, median_ms=ms, iqr_ms=0.1 * ms, n=9)


@pytest.fixture
def run() -> Run:
    """A win of 4x, a loss of 0.5x, a layer that a peer could not do, and one training step."""
    win = {
        "convitro": timing(1.0),
        "torch": timing(8.0),
        "jax": timing(4.0),
        "convitro 1 thread": timing(2.0),
    }
    loss = {"convitro": timing(2.0), "torch": timing(1.0), "jax": timing(3.0)}
    rows = [
        Row(
            "block", BLOCK_3X3, "win b1", "1,3,8,8 → 8, 3x3, pool 2/2", win, least_ms=0.9, algorithm="direct"
        ),
        Row(
            "block",
            BLOCK_3X3,
            "loss b1",
            "1,3,9,9 → 8, 3x3, pool 2/2",
            loss,
            least_ms=4.0,
            algorithm="winograd",
        ),
        Row(
            "conv", CONV_OTHER, "half b1", "1,3,8,8 → 8, 1x1", {"convitro": timing(1.0)}, {"jax": "wrong: it"}
        ),
        Row(
            "train",
            TRAINING,
            "net b32",
            "32,3,32,32",
            {"convitro": timing(1.0), "torch": timing(2.5)},
            saved_bytes={"convitro": 500, "torch": 1400},
            own_bytes={"convitro": 100, "torch": 1000},
        ),
    ]
    machine = {"processor": "a processor", "isa": "avx2", "cores": 2, "versions": {"torch": "2.13.0"}}
    roofline = {"flops_per_s": 1e11, "bytes_per_s": 2e10, "threads": 2}
    figures = [Figure("import", 0.3, "s", 0.2), Figure("first call", 0.001, "s")]
    return Run(machine, {"threads": 2, "date": "2026-01-01"}, roofline, rows, figures)
