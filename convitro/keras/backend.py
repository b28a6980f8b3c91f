"""Keras, imported with torch underneath unless somebody has chosen another backend."""

from __future__ import annotations

import os
import sys
from typing import Any

from convitro.errors import LoadError

PIP = 'pip install "convitro[keras]"'


def import_keras() -> Any:
    """The module `keras`.

    Raises:
        LoadError: Keras 3 or its backend is not installed.
    """
    if "keras" not in sys.modules:
        os.environ.setdefault("KERAS_BACKEND", "torch")
    try:
        import keras
    except ImportError as error:
        own = (error.name or "").partition(".")[0] in ("keras", "h5py")
        raise LoadError(
            "keras: Keras 3 is not installed." if own else "keras: Keras cannot be imported.",
            received="" if own else f"{type(error).__name__}: {error}",
            hint=PIP if own else "the environment variable KERAS_BACKEND names what Keras runs on",
        ) from error
    if int(keras.__version__.partition(".")[0]) < 3:
        raise LoadError(
            "keras: this Keras is too old.", expected="Keras 3.3", received=keras.__version__, hint=PIP
        )
    return keras
