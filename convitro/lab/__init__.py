"""Training, and what is learned from it: `convitro.lab.train`."""

from convitro.lab.calibrate import calibrate
from convitro.lab.folder import RunFolder
from convitro.lab.machine import Machine
from convitro.lab.networks import default_network, with_aggregation
from convitro.lab.recipe import Recipe
from convitro.lab.result import Epoch, Training
from convitro.lab.run import Run, trained
from convitro.lab.training import train

__all__ = [
    "Epoch",
    "Machine",
    "Recipe",
    "Run",
    "RunFolder",
    "Training",
    "calibrate",
    "default_network",
    "train",
    "trained",
    "with_aggregation",
]
