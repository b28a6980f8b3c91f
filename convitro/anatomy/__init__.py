"""The anatomy of a model: what its convolution layers did to one input, part by part."""

from convitro.anatomy.dissection import Anatomy, dissect
from convitro.anatomy.filters import FilterAnatomy
from convitro.anatomy.layer import LayerAnatomy
from convitro.anatomy.pixel import PixelTrace

__all__ = ["Anatomy", "FilterAnatomy", "LayerAnatomy", "PixelTrace", "dissect"]
