"""The layer for Keras 3: `convitro.keras.Conv2D` is `keras.layers.Conv2D` with a choice of aggregation.

Importing this imports Keras, on torch unless a backend was chosen before.
"""

from convitro.keras.layer import Conv2D

__all__ = ["Conv2D"]
