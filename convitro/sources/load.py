"""`convitro.load`: a model from an import path, from a file of weights, or from one that holds it whole."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from torch import nn

from convitro.errors import ArgumentError, LoadError
from convitro.sources.architecture import build, is_import_path
from convitro.sources.exported import from_exported
from convitro.sources.keras import SUFFIXES, load_keras
from convitro.sources.onnx import from_onnx
from convitro.sources.weights import fit, read_state_dict

# Files that hold an architecture as well as its weights.
WHOLE_MODELS: dict[str, Callable[[Path], nn.Module]] = {
    ".onnx": partial(from_onnx, channels_first=True),
    ".pt2": from_exported,
    **dict.fromkeys(SUFFIXES, load_keras),
}


def load(source: str | Path, arch: str | Callable[[], nn.Module] | None = None) -> nn.Module:
    """Load a trained model, in evaluation mode and on the CPU.

    Weights are read without executing anything that lies in the file, and must fit the architecture entry for
    entry. The architecture is code of your own, and importing it runs it, as importing always does. Models of
    ONNX, torch.export and Keras bring their architecture; they become graphs of steps with the names that
    they have there, and take pictures (N, C, H, W) whatever their own order is.

    Args:
        source: "module:callable", or the path of an ONNX model, a program of torch.export, a model of Keras
            (.keras, or a whole model as .h5), a safetensors file or a state dict that `torch.save` wrote (or
            one inside a checkpoint, as "state_dict" or "model").
        arch: what builds the architecture of a file of weights: "module:callable", or the callable itself.
            The current directory is searched first.

    Raises:
        LoadError: the file or the module is missing, damaged, holds code instead of weights, or does not fit.
        ArgumentError: `arch` beside a source that already names or holds an architecture.
        UnsupportedError: a model with operations that cannot be computed, or of another framework.

    Example:
        >>> from convitro.models import WEIGHTS
        >>> load("convitro.models:small_vgg").conv1_1
        Conv2d(3, 32, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
        >>> load(WEIGHTS, arch="convitro.models:small_vgg").training
        False
    """
    path = Path(source)
    if path.is_file():
        whole_model = WHOLE_MODELS.get(path.suffix.lower())
        if whole_model is not None:
            check_no_architecture(source, arch)
            return whole_model(path).eval()
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
            expected='a file of weights or of a model, or "module:callable"',
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
