"""`receptive_field`: which pixels of the image each unit of a network can see, worked out from one run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn.modules import pooling
from torch.nn.modules.conv import _ConvNd
from torch.utils._pytree import tree_leaves

from convitro.anatomy.costs.zeros import size_error, zeros
from convitro.anatomy.observe import Observer, check_model, check_visible, kind_of
from convitro.anatomy.receptive.call import Function, spellings
from convitro.anatomy.receptive.field import ReceptiveField, ReceptiveFields
from convitro.anatomy.receptive.follow import Follower
from convitro.anatomy.recognise import CONVOLUTIONS
from convitro.errors import ArgumentError, UnsupportedError
from convitro.geometry import check_choice
from convitro.sources.graph import Step

POOLINGS = (
    pooling._MaxPoolNd,
    pooling._AvgPoolNd,
    pooling._LPPoolNd,
    pooling._AdaptiveAvgPoolNd,
    pooling._AdaptiveMaxPoolNd,
    pooling._MaxUnpoolNd,
)
OWN_NAME = (_ConvNd, Step, *POOLINGS)  # modules whose call has their name
LAYERS: dict[Function, str] = {
    **dict.fromkeys(CONVOLUTIONS, "conv2d"),
    **dict.fromkeys(spellings(["conv_transpose2d"]), "conv_transpose2d"),
    **{
        function: name
        for name in ("max_pool2d", "avg_pool2d", "lp_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d")
        for function in spellings([name])
    },
    **dict.fromkeys(spellings(["max_unpool2d"]), "max_unpool2d"),
}
IMAGES = {"NCHW": (2, 3), "NHWC": (1, 2)}


class FieldObserver(Observer):
    """Watches one run and keeps the receptive field of every convolution and pooling.

    Args:
        model: what will run.
        dims: in which dimensions of its input rows and columns stand.
    """

    def __init__(self, model: nn.Module, dims: tuple[int, int]) -> None:
        super().__init__(model)
        self.fields: list[ReceptiveField] = []
        self.follower = Follower()
        self.image_size = (0, 0)
        self._dims = dims
        self._calls: Counter[str] = Counter()
        self._step_of: nn.Module | None = None  # in which the last field was found

    def started(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.follower = following(self)
        self.image_size = start_all(self.follower, (args, kwargs), self._dims)

    def left(self, module: nn.Module, output: Any) -> None:
        """A step of another framework may cut what its convolution made: its own output counts."""
        if isinstance(module, Step) and isinstance(output, Tensor) and self._step_of is module:
            layout, field = self.follower.of(output), self.fields[-1]
            if layout is not None:
                self.fields[-1] = ReceptiveField.of(field.name, field.kind, layout, self.image_size)

    def __torch_function__(
        self, func: Function, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = self.follower.call(func, args, kwargs or {})
        kind = LAYERS.get(getattr(func, "overloadpacket", func), LAYERS.get(func))
        if kind is not None:
            output = result[0] if isinstance(result, tuple) else result
            layout = self.follower.of(output)
            if layout is not None and output.ndim >= 3:
                module = self.innermost()
                path, own = self.shown_names[module], isinstance(module, OWN_NAME)
                name = self._numbered(path if path and own else f"{path}.{kind}".lstrip("."))
                shown = kind_of(module) if own else kind
                self.fields.append(ReceptiveField.of(name, shown, layout, self.image_size))
                self._step_of = module
        return result

    def _numbered(self, name: str) -> str:
        self._calls[name] += 1
        return name if self._calls[name] == 1 else f"{name}#{self._calls[name]}"


def following(observer: Observer) -> Follower:
    """A follower that knows which tensors the model had before its run."""
    model, state = observer.model, observer.state
    saved = [] if state is None else [item.tensor for item in state.tensors.values()]
    return Follower([*saved, *model.parameters(), *model.buffers()])


def start_all(follower: Follower, inputs: Any, dims: tuple[int, int] = IMAGES["NCHW"]) -> tuple[int, int]:
    """Every image among the inputs is what units see; their size, (0, 0) if there is none.

    Raises:
        UnsupportedError: images of several sizes, or compiled TorchScript, whose calls nobody can see.
    """
    tensors = [leaf for leaf in tree_leaves(inputs) if isinstance(leaf, Tensor)]
    images = [tensor for tensor in tensors if tensor.ndim == 4 and tensor.is_floating_point()]
    sizes = {(image.shape[dims[0]], image.shape[dims[1]]) for image in images}
    if len(sizes) > 1:
        raise UnsupportedError(
            "receptive_field: the model takes images of several sizes.",
            expected="one size for all",
            received=", ".join(f"{rows} x {columns}" for rows, columns in sorted(sizes)),
        )
    for image in images:
        follower.start(image, *dims)
    return sizes.pop() if sizes else (0, 0)


def receptive_field(
    model: nn.Module,
    input_size: int | Sequence[Any] | None = None,
    *,
    layout: str | None = None,
    mode: str = "eval",
) -> ReceptiveFields:
    """Which pixels each unit of a network can see, for every convolution and pooling.

    The model runs once on zeros, and every torch function that it calls is followed, so branches, shortcuts,
    dilation, uneven padding, cropping, upsampling, transposed convolutions, functions and layers used twice
    are what they are. `region` is exact at every place of this image: the smallest box with all pixels that
    can matter to a unit. Where a function is not known, everything it gets is taken to be seen, and the
    layer says so (`loose`).

    Channels are not told apart: a unit is a row and a column of a layer, and what any of its channels can
    see counts. A weight that happens to be zero is not noticed, a function that cannot look at a pixel is.

    Args:
        model: any torch.nn.Module.
        input_size: (C, H, W) or (N, C, H, W); (H, W) or one number where the first convolution says how many
            channels there are; a list of sizes for several inputs, of which those with four dimensions are
            images of one size. None for a network that knows its own.
        layout: "NCHW" or "NHWC": how the model takes its images; None for channels first, or, if it is a live
            Keras model, for its own order.
        mode: run in "eval" or "train" mode, or in the "same" mode in which the model is. In training a batch
            normalisation sees the whole map, and so does everything after it.

    Returns:
        A mapping: layer name -> `ReceptiveField` with `.size`, `.stride`, `.start`, `.center`, each (rows,
        columns), and `.region(y, x)`. Its `str()` is a table.

    Raises:
        ArgumentError: an argument is outside what it may be.
        ShapeError: the model cannot run on images of that size; its own error is the cause.
        UnsupportedError: images of several sizes.

    Units: pixels of the image. `start` is the row (column) of the first pixel that unit (0, 0) sees, 0 being
        the first of the image, and is negative where padding comes first.

    Source: Araujo, Norris & Sim 2019, "Computing Receptive Fields of Convolutional Neural Networks",
        Distill, for the words and the numbers of known networks; the intervals for every unit are our own.

    Example:
        >>> last = nn.Conv2d(8, 8, 3, padding=1)
        >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2), last)
        >>> fields = receptive_field(model, (3, 16, 16))
        >>> print(fields)
        receptive fields of Sequential on an image of 16x16
         layer   kind        map     size   stride   start
        ───────────────────────────────────────────────────
         0       Conv2d      14x14      3        1       0
         2       MaxPool2d   7x7        4        2       0
         3       Conv2d      7x7        8        2      -2
        size, stride, start: (rows, columns) in pixels, one number where both are equal
        >>> fields.region("3", 0, 0), fields.region("3", 0, 0, clipped=False)
        (Box(top=0, left=0, bottom=6, right=6), Box(top=-2, left=-2, bottom=6, right=6))
    """
    model = check_model(model, "receptive_field")
    if layout is not None:
        check_choice(layout, tuple(IMAGES), "receptive_field: unknown layout.")
    check_choice(mode, ("same", "eval", "train"), "receptive_field: unknown mode.")
    dims = image_dims(model) if layout is None else IMAGES[layout]
    input = zeros(model, full_size(model, input_size, dims), caller="receptive_field")
    observer = FieldObserver(model, dims)
    try:
        observer.run(input, mode)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        if isinstance(error, UnsupportedError):
            raise
        raise size_error("receptive_field", input, error) from error
    if not observer.fields:
        check_visible(model, "receptive_field")
    name = str(getattr(model, "own_name", type(model).__name__))
    return ReceptiveFields(name, observer.image_size, tuple(observer.fields), warnings_of(observer.follower))


def warnings_of(follower: Follower) -> tuple[str, ...]:
    """What could not be followed, in words."""
    found = []
    if follower.left_torch:
        found.append(f"not followed: values that left PyTorch ({follower.left_torch})")
    if follower.decided:
        found.append(f"not followed: decisions by values ({follower.decided})")
    return tuple(found)


def image_dims(model: nn.Module) -> tuple[int, int]:
    """In which dimensions of its input a model has rows and columns; live ones of Keras, ONNX differ."""
    ports = getattr(model, "ports_in", ())
    turn = ports[0].turn if ports else None
    return (turn[2], turn[3]) if turn is not None and len(turn) == 4 else IMAGES["NCHW"]


def own_size(model: nn.Module) -> tuple[int | None, ...] | None:
    """(C, H, W) of what a network says that it takes; None for what may be anything."""
    ports = getattr(model, "ports_in", ())
    if ports and len(ports[0].shape) == 4:
        return tuple(ports[0].shape[at] for at in (ports[0].turn or range(4))[1:])
    return getattr(model, "input_size", None)


def takes(model: nn.Module, size: Sequence[int]) -> bool:
    """Whether a network of another framework takes images of a size; those of torch do not say."""
    ports = getattr(model, "ports_in", ())
    wanted = ports[0].shape[1:] if ports else size
    return all(goal in (None, given) for goal, given in zip(wanted, size, strict=False))


def full_size(model: nn.Module, input_size: Any, dims: tuple[int, int]) -> Sequence[Any]:
    """The size of an image with its channels, which the model or its first convolution knows.

    Raises:
        ArgumentError: no size, or none without a convolution that says how many channels there are.
    """
    own, last = own_size(model), dims == IMAGES["NHWC"]
    if input_size is None and own is not None:
        input_size = (*own[1:], own[0]) if last else own
    if isinstance(input_size, int):
        input_size = (input_size, input_size)
    plain = isinstance(input_size, Sequence) and all(isinstance(n, int) for n in input_size)
    if plain and len(input_size) == 2:
        conv = next((module for module in model.modules() if isinstance(module, nn.Conv2d)), None)
        channels = conv.in_channels if conv is not None else own[0] if own else None
        if channels is not None:
            input_size = (*input_size, channels) if last else (channels, *input_size)
    elif last and plain and len(input_size) == 3 and not takes(model, input_size):
        channels_last = (*input_size[1:], input_size[0])
        input_size = channels_last if takes(model, channels_last) else input_size
    several = isinstance(input_size, Sequence) and not plain
    if not several and (not plain or len(input_size) not in (3, 4)):
        raise ArgumentError(
            "receptive_field: `input_size` is no size of an image.",
            expected="(C, H, W), (N, C, H, W) or (H, W)",
            received=repr(input_size),
        )
    return (1, *input_size) if plain and len(input_size) == 3 else input_size
