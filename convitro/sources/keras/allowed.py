"""What the description of a Keras model may ask for: Keras' own layers and what belongs to them only.

Keras looks classes and functions up by the names that stand in a file. Here every name is checked before
Keras sees it, so that a file can make neither code run nor memory be taken beyond any size.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NoReturn

from convitro.errors import LoadError
from convitro.sources.keras.pointwise import BINARY, REDUCTIONS, UNARY

LARGEST_ITEM = 2**30
"""The largest number of values that one item of a batch may have anywhere in a model from a file."""
DEEPEST = 200
RANKED = """
    AdaptiveAveragePooling AdaptiveMaxPooling AveragePooling Conv ConvLSTM Cropping
    GlobalAveragePooling GlobalMaxPooling MaxPooling SpatialDropout UpSampling ZeroPadding
"""
PLAIN = """
    Activation ActivityRegularization Add AdditiveAttention AlphaDropout Attention Average
    BatchNormalization Bidirectional CategoryEncoding CenterCrop Concatenate Conv1DTranspose
    Conv2DTranspose Conv3DTranspose Dense DepthwiseConv1D DepthwiseConv2D Dot Dropout ELU
    EinsumDense Embedding Flatten GRU GRUCell GaussianDropout GaussianNoise GroupNormalization
    GroupQueryAttention Identity InputLayer LSTM LSTMCell LayerNormalization LeakyReLU Masking
    Maximum Minimum MultiHeadAttention Multiply Normalization PReLU Permute RMSNormalization RNN
    RandomBrightness RandomContrast RandomCrop RandomFlip RandomRotation RandomTranslation
    RandomZoom ReLU RepeatVector Rescaling Reshape Resizing SeparableConv1D SeparableConv2D
    SimpleRNN SimpleRNNCell Softmax SpectralNormalization StackedRNNCells Subtract TimeDistributed
    UnitNormalization
"""
LAYERS = frozenset(PLAIN.split()) | {f"{name}{rank}D" for name in RANKED.split() for rank in (1, 2, 3)}
FURTHER = """
    AveragePool Cast Celu Clip Concatenate Conv DepthwiseConv Einsum Elu Equal ExpandDims Flip Gelu
    GetItem Greater GreaterEqual HardTanh LeakyRelu Less LessEqual LogSoftmax Matmul MaxPool
    Moveaxis Normalize NotEqual Pad Prod Reshape Roll Softmax Split Squeeze Stack Std Swapaxes
    Transpose Var Where
"""
OPERATIONS = frozenset(FURTHER.split()) | {*UNARY, *BINARY, *REDUCTIONS}
MODELS = frozenset({"Functional", "Sequential", "Model"})
POLICIES = frozenset({"DTypePolicy", "FloatDTypePolicy", "DTypePolicyMap"})
VALUES = frozenset(
    {
        "__keras_tensor__",
        "__tensor__",
        "__numpy__",
        "__bytes__",
        "__ellipsis__",
        "__slice__",
        "__tuple__",
        "TensorShape",
    }
)
HOMES: dict[str, frozenset[str]] = {
    "keras": MODELS | POLICIES,
    "keras.models": MODELS,
    "keras.src.models.functional": MODELS,
    "keras.src.models.sequential": MODELS,
    "keras.src.models.model": MODELS,
    "keras.layers": LAYERS,
    "keras.dtype_policies": POLICIES,
    "keras.src.ops.numpy": OPERATIONS,
    "keras.src.ops.nn": OPERATIONS,
    "keras.src.ops.core": frozenset({"Cast"}),
    "keras.src.applications.convnext": frozenset({"LayerScale"}),
    "keras.src.activations.activations": frozenset({"ReLU"}),
}
PARTS = ("initializers", "regularizers", "constraints")
OWN = ("convitro.keras.layer", "convitro>Conv2D")
SHAPES = ("batch_shape", "batch_input_shape", "input_shape", "shape", "target_shape")
INTEGERS = {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
NUMBERS = INTEGERS | {"bool", "float16", "bfloat16", "float32", "float64"}


def check_config(config: Any, origin: str) -> None:
    """Raise a LoadError unless all that a description names is Keras' own; drop what only a training needs.

    Args:
        config: as JSON was read; nested "compile_config" entries become None.
        origin: names the file in the error.
    """
    for entry in dictionaries(config, origin):
        if "compile_config" in entry:
            entry["compile_config"] = None
        for key in SHAPES:
            check_shape(entry.get(key), origin)
        if "class_name" in entry:
            check_name(entry, origin)
        elif "registered_name" in entry or "module" in entry:
            refuse(origin, "an entry without a class")


def dictionaries(config: Any, origin: str) -> Iterator[dict[str, Any]]:
    """Every dictionary in a description, however deep."""
    waiting = [(config, 0)]
    while waiting:
        entry, depth = waiting.pop()
        if depth > DEEPEST:
            refuse(origin, f"entries nested more than {DEEPEST} deep")
        if isinstance(entry, dict):
            yield entry
            waiting += [(value, depth + 1) for value in entry.values()]
        elif isinstance(entry, list):
            waiting += [(value, depth + 1) for value in entry]


def check_shape(shape: Any, origin: str) -> None:
    """Refuse the shape of an item that no memory holds."""
    if isinstance(shape, list) and all(size is None or isinstance(size, int) for size in shape):
        values = math.prod(abs(size) or 1 for size in shape[1:] if size is not None)
        if values > LARGEST_ITEM:
            refuse(origin, f"a shape of {' x '.join(str(size) for size in shape)}")


def check_name(entry: dict[str, Any], origin: str) -> None:
    """Refuse a class or function that is not one of Keras' own, or registered by the program that loads."""
    name, module, registered = entry["class_name"], entry.get("module"), entry.get("registered_name")
    if not isinstance(name, str) or not isinstance(module, (str, type(None))):
        refuse(origin, "a class without a name")
    if name in ("Lambda", "__lambda__"):
        refuse(origin, "a Lambda layer")
    if name == "function":
        check_function(entry.get("config"), module, origin)
    elif name in VALUES:
        check_value(entry, origin)
    elif (module, registered) == OWN and name == "Conv2D":
        return
    elif module is None:  # as Keras 2 wrote it
        known = name in LAYERS | MODELS | POLICIES | OPERATIONS or is_part(name)
        if not known and not is_registered_layer(name):
            refuse(origin, f"the class `{name}`")
    elif registered not in (None, name):
        if not is_registered_layer(registered):
            refuse(origin, f"the class `{module}.{name}`")
    elif name not in HOMES.get(module, ()) and not is_part(name, module):
        refuse(origin, f"the class `{module}.{name}`")


def check_function(name: Any, module: str | None, origin: str) -> None:
    """Only activations go by the name of a function."""
    import keras

    activations = {known for known in dir(keras.activations) if not known.startswith("_")}
    homes = (None, "builtins", "keras.activations", "keras.src.activations.activations")
    named = isinstance(name, str) and name in activations - {"get", "serialize", "deserialize"}
    if not named or module not in homes:
        refuse(origin, f"the function `{module}.{name}`")


def check_value(entry: dict[str, Any], origin: str) -> None:
    """A constant is made of numbers."""
    inside = entry.get("config")
    dtype = inside.get("dtype") if isinstance(inside, dict) else None
    if entry["class_name"] in ("__tensor__", "__numpy__") and dtype not in NUMBERS:
        refuse(origin, f"a constant of dtype {dtype!r}")


def is_part(name: str, module: str | None = None) -> bool:
    """Whether it is an initialiser, regulariser or constraint of Keras."""
    import keras

    for part in PARTS:
        home = getattr(keras, part)
        base = {"initializers": "Initializer", "regularizers": "Regularizer", "constraints": "Constraint"}
        found = getattr(home, name, None)
        if module in (None, f"keras.{part}") and isinstance(found, type):
            return issubclass(found, getattr(home, base[part]))
    return False


def is_registered_layer(name: Any) -> bool:
    """Whether the program itself has registered a layer of that name with Keras, and so vouches for it."""
    import keras

    found = keras.saving.get_registered_object(name) if isinstance(name, str) else None
    return isinstance(found, type) and issubclass(found, keras.layers.Layer)


def refuse(origin: str, found: str) -> NoReturn:
    """The error for a description that asks for something else than layers."""
    unsafe = ", safe_mode=False" if found == "a Lambda layer" else ""
    raise LoadError(
        f"load: {origin} asks for more than layers of Keras. It was not run.",
        expected="layers, initialisers, regularisers, constraints and operations of Keras itself",
        received=found,
        hint=f"if you trust it: `keras.models.load_model(path{unsafe})` makes a live model, to give instead",
    )
