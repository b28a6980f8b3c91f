"""Published operators under their names, as functions with conv2d's signature and as one module."""

from convitro.presets.distances import adder, euclid, linf_distance
from convitro.presets.layer import PresetConv2d
from convitro.presets.morphology import max_plus, min_plus, smooth_morphology
from convitro.presets.named import PRESETS
from convitro.presets.similarities import cosine, kervolution, sharpened_cosine

__all__ = [
    "PRESETS",
    "PresetConv2d",
    "adder",
    "cosine",
    "euclid",
    "kervolution",
    "linf_distance",
    "max_plus",
    "min_plus",
    "sharpened_cosine",
    "smooth_morphology",
]
