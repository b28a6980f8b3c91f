"""Training, `convitro.lab.train`, and the comparison of trainings, `convitro.lab.compare`."""

from convitro.lab.calibrate import calibrate
from convitro.lab.comparison.design import Design
from convitro.lab.comparison.experiment import compare
from convitro.lab.comparison.result import Comparison
from convitro.lab.folder import RunFolder
from convitro.lab.machine import Machine
from convitro.lab.networks import default_network, with_aggregation
from convitro.lab.recipe import Recipe
from convitro.lab.result import Epoch, Training
from convitro.lab.run import Run, trained
from convitro.lab.training import train

__all__ = [
    "Comparison",
    "Design",
    "Epoch",
    "Machine",
    "Recipe",
    "Run",
    "RunFolder",
    "Training",
    "calibrate",
    "compare",
    "default_network",
    "train",
    "trained",
    "with_aggregation",
]
