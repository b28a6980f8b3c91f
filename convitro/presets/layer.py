"""Any preset as a module."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from convitro.errors import ArgumentError, UnsupportedError, closest
from convitro.geometry import check_choice, conv_problem, integer_pair
from convitro.nn import check_channels
from convitro.presets.named import FUNCTIONS


class PresetConv2d(nn.Conv2d):
    """A layer with torch.nn.Conv2d's parameters that computes a published operator.

    Weight, bias, initialisation and state dict are torch.nn.Conv2d's; the preset travels in the metadata of
    the state dict, and weights of another one are refused unless `strict=False`. The trap: the initialisation
    suits a sum of products. Most presets want a BatchNorm behind them.

    Args:
        preset: a name of `convitro.presets.PRESETS`.
        in_channels ... dtype: as for torch.nn.Conv2d.
        parameters: the preset's own, such as `gradient="adder"`.

    Shape: (N, C_in, H_in, W_in) -> (N, C_out, H_out, W_out), formulas as torch.nn.Conv2d. N may be missing.

    Raises:
        ArgumentError: no such preset, a parameter that it does not have, or a value out of range.

    Source: own; each preset names its own.

    Example:
        >>> layer = PresetConv2d("adder", 3, 8, kernel_size=3, padding=1, gradient="adder")
        >>> layer(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 8, 32, 32])
        >>> layer
        PresetConv2d(adder, 3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), gradient='adder')
    """

    def __init__(
        self,
        preset: str,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: torch.dtype | None = None,
        **parameters: Any,
    ) -> None:
        check_choice(preset, tuple(FUNCTIONS), "PresetConv2d: unknown preset.")
        _check_names(preset, parameters)
        check_channels(in_channels, out_channels, groups)
        kernel = integer_pair(kernel_size, "PresetConv2d: `kernel_size`", least=1)
        shape = (out_channels, in_channels // groups, *kernel)
        sliding = (stride, padding, dilation, groups)
        conv_problem(shape, *sliding, padding_mode=padding_mode, caller="PresetConv2d")
        FUNCTIONS[preset](*torch.ones(2, 1, 1, 1, 1, device="meta"), **parameters)  # refuses bad values
        geometry: Any = (kernel_size, *sliding, bias, padding_mode, device, dtype)
        super().__init__(in_channels, out_channels, *geometry)
        self.preset, self.parameters_of_preset = preset, dict(parameters)

    def forward(self, input: Tensor) -> Tensor:
        """The layer's maps, see the class."""
        sliding = (self.stride, self.padding, self.dilation, self.groups)
        own = {**self.parameters_of_preset, "padding_mode": self.padding_mode}
        return FUNCTIONS[self.preset](input, self.weight, self.bias, *sliding, **own)

    def described(self) -> Any:
        """Refuses: `convitro.plan` plans single operators, and a preset may be several."""
        raise UnsupportedError(
            "plan: a PresetConv2d is not one operator.",
            expected="a ConvBlock, a Conv2d or a torch.nn.Conv2d",
            received=f"PresetConv2d({self.preset})",
        )

    def extra_repr(self) -> str:
        """torch.nn.Conv2d's, the preset before it and its parameters behind."""
        own = [f"{name}={value!r}" for name, value in self.parameters_of_preset.items()]
        return ", ".join([self.preset, super().extra_repr(), *own])

    def _choices(self) -> str:
        own = ", ".join(f"{name}={value!r}" for name, value in sorted(self.parameters_of_preset.items()))
        return f"{self.preset}({own})"

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        getattr(destination, "_metadata", {}).setdefault(prefix[:-1], {})["preset"] = self._choices()

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: dict[str, Any], strict: bool, *lists: list[str]
    ) -> None:
        saved = local_metadata.get("preset", self._choices())
        if saved != self._choices():  # a key that is refused by strict=True and reported by strict=False
            lists[1].append(f"{prefix}preset={saved} (this layer has {self._choices()})")
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, *lists)


def _check_names(preset: str, parameters: dict[str, Any]) -> None:
    """Raise unless the preset has all these parameters."""
    known = [
        name
        for name, entry in inspect.signature(FUNCTIONS[preset]).parameters.items()
        if entry.kind is inspect.Parameter.KEYWORD_ONLY and name != "padding_mode"
    ]
    for name in parameters:
        if name not in known:
            raise ArgumentError(
                f'PresetConv2d: "{preset}" has no parameter `{name}`.',
                expected=", ".join(known) or "none of its own",
                received=name,
                hint=closest(name, known),
            )
