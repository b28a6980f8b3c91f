"""Models of Keras 3, live or from a file, as torch modules. Keras is imported only when one is there."""

from convitro.sources.keras.convert import from_keras, is_keras_model

__all__ = ["from_keras", "is_keras_model"]
