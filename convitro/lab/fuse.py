"""A Sequential that runs convolution, activation and max-pool in one pass where they follow each other."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from convitro.nn import Conv2d, ConvBlock


class FusedSequential(nn.Sequential):
    """An nn.Sequential with the same children, names and state dict; only its forward is faster.

    `Conv2d`, activation and max-pool in a row are computed as one `ConvBlock`. Where somebody watches one of
    them (hooks, function modes, `convitro.dissect`) each runs on its own, as always.

    Example:
        >>> import torch
        >>> model = FusedSequential(Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
        >>> model(torch.zeros(1, 3, 8, 8)).shape, [type(step).__name__ for step in model.steps()]
        (torch.Size([1, 72]), ['ConvBlock', 'Flatten'])
    """

    _grouped: tuple[tuple[nn.Module, ...], tuple[nn.Module, ...]] = ((), ())

    def forward(self, input: Tensor) -> Tensor:
        """The last child's output."""
        for step in self.steps():
            input = step(input)
        return input

    def steps(self) -> tuple[nn.Module, ...]:
        """What runs one after the other; found anew whenever a child was exchanged."""
        children = tuple(self._modules.values())
        if children != self._grouped[0]:
            self._grouped = children, tuple(_groups(list(self)))
        return self._grouped[1]


def fuse(model: nn.Module) -> None:
    """Make every plain nn.Sequential inside `model`, itself included, a `FusedSequential`. In place."""
    for module in model.modules():
        if type(module) is nn.Sequential:
            module.__class__ = FusedSequential


def _groups(modules: list[nn.Module]) -> Iterator[nn.Module]:
    while modules:
        block, taken = _block(modules[:3])
        yield modules[0] if block is None else block
        del modules[:taken]


def _block(modules: list[nn.Module]) -> tuple[ConvBlock | None, int]:
    """The block that begins here, if any, and how many modules it stands for."""
    conv, activation, pool = (*modules, None, None)[:3]
    if not isinstance(conv, Conv2d) or activation is None:
        return None, 1
    if isinstance(pool, nn.MaxPool2d) and (whole := ConvBlock.from_modules(conv, activation, pool)):
        return whole, 3
    block = ConvBlock.from_modules(conv, activation)
    return block, 1 if block is None else 2
