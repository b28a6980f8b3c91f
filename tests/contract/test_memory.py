"""The reference never makes the un-aggregated tensor: its peak is the results and a stated working memory."""

import subprocess
import sys

import pytest

MEASURE = """
import resource, torch
from convitro import functional, reference
torch.set_num_threads(1)
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
input = torch.randn(2, 48, 64, 64, requires_grad=True)
weight = torch.randn(48, 48, 3, 3, requires_grad=True)
functional.conv2d(input[:, :, :8, :8], weight, aggregation="{name}", algorithm="{algorithm}").sum().backward()
before = peak()
output = functional.conv2d(input, weight, aggregation="{name}", algorithm="{algorithm}", padding=1)
output.sum().backward()
print(peak() - before, reference.SCRATCH_BYTES, output.numel() * 4)
"""


def measured(name: str, algorithm: str) -> tuple[int, int, int]:
    """The peak above what was there before, the reference's working memory, and the size of the result."""
    code = MEASURE.replace("{name}", name).replace("{algorithm}", algorithm)
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    peak, scratch, result = map(int, answer.stdout.split())
    return peak, scratch, result


@pytest.mark.parametrize("name", ["max", "softmax", "median"])
def test_peak_memory(name: str) -> None:
    peak, scratch, result = measured(name, "reference")
    everything = result * 48  # all partial maps: 75 MB, and their gradients as much again
    assert peak < scratch + 8 * result < 2 * everything


@pytest.mark.parametrize("name", ["max", "softmax", "product"])
def test_peak_memory_of_the_kernels(name: str) -> None:
    peak, _, result = measured(name, "fold")
    assert peak < 12 * result  # output, what it saves, gradients, scratch memory: no partial maps
