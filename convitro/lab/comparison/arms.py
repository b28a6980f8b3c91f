"""An arm of a comparison: what every convolution of its networks computes, from a name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from convitro.aggregation import aggregations, operator
from convitro.errors import ArgumentError, closest
from convitro.lab.networks import exchange
from convitro.nn import Conv2d
from convitro.presets import PRESETS, PresetConv2d

OUTSIDE = r"(?![^(]*\))"
"""Behind a sign: it does not stand between brackets."""


@dataclass(frozen=True)
class Arm:
    """One way of computing a convolution.

    Attributes:
        name: what stands in tables; the same arm always has the same name.
        combine, window, aggregation: as for `convitro.Conv2d`, where it is no preset.
        preset: a name of `convitro.presets.PRESETS`, or "".
        parameters: the preset's own.

    Example:
        >>> Arm.parse("logsumexp(beta=5)").name, Arm.parse("add:max:sum").window, Arm.parse("adder").preset
        ('logsumexp(beta=5.0)', 'max', 'adder')
    """

    name: str
    combine: str = "multiply"
    window: str = "sum"
    aggregation: str = "sum"
    preset: str = ""
    parameters: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Arm:
        """The arm that a text names.

        Args:
            text: an aggregation ("max", "logsumexp(beta=5.0)"), a preset ("adder",
                "sharpened_cosine(p=1.5)"), or "combine:window:aggregation" ("add:max:sum").

        Raises:
            ArgumentError: there is no such thing, or it changes the number of maps ("none").
        """
        if not isinstance(text, str) or not text.strip():
            raise ArgumentError(
                "compare: an arm is not a name.", expected='such as "max" or "adder"', received=repr(text)
            )
        text = text.strip()
        word = text.partition("(")[0].strip()
        if word in PRESETS:
            return cls._of_preset(word, text)
        parts = re.split(f":{OUTSIDE}", text)
        if len(parts) == 1 and word not in aggregations():
            known = (*(name for name in aggregations() if name != "none"), *PRESETS)
            raise ArgumentError(
                "compare: unknown arm.",
                expected=", ".join(known) + ', or "combine:window:aggregation"',
                received=repr(text),
                hint=closest(word, known),
            )
        if len(parts) not in (1, 3):
            raise ArgumentError(
                "compare: this arm cannot be read.",
                expected='"combine:window:aggregation", such as add:max:sum',
                received=repr(text),
            )
        return cls._of_operator(*(parts if len(parts) == 3 else ("multiply", "sum", text)))

    @classmethod
    def _of_operator(cls, combine: str, window: str, aggregation: str) -> Arm:
        chosen = operator(aggregation.strip(), window.strip(), combine.strip())
        if chosen.aggregation.separate:
            raise ArgumentError(
                f'compare: "{chosen.aggregation.name}" cannot be an arm.',
                expected="an aggregation that makes one map for each filter",
                received="one that keeps every partial map, so that the next layers no longer fit",
            )
        specs = chosen.combine.name, chosen.window.spec, chosen.aggregation.spec
        return cls(specs[2] if chosen.multiplies_and_adds else ":".join(specs), *specs)

    @classmethod
    def _of_preset(cls, preset: str, text: str) -> Arm:
        inside = text[len(preset) :].strip()
        if inside and not (inside.startswith("(") and inside.endswith(")")):
            raise ArgumentError(
                "compare: this arm cannot be read.", expected=f"{preset}(name=value)", received=repr(text)
            )
        pairs = [pair.partition("=") for pair in inside[1:-1].split(",") if pair.strip()]
        parameters = tuple(sorted((key.strip(), _value(value.strip())) for key, _, value in pairs))
        own = ",".join(f"{key}={value}" for key, value in parameters)
        arm = cls(f"{preset}({own})" if own else preset, preset=preset, parameters=parameters)
        with torch.random.fork_rng(devices=[]):
            arm.layer(nn.Conv2d(1, 1, 1, device="meta"))  # refuses what does not fit
        return arm

    def layer(self, convolution: nn.Conv2d) -> nn.Conv2d:
        """The same layer under this arm. It shares the parameters, it does not copy them."""
        geometry: Any = (
            convolution.in_channels,
            convolution.out_channels,
            convolution.kernel_size,
            convolution.stride,
            convolution.padding,
            convolution.dilation,
            convolution.groups,
            convolution.bias is not None,
            convolution.padding_mode,
            convolution.weight.device,
        )
        made: nn.Conv2d
        if self.preset:
            made = PresetConv2d(self.preset, *geometry, **dict(self.parameters))
        else:
            choices = {"combine": self.combine, "window": self.window, "aggregation": self.aggregation}
            made = Conv2d(*geometry, **choices)  # type: ignore[arg-type]
        made.weight, made.bias = convolution.weight, convolution.bias
        return made

    def take(self, network: nn.Module) -> nn.Module:
        """`network` with every convolution under this arm; in place, parameters and names kept."""
        layers = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
        return exchange(network, {layer: self.layer(layer) for layer in layers})


def parse_arms(texts: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    """The names of arms, from a list or from one text with commas between them.

    Raises:
        ArgumentError: an unknown arm, or the same one twice.

    Example:
        >>> parse_arms("sum, kervolution(kernel=gaussian,gamma=0.1),adder")
        ('sum', 'kervolution(gamma=0.1,kernel=gaussian)', 'adder')
    """
    parts = re.split(f",{OUTSIDE}", texts) if isinstance(texts, str) else list(texts)
    names = tuple(Arm.parse(part).name for part in parts)
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ArgumentError(
            "compare: an arm stands there twice.", expected="each once", received=", ".join(twice)
        )
    return names


def _value(text: str) -> Any:
    """A number where it is one, whole where it is written so; else the word."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
