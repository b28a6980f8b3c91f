"""Architectures named as "module:callable", imported as `python` would: the current directory comes first."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from torch import nn

from convitro.errors import LoadError, closest
from convitro.sources.keras import from_keras, is_keras_model

IMPORT_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


def is_import_path(text: str) -> bool:
    """Whether `text` has the form "package.module:name".

    Example:
        >>> is_import_path("my_nets:lenet"), is_import_path("weights.pt")
        (True, False)
    """
    return IMPORT_PATH.fullmatch(text) is not None


def build(arch: str | Callable[[], nn.Module]) -> nn.Module:
    """Make the network that `arch` stands for: "module:callable", the callable itself, or a module instance.

    Raises:
        LoadError: nothing of that name can be imported, or it needs arguments, raises, or makes no nn.Module.
    """
    target = import_target(arch) if isinstance(arch, str) else arch
    name = arch if isinstance(arch, str) else getattr(arch, "__qualname__", type(arch).__name__)
    if is_keras_model(target):  # before nn.Module: with torch underneath it is one
        return from_keras(target, channels_first=True)
    if isinstance(target, nn.Module):
        return target
    if not callable(target):
        raise wrong_target(name, target)
    try:
        model = target()
    except Exception as error:  # whatever the user's own function raises is shown, not hidden
        raise LoadError(
            f"load: {name}() raised an error.",
            expected="a callable without arguments that returns the network",
            received=f"{type(error).__name__}: {error}",
        ) from error
    if is_keras_model(model):
        return from_keras(model, channels_first=True)
    if not isinstance(model, nn.Module):
        raise wrong_target(f"{name}()", model)
    return model


def import_target(path: str) -> object:
    """The object that "module:name" stands for."""
    if not is_import_path(path):
        raise LoadError(
            f'load: "{path}" does not name an architecture.',
            expected='"module:callable", such as "my_networks:small_net"',
        )
    module_name, _, attributes = path.partition(":")
    target: object = import_module(module_name)
    for attribute in attributes.split("."):
        if not hasattr(target, attribute):
            public = [name for name in vars(target) if not name.startswith("_")]
            raise LoadError(f'load: "{module_name}" has no `{attribute}`.', hint=closest(attribute, public))
        target = getattr(target, attribute)
    return target


def import_module(name: str) -> ModuleType:
    """The module of that name, looked for in the current folder too; a LoadError where there is none."""
    folder = str(Path.cwd())
    if folder not in sys.path:  # the console script does not put it there; `python -m` and uvicorn do
        sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        if name == missing or name.startswith(missing + "."):
            hint = f"it is looked for in {folder} and among the installed packages"
        else:
            hint = f"`{name}` itself imports `{missing}`: install that first"
        raise LoadError(f"load: there is no module `{missing}`.", hint=hint) from error
    except Exception as error:  # a module that cannot be imported, for whatever reason of its own
        raise LoadError(
            f"load: importing `{name}` raised an error.", received=f"{type(error).__name__}: {error}"
        ) from error


def wrong_target(name: str, value: object) -> LoadError:
    """The error for an import path that leads to something else than a network."""
    return LoadError(
        f"load: {name} is not a network.",
        expected="a torch.nn.Module, or a callable without arguments that returns one",
        received=type(value).__name__,
    )
