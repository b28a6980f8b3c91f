"""Models of Keras 3, live or from a file, as torch modules. Keras is imported only when one is there."""

from convitro.sources.keras.convert import from_keras, is_keras_model
from convitro.sources.keras.loading import SUFFIXES, load_keras

__all__ = ["SUFFIXES", "from_keras", "is_keras_model", "load_keras"]
