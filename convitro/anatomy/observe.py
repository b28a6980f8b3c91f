"""Run a model once under observation: which module is running, which torch function is called."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from convitro.anatomy.preserve import ModelState, preserved
from convitro.errors import ArgumentError, UnsupportedError, missing_call
from convitro.sources import as_module
from convitro.sources.graph import Graph, Step
from convitro.sources.network import dtype_of


class Observer(TorchFunctionMode):
    """Follows a running model: a subclass overrides `__torch_function__`, `started`, `entered`, `left`.

    `names` are the modules' paths; `shown_names` are what people call them: the same, save for the steps of a
    network from another framework, which have its names. The hooks are PyTorch's global ones, so the hook
    dicts of the model itself stay untouched; what other threads run meanwhile is ignored.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.names = {module: name for name, module in model.named_modules()}
        self.shown_names = {module: shown_name(module, name) for module, name in self.names.items()}
        self.running: list[nn.Module] = []
        self.state: ModelState | None = None
        self._thread = threading.get_ident()

    def started(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Called right before the model is, with the copies that it will get."""

    def entered(self, module: nn.Module, args: Any) -> None:
        """Called when `module` of the model begins its forward with the positional arguments `args`."""

    def left(self, module: nn.Module, output: Any) -> None:
        """Called when the forward of `module` has returned `output`, or raised: then `output` is None."""

    def innermost(self) -> nn.Module:
        """The innermost running module that the model knows by name."""
        return next((module for module in reversed(self.running) if module in self.names), self.model)

    def before_module(self, module: nn.Module, args: Any) -> None:
        """PyTorch's global hook: calls `entered` for the modules that the model knows by name."""
        if threading.get_ident() == self._thread:
            self.running.append(module)
            if module in self.names:
                with torch._C.DisableTorchFunction():  # to look at a tensor is no part of the run
                    self.entered(module, args)

    def after_module(self, module: nn.Module, args: Any, output: Any) -> None:
        """PyTorch's global hook: calls `left` for the modules that the model knows by name."""
        if threading.get_ident() == self._thread:
            self.running.pop()
            if module in self.names:
                with torch._C.DisableTorchFunction():
                    self.left(module, output)

    def run(self, input: Any, mode: str = "same") -> Any:
        """Run the model on a copy of `input`, in "train", "eval" or its own mode, and leave it as it was.

        Returns:
            A detached copy of what the model returned.
        """
        with self.prepared(mode):
            args, kwargs = tree_map(copied, call_arguments(input))
            self.started(args, kwargs)
            with self:
                output = self.model(*args, **kwargs)
            return tree_map(copied, output)

    @contextmanager
    def prepared(self, mode: str = "same") -> Iterator[None]:
        """While this lasts the model may run, and its modules are followed; afterwards it is as it was."""
        with ExitStack() as stack:
            self.state = stack.enter_context(preserved(self.model))
            stack.callback(setattr, self, "state", None)
            if mode != "same":
                self.model.train(mode == "train")
            if "torch._dynamo" in sys.modules:
                stack.enter_context(compiled_parts_run_as_written())
            stack.callback(register_module_forward_pre_hook(self.before_module).remove)
            stack.callback(register_module_forward_hook(self.after_module, always_call=True).remove)
            yield


def shown_name(module: nn.Module, path: str) -> str:
    """What people call a module of a model."""
    return module.own_name if isinstance(module, Step) else path


def model_name(model: nn.Module) -> str:
    """What a model is called: by its framework, or by its class."""
    return model.own_name if isinstance(model, Graph) else type(model).__name__


def kind_of(module: nn.Module) -> str:
    """What sort of module it is: its class, or its framework's word."""
    return module.kind if isinstance(module, Step) else type(module).__name__


@contextmanager
def compiled_parts_run_as_written() -> Iterator[None]:
    """Let compiled modules run their Python code, where their calls can be seen."""
    with warnings.catch_warnings(), torch.compiler.set_stance("force_eager"):
        warnings.filterwarnings("ignore", r"Using `torch.compile\(module\)` when there are global hooks")
        yield


def copied(item: Any) -> Any:
    """A tensor becomes a detached copy; anything else stays."""
    return item.detach().clone() if isinstance(item, Tensor) else item


def call_arguments(input: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What `model(...)` is called with: a tuple fills the arguments in order, a mapping by name."""
    if isinstance(input, Mapping):
        return (), dict(input)
    return (tuple(input) if isinstance(input, tuple) else (input,)), {}


def check_model(model: Any, caller: str) -> nn.Module:
    """`model` as a torch module, whatever framework or file it comes from, without torch.compile's wrapper.

    Raises:
        ArgumentError: nothing that a module can be made of, or one whose lazy parameters have no shape yet.
        LoadError, UnsupportedError: a file that cannot be loaded.
    """
    model = as_module(model)
    if not isinstance(model, nn.Module):
        raise ArgumentError(
            f"{caller}: `model` is not a torch.nn.Module.",
            expected="an instance of torch.nn.Module, or a model of Keras or ONNX, or what `load` takes",
            received=f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__,
            hint=missing_call(model),
        )
    model = getattr(model, "_orig_mod", model)
    tensors = (*model.named_parameters(), *model.named_buffers())
    lazy = [name for name, tensor in tensors if nn.parameter.is_lazy(tensor)]
    if lazy:
        raise ArgumentError(
            f"{caller}: `model` has lazy parameters that have no shape yet.",
            expected="a model whose parameters all have their shapes",
            received=", ".join(lazy[:3]) + (" …" if len(lazy) > 3 else ""),
            hint="call the model once on real data; that fixes them",
        )
    return model


def check_visible(model: nn.Module, caller: str) -> None:
    """Where no convolution was seen: raise if that is because nobody can see it.

    Raises:
        UnsupportedError: parts of the model are compiled TorchScript, whose calls are hidden.
    """
    if hidden_parts(model):
        raise UnsupportedError(
            f"{caller}: a TorchScript model hides its convolutions.",
            expected="the Python model that was scripted or traced",
            received=type(model).__name__,
        )


def hidden_parts(model: nn.Module) -> list[str]:
    """The names of the parts that are compiled TorchScript, without the parts of these."""
    found: list[str] = []
    for name, module in model.named_modules():
        within = any(not part or name.startswith(part + ".") for part in found)
        if isinstance(module, torch.jit.ScriptModule) and not within:
            found.append(name)
    return found


def check_input(input: Any, caller: str, model: nn.Module) -> Any:
    """`input` with its arrays as tensors of the dtype of `model`, provided there is a tensor in it at all.

    Raises:
        ArgumentError: there is no tensor in it, however deep.
    """
    input = tree_map(partial(as_tensor, like=dtype_of(model)), input)
    if not any(isinstance(leaf, Tensor) for leaf in tree_leaves(call_arguments(input))):
        raise ArgumentError(
            f"{caller}: `input` holds no tensor.",
            expected="a tensor (N, C, H, W), or a tuple or dict of the model's arguments",
            received=type(input).__name__,
        )
    return input


def as_tensor(item: Any, like: torch.dtype) -> Any:
    """An array becomes a tensor of that dtype; anything else stays."""
    return torch.from_numpy(np.array(item)).to(like) if isinstance(item, np.ndarray) else item


def device_of(model: nn.Module) -> torch.device:
    """Where a model computes: where its first parameter lies."""
    return next((tensor.device for tensor in model.parameters()), torch.device("cpu"))


def batch_for(model: nn.Module, batch_size: int) -> int:
    """How many images a model is given at a time: so many, or as many as it takes at all."""
    own = model.batch if isinstance(model, Graph) else None
    return own or batch_size


def version_of(tensor: Tensor) -> int:
    """How often the tensor was changed in place; inference tensors do not count."""
    return 0 if tensor.is_inference() else tensor._version
