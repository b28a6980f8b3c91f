"""Layers whose tensors all lie against forbidden pages: inputs, outputs, what is saved, weights, scratch."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import islice
from types import ModuleType
from typing import Any
from unittest import mock

import torch
from torch import Tensor

import convitro.engine.cpu.call as call
import convitro.engine.cpu.memory as memory
from tests.engine.guarded import End, guarded, guarded_copy
from tests.engine_contract.cases import Case, Tensors
from tests.engine_contract.checks import check_backward, check_forward
from tests.engine_contract.families import FAMILIES

SIZES: tuple[dict[str, Any], ...] = (
    {},
    {"images": 1, "size": (6, 5)},
    {"images": 3, "channels": 8, "filters": 8, "size": (7, 16)},
    {"channels": 2, "filters": 1, "size": (8, 7)},
    {"input": "channels_last", "weight": "channels_last"},
    {"input": "cropped", "weight": "sliced", "bias": "strided"},
)
"""Changes of each family, one after the other; those that it cannot have are left out."""


class Fenced:
    """torch for the modules that make tensors: what they allocate ends, or begins, at a forbidden page."""

    def __init__(self, at: End) -> None:
        self._at = at
        self.count = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def empty(self, *sizes: Any, dtype: torch.dtype | None = None, **more: Any) -> Tensor:
        shape = torch.Size(sizes[0] if isinstance(sizes[0], tuple | list) else sizes)
        assert not more
        return self._made(torch.empty(shape, dtype=dtype, device="meta"))

    def empty_strided(
        self, size: Any, stride: Any, dtype: torch.dtype | None = None, device: str = ""
    ) -> Tensor:
        made = torch.empty_strided(size, stride, dtype=dtype, device="meta")
        return made if device == "meta" else self._made(made)

    def _made(self, like: Tensor) -> Tensor:
        self.count += 1
        extent = sum((size - 1) * step for size, step in zip(like.shape, like.stride(), strict=True)) + 1
        room = guarded(extent * like.element_size(), self._at).fill_(0xFF)  # NaN, where nothing is written
        numbers = room.view(like.dtype)
        return numbers.as_strided(like.shape, like.stride(), numbers.storage_offset())


class Forgetful:
    """In place of what a thread remembers of its scratch: every call gets new memory, of just its size."""

    size_bytes = property(lambda self: -1, lambda self, size_bytes: None)


def _owners() -> list[ModuleType]:
    """The modules that make tensors for kernels."""
    known = [module for name, module in sys.modules.items() if name.startswith("convitro.engine.")]
    return [module for module in known if getattr(module, "torch", None) is torch]


@contextmanager
def fence(at: End) -> Iterator[Fenced]:
    """Let all tensors that the engine makes lie against a forbidden page."""
    fenced = Fenced(at)
    with ExitStack() as stack:
        for owner in _owners():
            stack.enter_context(mock.patch.object(owner, "torch", fenced))
        stack.enter_context(mock.patch.object(memory, "_empty_strided", fenced.empty_strided))
        stack.enter_context(mock.patch.object(call, "_local", Forgetful()))
        stack.enter_context(mock.patch.object(call, "LINE", 1))  # the scratch itself begins and ends sharply
        yield fenced


def run(case: Case, at: End) -> None:
    """Forward without gradients, and forward and backward, with values checked as well."""
    with fence(at) as fenced:
        tensors = Tensors(*(None if t is None else guarded_copy(t, at) for t in case.tensors().all))  # type: ignore[arg-type]
        check_forward(case, tensors)
        check_backward(case, tensors)
        assert fenced.count >= 8, "the engine makes its tensors elsewhere"


def variants(case: Case) -> Iterator[Case]:
    """The family in other sizes and memory formats."""
    for change in SIZES:
        fixed = case.channels == 1 or case.algorithm == "winograd"
        kept = {k: v for k, v in change.items() if not (fixed and k in ("channels", "filters"))}
        yield replace(case, **kept)


def run_all(at: End, sizes: int) -> None:
    """Every family, in its first `sizes`; says the name of each that is done."""
    torch.set_num_threads(1)
    for name, case in FAMILIES.items():
        for variant in islice(variants(case), sizes):
            run(variant, at)
        print(name, flush=True)


def touch(beside: int) -> None:
    """Read inside a fenced tensor, then beside it: -1 for before its start, 0 for behind its end."""
    tensor = guarded(8, "start" if beside < 0 else "end")
    place = tensor.data_ptr() + (beside if beside < 0 else 8)
    ctypes.string_at(tensor.data_ptr(), 8)
    print("inside", flush=True)
    ctypes.string_at(place, 1)
