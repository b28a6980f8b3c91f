"""The embedded network: its architecture, its weights, and the script that trained it."""

from convitro.models.small_vgg import CLASSES, INPUT_SIZE, WEIGHTS, small_vgg

__all__ = ["CLASSES", "INPUT_SIZE", "WEIGHTS", "small_vgg"]
