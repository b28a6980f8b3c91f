"""What is wrong with a network, told by one pass over its data; each measure has a file of its own."""

from convitro.anatomy.diagnosis.diagnosis import Diagnosis, LayerState
from convitro.anatomy.diagnosis.examine import diagnose
from convitro.anatomy.diagnosis.finding import Finding

__all__ = ["Diagnosis", "Finding", "LayerState", "diagnose"]
