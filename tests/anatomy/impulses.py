"""What units really see, found by trying: one picture for each pixel, with nothing but that pixel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from convitro.anatomy.receptive.field import Box, ReceptiveField

Seen = dict[str, Tensor]


def positive(model: nn.Module) -> nn.Module:
    """The model in float64 with positive weights and no bias: whatever a unit sees makes it positive."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
            else:
                parameter.uniform_(0.5, 1.5)
    return model.double().eval()


def really_seen(
    model: nn.Module, size: tuple[int, int, int], value: float = 1.0, dtype: torch.dtype = torch.float64
) -> Seen:
    """By name of each module: (pixels, H, W), whether any channel of that unit depends on that pixel.

    Args:
        model: as `positive` makes it, or any if `value` is NaN.
        size: (C, H, W) of the image.
        value: of the one pixel; NaN shows what is read at all, be its weight zero.
        dtype: of the model; a network of another framework has its layers' own names here.
    """
    channels, height, width = size
    pixels = torch.zeros(height * width, channels, height, width, dtype=dtype)
    for pixel in range(height * width):
        pixels[pixel, :, pixel // width, pixel % width] = value
    seen: Seen = {}

    def keep(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            maps = output[0] if isinstance(output, tuple) else output
            if isinstance(maps, Tensor) and maps.ndim == 4:
                marked = maps.isnan() if value != value else maps.abs() > 1e-9
                seen[name] = marked.any(1)

        return hook

    handles = [
        module.register_forward_hook(keep(getattr(module, "own_name", name)))
        for name, module in model.named_modules()
    ]
    with torch.no_grad():
        model(pixels.permute(0, 2, 3, 1) if getattr(model, "ports_in", ()) else pixels)
    for handle in handles:
        handle.remove()
    return seen


def box_of(seen: Tensor, size: tuple[int, int, int], y: int, x: int) -> Box:
    """The smallest box around the pixels that unit (y, x) depends on."""
    pixels = seen[:, y, x].reshape(size[1:])
    if not pixels.any():
        return Box(0, 0, 0, 0)
    rows, columns = pixels.any(1).nonzero().flatten(), pixels.any(0).nonzero().flatten()
    return Box(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)


def check(field: ReceptiveField, seen: Tensor, size: tuple[int, int, int]) -> None:
    """Every unit's box is the one that was found by trying; a loose one has it inside."""
    height, width = field.map_size
    assert seen.shape[1:] == (height, width)
    for y in range(height):
        for x in range(width):
            found, said = box_of(seen, size, y, x), field.region(y, x)
            if field.exact:
                assert said == found, f"{field.name} ({y}, {x})"
            elif found.bottom:
                outer = (said.top <= found.top, said.left <= found.left)
                assert all((*outer, said.bottom >= found.bottom, said.right >= found.right)), field.loose
