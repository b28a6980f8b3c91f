"""The anatomy of a model: what its convolution layers did to one input, part by part, and what they cost."""

from convitro.anatomy.cancellation import Cancellation
from convitro.anatomy.count import Row
from convitro.anatomy.dissection import Anatomy, dissect
from convitro.anatomy.filters import FilterAnatomy
from convitro.anatomy.layer import LayerAnatomy
from convitro.anatomy.pixel import PixelTrace
from convitro.anatomy.rerun import rerun
from convitro.anatomy.stages import PoolGeometry
from convitro.anatomy.summarize import Summary, summary

__all__ = [
    "Anatomy",
    "Cancellation",
    "FilterAnatomy",
    "LayerAnatomy",
    "PixelTrace",
    "PoolGeometry",
    "Row",
    "Summary",
    "dissect",
    "rerun",
    "summary",
]
