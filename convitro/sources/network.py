"""A network and what it takes: everything needed to show it a picture and to name what it answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convitro.errors import ArgumentError, LoadError, ShapeError, first_line
from convitro.sources.load import load

USUAL_SIDES = (28, 32, 64, 96, 128, 224, 256, 299)


@dataclass(frozen=True)
class Network:
    """A model with its input size, its normalisation and the names of its classes.

    Args:
        model: the network, in evaluation mode.
        name: how pages and tables call it.
        input_size: (C, H, W) of one picture.
        classes: one name per score, in order; empty if unknown.
        mean, std: what is subtracted from values between 0 and 1 and what then divides them: one number for
            all channels or one per channel.

    Raises:
        ArgumentError: as many means or deviations as there are neither channels nor one, or a deviation of 0.

    Example:
        >>> network = Network(nn.Conv2d(3, 8, 3), "one layer", (3, 32, 32), mean=(0.5,), std=(0.5,))
        >>> network.normalize(torch.ones(1, 3, 32, 32)).unique()
        tensor([1.])
    """

    model: nn.Module
    name: str
    input_size: tuple[int, int, int]
    classes: tuple[str, ...] = ()
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        channels = self.input_size[0]
        for label, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, channels) or (label == "std" and 0 in values):
                raise ArgumentError(
                    f"Network: `{label}` does not fit {channels} input channels.",
                    expected=f"1 or {channels} numbers" + (", none of them 0" if label == "std" else ""),
                    received=", ".join(f"{value:g}" for value in values) or "none",
                )

    def normalize(self, pixels: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H W"]:
        """What the network sees of pixels between 0 and 1: (pixels - mean) / std, channel by channel."""
        mean, std = self._numbers(pixels)
        return (pixels - mean) / std

    def pixels(self, normalized: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H W"]:
        """The pixels between 0 and 1 that the network sees like this."""
        mean, std = self._numbers(normalized)
        return normalized * std + mean

    def _numbers(self, like: Tensor) -> tuple[Tensor, Tensor]:
        mean, std = (like.new_tensor(values).reshape(-1, 1, 1) for values in (self.mean, self.std))
        return mean, std


def open_network(
    source: str | Path,
    arch: str | Callable[[], nn.Module] | None = None,
    *,
    input_size: tuple[int, int, int] | None = None,
    classes: Sequence[str] = (),
    mean: Sequence[float] = (0.0,),
    std: Sequence[float] = (1.0,),
) -> Network:
    """Load a model and make sure that it runs on its input size, which is found out where none is given.

    Args:
        source, arch: as for `convitro.load`.
        input_size: (C, H, W). By default the model's own `input_size`, or else the channels of its first
            convolution and the only usual side (28, 32, 64, 96, 128, 224, 256, 299) on which it runs.
        classes, mean, std: as in `Network`.

    Raises:
        LoadError: as `convitro.load`; or no single input size fits, so that it must be given.
        ShapeError: the model does not run on that input, or has another number of scores than `classes`.

    Example:
        >>> open_network("convitro.models:small_vgg", input_size=(3, 32, 32)).name
        'small_vgg'
    """
    model = load(source, arch)
    size = input_size or find_input_size(model)
    scores = run_once(model, size)
    if classes and not (isinstance(scores, Tensor) and scores.shape[-1] == len(classes)):
        raise ShapeError(
            "open_network: the names of the classes do not fit the scores of the network.",
            expected=f"{scores.shape[-1]} names"
            if isinstance(scores, Tensor)
            else "a network that gives scores",
            received=f"{len(classes)} names, of which the first is {classes[0]!r}",
        )
    name = str(source).rpartition(":")[2] if not Path(source).is_file() else Path(source).stem
    return Network(model, name, size, tuple(classes), tuple(mean), tuple(std))


def find_input_size(model: nn.Module) -> tuple[int, int, int]:
    """The model's own `input_size`, or the only usual one on which it runs."""
    own = getattr(model, "input_size", None)
    if isinstance(own, Sequence) and len(own) == 3 and all(isinstance(extent, int) for extent in own):
        return own[0], own[1], own[2]
    channels = next((layer.in_channels for layer in model.modules() if isinstance(layer, nn.Conv2d)), 0)
    fitting = [side for side in USUAL_SIDES if channels and runs(model, (channels, side, side))]
    if len(fitting) == 1:
        return channels, fitting[0], fitting[0]
    raise LoadError(
        "open_network: the input size of this network cannot be told.",
        expected="input_size=(C, H, W); on the command line: --input 3x32x32",
        received=f"a network that runs on sides {', '.join(map(str, fitting))}"
        if fitting
        else f"a network that runs on no usual side with {channels or 'an unknown number of'} channels",
    )


def runs(model: nn.Module, input_size: tuple[int, int, int]) -> bool:
    """Whether the model takes an input of that size."""
    try:
        run_once(model, input_size)
    except ShapeError:
        return False
    return True


def run_once(model: nn.Module, input_size: tuple[int, int, int]) -> object:
    """The answer to an input of zeros; raises a ShapeError where the model raises anything."""
    try:
        with torch.no_grad():
            return model(torch.zeros(1, *input_size, dtype=dtype_of(model)))
    except Exception as error:  # the user's own forward may raise whatever it likes
        raise ShapeError(
            f"open_network: the network does not run on an input of {'x'.join(map(str, input_size))}.",
            expected="the channels, height and width that it was made for",
            received=f"{type(error).__name__}: {first_line(error)}",
            hint=getattr(error, "hint", "") or "on the command line: --input 3x32x32 sets them",
        ) from error


def dtype_of(model: nn.Module) -> torch.dtype:
    """The dtype in which a model computes."""
    dtypes = (entry.dtype for entry in model.parameters() if entry.is_floating_point())
    return next(dtypes, torch.get_default_dtype())


def parse_input_size(text: str) -> tuple[int, int, int]:
    """Read an input size as it is typed.

    Raises:
        ArgumentError: not three positive whole numbers.

    Example:
        >>> parse_input_size("3x32x32")
        (3, 32, 32)
    """
    parts = re.split("[x,]", text.lower())
    extents = [int(part) for part in parts if part.strip().isdecimal()]
    if len(parts) != 3 or len(extents) != 3 or min(extents) < 1:
        raise ArgumentError(
            f'"{text}" is not an input size.', expected="channels x height x width, such as 3x32x32"
        )
    return extents[0], extents[1], extents[2]


def read_classes(path: str | Path) -> tuple[str, ...]:
    """Read the names of classes, one per line, in the order of the scores.

    Raises:
        LoadError: no such file, not text, or no name in it.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LoadError(f'"{path}" cannot be read as names of classes.', received=str(error)) from error
    names = tuple(line.strip() for line in lines if line.strip())
    if not names:
        raise LoadError(f'"{path}" holds no names of classes.', expected="one name per line")
    return names
