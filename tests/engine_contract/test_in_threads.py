"""Threads of torch's pool, threads of Python, forked children, DataLoader workers, spawned processes."""

import multiprocessing
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from convitro import functional
from tests.engine_contract.checks import check_backward
from tests.engine_contract.families import FAMILIES

ROOT = Path(__file__).parents[2]
NAMES = ["direct", "winograd", "depthwise", "grouped", "strided"]


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("name", NAMES)
def test_any_number_of_threads(name: str, count: int) -> None:
    torch.set_num_threads(count)
    check_backward(FAMILIES[name])


def everything(name: str) -> list[Tensor]:
    """Output and gradients of a family."""
    case = FAMILIES[name]
    leaves = case.tensors().leaves()
    output = case.block(leaves)
    return [output.detach(), *torch.autograd.grad(output, leaves.given, case.gradient(output))]


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("count", [1, 2])
def test_threads_of_python_do_not_meet(count: int) -> None:
    torch.set_num_threads(count)
    alone = {name: everything(name) for name in NAMES}
    with ThreadPoolExecutor(4, initializer=torch.set_num_threads, initargs=(count,)) as pool:
        for name, found in zip(NAMES * 20, pool.map(everything, NAMES * 20), strict=True):
            for ours, expected in zip(found, alone[name], strict=True):
                assert torch.equal(ours, expected), name


class Layers(Dataset[Tensor]):
    """Every item is computed by the worker."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Tensor:
        input = torch.full((1, 8, 12, 12), float(index))
        return functional.conv_block(input, torch.ones(8, 8, 3, 3), padding=1)[0]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_a_dataloader(method: str) -> None:
    expected = torch.stack([Layers()[index] for index in range(6)])  # also starts this process's pool
    found = torch.cat(list(DataLoader(Layers(), batch_size=2, num_workers=2, multiprocessing_context=method)))
    assert torch.equal(found, expected)


FORK = """
import os, torch
from convitro import functional
torch.set_num_threads(2)
def layer():
    leaf = torch.arange(2 * 16 * 256.0).remainder(7).reshape(2, 16, 16, 16).requires_grad_()
    output = functional.conv_block(leaf, torch.ones(32, 16, 3, 3), padding=1)
    return float(output.sum()) + float(torch.autograd.grad(output.sum(), leaf)[0].sum())
before = layer()
child = os.fork()
if child == 0:
    os._exit(0 if layer() == before else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert layer() == before
"""


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_a_forked_child_computes_where_its_parent_had_a_pool() -> None:
    done = subprocess.run([sys.executable, "-c", FORK], cwd=ROOT, timeout=120, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
