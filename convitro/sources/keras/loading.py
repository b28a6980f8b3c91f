"""`load_keras`: a model from a file of Keras, whose description is checked before Keras sees it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from convitro.errors import ConvitroError, LoadError
from convitro.sources.keras.allowed import LARGEST_ITEM, check_config
from convitro.sources.keras.archive import read_archive, read_hdf5
from convitro.sources.keras.convert import from_keras, own_names
from convitro.sources.keras.network import KerasGraph

SUFFIXES = (".keras", ".h5", ".hdf5")
FEW_NUMBERS = 2**20
"""So many more numbers than its file a model may have: states of random layers are not always saved."""


def load_keras(path: Path) -> KerasGraph:
    """The torch module that a file of Keras describes, which takes maps as (N, C, H, W).

    Nothing in the file is executed: only layers of Keras itself are made, of sizes that the file's weights
    bear out, and layers of one's own that were registered with Keras beforehand.

    Args:
        path: a .keras file, or a whole model in HDF5.

    Raises:
        LoadError: the file is damaged, asks for other code or more memory than its weights; or no Keras.
        UnsupportedError: a model that cannot be opened, such as one with masks.

    Source: own.
    """
    from convitro.keras.backend import import_keras  # with which our own layer becomes known to Keras

    keras, origin = import_keras(), f'"{path}"'
    archive = path.suffix == ".keras"
    with TemporaryDirectory() as folder:
        found = read_archive(path, Path(folder)) if archive else read_hdf5(path)
        config, numbers, weights = found
        if not isinstance(config, dict) or not isinstance(config.get("config"), dict):
            raise LoadError(f"load: {origin} describes no model.", received=type(config).__name__)
        check_config(config, origin)
        make = described if archive else described_as_keras_2
        try:
            with warnings.catch_warnings(), own_names():
                warnings.simplefilter("ignore")  # of Keras, about training and older versions
                with without_memory(keras):
                    model = make(keras, config)
                    check_size(model, numbers, origin)
                model.load_weights(str(weights))
            return from_keras(model, channels_first=True, bound=LARGEST_ITEM)
        except ConvitroError:
            raise
        except Exception as error:  # whatever Keras raises at a description that does not fit
            raise LoadError(
                f"load: Keras cannot make the model that {origin} describes.",
                received=f"{type(error).__name__}: {first_line(error)}",
                hint="saved by another version of Keras? Its own keras.models.load_model may know more",
            ) from error


def described(keras: Any, config: dict[str, Any]) -> Any:
    """The model of a description of Keras 3, without weights."""
    return keras.saving.deserialize_keras_object(config, safe_mode=True)


def described_as_keras_2(keras: Any, config: dict[str, Any]) -> Any:
    """The model of a description in an HDF5 file, without weights."""
    kind = keras.Sequential if config.get("class_name") == "Sequential" else keras.Model
    return kind.from_config(config["config"])


def check_size(model: Any, numbers: int, origin: str) -> None:
    """Refuse a model that needs more numbers than its file has."""
    needed = sum(math.prod(variable.shape) for variable in model.variables)
    if needed > numbers + FEW_NUMBERS:
        raise LoadError(
            f"load: {origin} describes a larger model than it has weights for.",
            expected=f"at most {numbers:,} numbers",
            received=f"layers that need {needed:,}",
        )


@contextmanager
def without_memory(keras: Any) -> Iterator[None]:
    """Variables made inside get their memory when it ends, and none at all if it ends by an error."""
    from keras.src.backend.common import global_state

    waiting = global_state.get_global_attribute("uninitialized_variables")
    global_state.set_global_attribute("uninitialized_variables", [])
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
        with keras.StatelessScope():  # at whose end Keras gives memory to all that wait
            pass
    finally:
        global_state.set_global_attribute("uninitialized_variables", waiting)


def first_line(error: Exception) -> str:
    """The beginning of a message, without its colours."""
    text = str(error).replace("\x1b[1m", "").replace("\x1b[0m", "").strip()
    return next((line.strip() for line in text.splitlines() if line.strip()), "")[:200]
