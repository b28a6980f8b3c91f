"""The same picture of 1, 100 and 10000 in Keras: the usual script, with only the import of Conv2D changed."""

from convitro.keras import Conv2D  # isort: skip - first, so that Keras is imported on torch
import numpy as np
from keras.layers import Input
from keras.models import Model

import convitro

red = np.array([1] * 9).reshape((3, 3))
green = np.array([100] * 9).reshape((3, 3))
blue = np.array([10000] * 9).reshape((3, 3))

img = np.stack([red, green, blue], axis=-1)
img = np.expand_dims(img, axis=0)

inputs = Input((3, 3, 3))
conv = Conv2D(
    filters=1,
    strides=1,
    padding="valid",
    activation="relu",
    kernel_size=2,
    kernel_initializer="ones",
    bias_initializer="zeros",
)(inputs)
model = Model(inputs, conv)

print(model.predict(img, verbose=0))
model.summary()

# What Keras does not say: which channel brought what.
print(convitro.dissect(model, img.astype("float32"))["conv2d"].pixel(filter=0, y=0, x=0))
