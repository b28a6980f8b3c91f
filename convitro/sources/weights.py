"""Weights from files, safely: what a file holds is read as tensors and never executed."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present

from convitro.errors import LoadError, UnsupportedError
from convitro.sources.inert import extras_stand_still

# Where training scripts put the weights of a checkpoint; averaged ones only where there are no others.
NORMAL = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "params")
AVERAGED = ("ema_state_dict", "state_dict_ema", "model_ema", "ema_model", "ema", "params_ema")
WRAPPERS = (*NORMAL, *AVERAGED)
# What parallel training, torch.compile and the modules around a network put before its names.
PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.")
OTHER_FORMATS = {".pb": "TensorFlow", ".tflite": "TensorFlow Lite", ".caffemodel": "Caffe"}
LISTED = 8  # names per kind in an error; a whole ResNet of them helps nobody


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file, or a state dict saved with `torch.save`, onto the CPU.

    A checkpoint's own wrapping, such as {"state_dict": ...}, is taken off, and what a training script keeps
    beside the weights (arguments, scores, dates) is passed over. A file that holds code is refused.

    Raises:
        LoadError: the file is damaged, holds code, or holds no weights.
        UnsupportedError: it belongs to another framework.
    """
    if path.suffix in OTHER_FORMATS:
        raise UnsupportedError(
            f'load: "{path}" is a model of {OTHER_FORMATS[path.suffix]}, which cannot be opened.',
            expected="a model of PyTorch, Keras or ONNX",
            hint="converted to ONNX it can",
        )
    state = read_safetensors(path) if path.suffix == ".safetensors" else read_pickled(path)
    state = unwrapped(state)
    if not isinstance(state, dict) or not holds_weights(state):
        raise LoadError(
            f'load: "{path}" holds no weights.',
            expected="a state dict: names and tensors",
            received=describe(state),
            hint="save with `torch.save(model.state_dict(), path)`",
        )
    return state


def unwrapped(state: object) -> object:
    """What lies inside the dictionaries of a checkpoint."""
    seen = 0
    while isinstance(state, Mapping) and seen <= len(WRAPPERS):  # a pickle may hold itself
        inner = next((state[name] for name in WRAPPERS if isinstance(state.get(name), Mapping)), None)
        inner = only_one(state) if inner is None else inner
        if inner is None:
            break
        state, seen = inner, seen + 1
    return state


def only_one(state: Mapping[Any, Any]) -> object:
    """What holds the weights under a name that is not a usual one, where nothing else can be meant."""
    if holds_weights(state):
        return None
    inside = [entry for entry in state.values() if isinstance(entry, Mapping) and entry]
    inside = inside if len(inside) == 1 else [entry for entry in inside if holds_weights(entry)]
    return inside[0] if len(inside) == 1 else None


def renamed(state: dict[str, Tensor], own: Iterable[str]) -> dict[str, Tensor]:
    """`state` with the names that the architecture uses, where only what stands before them differs."""
    own = tuple(own)
    if any("._orig_mod." in name for name in state) and not any("_orig_mod" in name for name in own):
        for name in list(state):  # parts that were compiled
            state[name.replace("._orig_mod.", ".")] = state.pop(name)
    more = True
    while more:
        more = False
        for prefix in PREFIXES:
            whole = bool(state) and all(name.startswith(prefix) for name in state)
            if whole and not any(name.startswith(prefix) for name in own):
                consume_prefix_in_state_dict_if_present(state, prefix)
                more = True
    return within(state, own)


def within(state: dict[str, Tensor], own: tuple[str, ...]) -> dict[str, Tensor]:
    """`state` without what stands before every name, where just the names of the architecture remain."""
    for name in state:
        before = name[: -len(own[0])] if own and name.endswith(own[0]) else ""
        if before and {before + each for each in own} == state.keys():
            return {each: state[before + each] for each in own}
    return state


def fit(model: nn.Module, state: dict[str, Tensor], origin: str) -> None:
    """Load `state` into `model`, entry for entry.

    Prefixes that say nothing about the architecture are taken off: "module." of parallel training,
    "_orig_mod." of torch.compile, "model." of a module that trained the network, and any other one that
    leaves just the architecture's names.

    Raises:
        LoadError: entries are missing, unexpected or of another shape; the error lists them.
    """
    own = {name: entry for name, entry in model.state_dict().items() if isinstance(entry, Tensor)}
    state = renamed(state, own)
    reshaped = [
        f"{name} {tuple(state[name].shape)} instead of {tuple(entry.shape)}"
        for name, entry in own.items()
        if isinstance(state.get(name), Tensor) and state[name].shape != entry.shape
    ]
    missing: Iterable[str] = own.keys() - state.keys()
    unexpected: Iterable[str] = state.keys() - own.keys()
    if not reshaped:
        try:  # the model's own loading may know more, such as older names of an entry
            missing, unexpected = model.load_state_dict(state, strict=False)
        except RuntimeError as error:
            raise LoadError(f"load: {origin} does not fit the architecture.", received=str(error)) from error
    faults = {"missing": sorted(missing), "unexpected": sorted(unexpected), "wrong shape": reshaped}
    if any(faults.values()):
        raise LoadError(
            f"load: {origin} does not fit the architecture.",
            expected=f"{len(own)} entries, each with its name and shape",
            received="; ".join(f"{kind}: {listing(names)}" for kind, names in faults.items() if names),
            hint="build the architecture that the weights were trained in",
        )


def read_safetensors(path: Path) -> object:
    """What a safetensors file holds; a LoadError where it is damaged."""
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise damaged(path) from error


def read_pickled(path: Path) -> object:
    """What a file of torch.save holds, read without running code; a LoadError where it asks for that."""
    try:
        with warnings.catch_warnings(), extras_stand_still():
            warnings.simplefilter("ignore", UserWarning)  # torch announces TorchScript, then raises
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle may make the unpickler raise anything
        program = program_in(path)
        if program:
            raise program from error
        forbidden = re.search(r"GLOBAL ([\w.]+)", str(error))
        if forbidden is None:
            raise damaged(path) from error
        raise LoadError(
            f'load: "{path}" holds more than weights. What a pickle holds besides is code; it was not run.',
            expected="a state dict: names and tensors",
            received=f"a call of `{forbidden[1]}`",
            hint="save with `torch.save(model.state_dict(), path)`, or as safetensors",
        ) from error


def program_in(path: Path) -> LoadError | None:
    """The error for an archive that holds a program beside its weights; None for anything else."""
    try:
        with zipfile.ZipFile(path) as archive:
            inside = {name.partition("/")[2] for name in archive.namelist()}
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return None
    if any(name.startswith("models/") for name in inside) or "archive_format" in inside:
        return LoadError(
            f'load: "{path}" is a program of torch.export.', hint="rename the file so that it ends in .pt2"
        )
    if not any(name.startswith("code/") or name == "constants.pkl" for name in inside):
        return None
    return LoadError(
        f'load: "{path}" is a TorchScript program. What it calls cannot be seen, and its code is not run.',
        expected="a state dict, or a program of torch.export (.pt2)",
        hint="`torch.save(torch.jit.load(path).state_dict(), new_path)`, if you trust the file",
    )


def damaged(path: Path) -> LoadError:
    """The error for a file that cannot be read, with its size and first bytes."""
    try:
        with path.open("rb") as file:
            data = file.read(8)
        received = f"{path.stat().st_size} bytes" + (f" that begin with {data!r}" if data else "")
    except OSError as error:  # not damaged, but out of reach
        received = str(error)
    return LoadError(
        f'load: "{path}" cannot be read as weights.',
        expected="a safetensors file, or a state dict saved with torch.save",
        received=received,
        hint="a damaged or incomplete file: save or download it again",
    )


def holds_weights(state: Mapping[Any, Any]) -> bool:
    """Names and tensors only; a module's own extra state may be anything."""
    return bool(state) and all(
        isinstance(name, str) and (isinstance(entry, Tensor) or name.endswith("_extra_state"))
        for name, entry in state.items()
    )


def describe(state: object) -> str:
    """What a file holds instead of a state dict, in a few words."""
    if isinstance(state, Mapping):
        return f"a dictionary of {listing([str(name) for name in state]) or 'nothing'}"
    return f"one {type(state).__name__}"


def listing(names: list[str]) -> str:
    """The first names between commas, and how many more there are."""
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
