"""A model that has been run is afterwards what it was before: what is remembered, and the way back."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from operator import is_not
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


class SavedTensor(NamedTuple):
    """One tensor of a model: the object, its storage then, its values then, and what autograd knew of it."""

    tensor: Tensor
    storage: Tensor
    values: Tensor
    grad: Tensor | None
    requires_grad: bool

    @classmethod
    def of(cls, tensor: Tensor) -> SavedTensor:
        """A tensor as it is now; its values are copied."""
        grad = tensor.grad if tensor.is_leaf else None
        return cls(tensor, tensor.data, tensor.detach().clone(), grad, tensor.requires_grad)

    def restore(self) -> None:
        """Undo whatever happened: other values, another storage, another dtype, a gradient, a flag."""
        tensor, storage = self.tensor, self.storage
        if tensor.data_ptr() != storage.data_ptr() or tensor.shape != storage.shape:
            tensor.data = storage
        if not same_bits(storage, self.values):  # unchanged memory is not written: it may be a mapped file
            storage.copy_(self.values)
        if tensor.is_leaf:
            if tensor.grad is not self.grad:
                tensor.grad = self.grad
            if tensor.requires_grad is not self.requires_grad:
                tensor.requires_grad_(self.requires_grad)


class ModelState:
    """All that a forward pass may change in a model: tensors, flags, attributes, containers in attributes.

    What stands deeper (a list in a list of an attribute) is not followed, nor are sparse tensors copied.
    """

    def __init__(self, model: nn.Module) -> None:
        self.dicts: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self.containers: list[tuple[Any, Any]] = []
        self.tensors: dict[int, SavedTensor] = {}
        for module in model.modules():
            attributes = vars(module)
            self.dicts.append((attributes, dict(attributes)))
            for value in attributes.values():
                self._save(value)

    def _save(self, value: Any) -> None:
        items: Iterable[Any] = (value,)
        if isinstance(value, dict):
            self.dicts.append((value, dict(value)))
            items = value.values()
        elif type(value) in (list, set):
            self.containers.append((value, list(value)))
            items = value
        for item in items:
            if isinstance(item, Tensor):
                self._save_tensor(item)

    def _save_tensor(self, tensor: Tensor) -> None:
        if id(tensor) not in self.tensors and tensor.layout is torch.strided and not tensor.is_meta:
            self.tensors[id(tensor)] = saved = SavedTensor.of(tensor)
            if saved.grad is not None:
                self._save_tensor(saved.grad)

    def frozen(self, tensor: Tensor) -> Tensor | None:
        """The copy made of `tensor` if it still has the same values; it can be kept, nobody writes to it."""
        saved = self.tensors.get(id(tensor))
        if saved is None or saved.tensor is not tensor or tensor.shape != saved.values.shape:
            return None
        return saved.values if same_bits(tensor.detach(), saved.values) else None

    def restore(self) -> None:
        """Put everything back; what did not change is not written to."""
        for current, before in self.dicts:
            if list(current) != list(before) or any(current[key] is not before[key] for key in before):
                current.clear()
                current.update(before)
        for container, content in self.containers:
            if len(container) != len(content) or any(map(is_not, container, content)):
                container.clear()
                (container.extend if isinstance(container, list) else container.update)(content)
        for saved in self.tensors.values():
            saved.restore()


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Equal bit for bit: NaN equals the same NaN, and 0 differs from -0."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    bits = BITS.get(one.element_size())
    if one.is_complex() or bits is None:
        return torch.equal(one, other)
    return torch.equal(one.view(bits), other.view(bits))


@contextmanager
def preserved(model: nn.Module) -> Iterator[ModelState]:
    """While this context lasts `model` may run and change; at its end, raised or not, all is as before.

    Kept: parameters, buffers and gradients bit for bit, training flags, attributes of every module, and the
    states of the random generators of torch (on every device that the model uses), NumPy and Python.

    Yields:
        The state that will be restored.
    """
    with torch.inference_mode(False), torch.no_grad(), preserved_random_state(model):
        state = ModelState(model)
        try:
            yield state
        finally:
            state.restore()


@contextmanager
def preserved_random_state(model: nn.Module) -> Iterator[None]:
    """At the end of this context every global random generator continues where it was."""
    devices = {tensor.device for tensor in (*model.parameters(), *model.buffers())}
    used: dict[str, set[int]] = {}
    for device in devices - {torch.device("cpu"), torch.device("meta")}:
        used.setdefault(device.type, set()).add(device.index or 0)
    python_state, numpy_state = random.getstate(), np.random.get_state()
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=[]))
        for kind, indices in used.items():
            if kind == "mps":  # has one generator, which fork_rng does not know
                stack.callback(torch.mps.set_rng_state, torch.mps.get_rng_state())
            else:
                stack.enter_context(torch.random.fork_rng(devices=sorted(indices), device_type=kind))
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)
