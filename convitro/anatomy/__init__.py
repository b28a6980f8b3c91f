"""The anatomy of a model: what its convolution layers did to one input, part by part, and what they cost."""

from convitro.anatomy.answers.find import answer
from convitro.anatomy.answers.result import Answer
from convitro.anatomy.cancellation import Cancellation
from convitro.anatomy.costs.rows import Row
from convitro.anatomy.costs.stacks import StackComparison, compare_stacks
from convitro.anatomy.costs.summarize import summary
from convitro.anatomy.costs.summary_table import Summary
from convitro.anatomy.diagnosis import Diagnosis, Finding, LayerState, diagnose
from convitro.anatomy.dissection import Anatomy, dissect
from convitro.anatomy.filters import FilterAnatomy
from convitro.anatomy.layer import LayerAnatomy
from convitro.anatomy.patches.found import TopPatches
from convitro.anatomy.patches.search import top_patches
from convitro.anatomy.pixel import PixelTrace
from convitro.anatomy.projections.deconvolution import deconvnet
from convitro.anatomy.projections.projection import Projection
from convitro.anatomy.receptive.field import Box, ReceptiveField, ReceptiveFields
from convitro.anatomy.receptive.network import receptive_field
from convitro.anatomy.rerun import rerun
from convitro.anatomy.stages import PoolGeometry

__all__ = [
    "Anatomy",
    "Answer",
    "Box",
    "Cancellation",
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
    "StackComparison",
    "Summary",
    "TopPatches",
    "answer",
    "compare_stacks",
    "deconvnet",
    "diagnose",
    "dissect",
    "receptive_field",
    "rerun",
    "summary",
    "top_patches",
]
