"""The anatomy of a model: what its convolution layers did to one input, part by part, and what they cost."""

from convitro.anatomy.count import Row
from convitro.anatomy.deconvolution import deconvnet
from convitro.anatomy.diagnosis import Diagnosis, Finding, LayerState, diagnose
from convitro.anatomy.dissection import Anatomy, dissect
from convitro.anatomy.filters import FilterAnatomy
from convitro.anatomy.layer import LayerAnatomy
from convitro.anatomy.pixel import PixelTrace
from convitro.anatomy.projection import Projection
from convitro.anatomy.receptive.field import Box, ReceptiveField, ReceptiveFields
from convitro.anatomy.receptive.network import receptive_field
from convitro.anatomy.stages import PoolGeometry
from convitro.anatomy.summarize import Summary, summary

__all__ = [
    "Anatomy",
    "Box",
    "Diagnosis",
    "FilterAnatomy",
    "Finding",
    "LayerAnatomy",
    "LayerState",
    "PixelTrace",
    "PoolGeometry",
    "Projection",
    "ReceptiveField",
    "ReceptiveFields",
    "Row",
    "Summary",
    "deconvnet",
    "diagnose",
    "dissect",
    "receptive_field",
    "summary",
]
