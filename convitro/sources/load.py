"""`convitro.load`: a model from an import path or from a file of weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import nn

from convitro.errors import ArgumentError, LoadError
from convitro.sources.architecture import build, is_import_path
from convitro.sources.keras import SUFFIXES, load_keras
from convitro.sources.weights import fit, read_state_dict


def load(source: str | Path, arch: str | Callable[[], nn.Module] | None = None) -> nn.Module:
    """Load a trained model, in evaluation mode and on the CPU.

    Weights are read without executing anything that lies in the file, and must fit the architecture entry for
    entry. The architecture is code of your own, and importing it runs it, as importing always does.

    Args:
        source: "module:callable", or the path of a safetensors file or a state dict that `torch.save` wrote
            (also inside a checkpoint, as "state_dict", "model_state_dict" or "model"). Or a model of Keras
            (.keras, or a whole model as .h5), which then takes pictures as (N, C, H, W).
        arch: what builds the architecture of a file of weights: "module:callable", or the callable itself.
            The current directory is searched first.

    Raises:
        LoadError: the file or the module is missing, damaged, holds code instead of weights, or does not fit.
        ArgumentError: `arch` beside a source that already names an architecture.
        UnsupportedError: a file of another framework.

    Example:
        >>> from convitro.models import WEIGHTS
        >>> load("convitro.models:small_vgg").conv1_1
        Conv2d(3, 32, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
        >>> load(WEIGHTS, arch="convitro.models:small_vgg").training
        False
    """
    path = Path(source)
    if path.is_file() and path.suffix in SUFFIXES:
        check_no_architecture(source, arch)
        return load_keras(path)
    if path.is_file():
        if arch is None:
            raise LoadError(
                f'load: "{source}" holds weights; the network they belong to is needed too.',
                expected='arch="module:callable", such as arch="my_networks:small_net"',
                hint="on the command line: --arch module:callable",
            )
        model = build(arch)
        fit(model, read_state_dict(path), f'"{source}"')
        return model.eval()
    if not is_import_path(str(source)):
        raise LoadError(
            f'load: there is no file "{source}".',
            expected='a file of weights, or "module:callable"',
            received="a folder" if path.is_dir() else "",
        )
    check_no_architecture(source, arch)
    return build(str(source)).eval()


def check_no_architecture(source: str | Path, arch: object) -> None:
    """Raise an ArgumentError if an architecture is given beside a source that has its own."""
    if arch is not None:
        raise ArgumentError(
            f'load: "{source}" is an architecture itself.',
            expected="`arch` only beside a file of weights",
            received=f"arch={arch!r}",
        )
