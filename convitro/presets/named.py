"""The presets by name."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from convitro.presets.distances import adder, euclid, linf_distance
from convitro.presets.morphology import max_plus, min_plus, smooth_morphology
from convitro.presets.similarities import cosine, kervolution, sharpened_cosine

FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    function.__name__: function
    for function in (
        adder,
        euclid,
        linf_distance,
        max_plus,
        min_plus,
        smooth_morphology,
        kervolution,
        cosine,
        sharpened_cosine,
    )
}
PRESETS = tuple(FUNCTIONS)
"""The names of all presets."""
