"""Run a model so that a signal can be sent from the maps of one layer back to its input."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from convitro.anatomy.observe import call_arguments, copied
from convitro.anatomy.one_layer import OneLayer
from convitro.anatomy.projections.rules import PASSED, activate, normalize
from convitro.anatomy.recognise import ACTIVATIONS, BATCH_NORMS, CONVOLUTIONS, read_convolution
from convitro.errors import ArgumentError, UnsupportedError

Function = Callable[..., Any]
UNUSUAL = ("aggregation", "window", "combine")
USUAL = ("sum", "sum", "multiply")

# Nodes of a graph about which there is nothing to say: the method's own steps, and what is linear.
SILENT = re.compile(
    r"(AccumulateGrad|Rectified|RectifiedDerivative|.*Convolution|ConvolutionOverrideable|MaxPool\w*|.*convitro.*|"
    r"Add|Sub|Rsub|Neg|Cat|Stack|Sum|Copy\w*|ToCopy|Clone|Alias|Identity|View\w*|Unsafe\w*|Reshape\w*|Permute|"
    r"Transpose|T|Expand|Slice|Select|Index\w*|Split\w*|Chunk|Unbind|Squeeze|Unsqueeze|AsStrided|Repeat|Flip|Roll|"
    r"Addmm|Mm|Bmm|Mv|Linear|\w*Pad\w*|Constant\w*|Pixel\w*|Upsample\w*|Narrow|Movedim|MkldnnConvolution)$"
)
SAID = (
    (re.compile(r"\w*BatchNorm\w*"), "BatchNorm: multiplied by its scale"),
    (re.compile(r"\w*AvgPool\w*|Mean"), "average: spread evenly over its pixels"),
    (re.compile(r"Mul|Div"), "a product of maps: the derivative for each factor"),
)


class Backtracker(OneLayer):
    """Watches a run, keeps what connects a layer to the input, and lets rules stand in for derivatives.

    Args:
        model: what will run.
        layer: whose maps the signal starts from.
        method: "deconvnet", "guided" or "gradient".
    """

    def __init__(self, model: nn.Module, layer: str, method: str) -> None:
        super().__init__(model, layer)
        self.method = method
        self.image: Tensor | None = None
        self.said: dict[Any, str] = {}

    def maps(self, input: Any) -> Tensor | None:
        """Run the model; the activated maps of the layer, connected to `image`, or None if it did not run."""
        self.said = {}
        args, kwargs = call_arguments(input)
        self.image = image_in((args, kwargs)).detach().clone().requires_grad_()
        chosen = image_in((args, kwargs))

        def given(
            item: Any,
        ) -> Any:  # a copy that may be changed in place, as an image that is followed may not
            return self.image.clone() if item is chosen and self.image is not None else copied(item)

        with torch.enable_grad():
            args, kwargs = tree_map(given, (args, kwargs))
        return self.maps_of(*args, **kwargs)

    def call(self, func: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The function's value, computed so that it can be followed back, even where the model forbids it."""
        with torch.enable_grad():
            if func in PASSED and not args[0].is_leaf:
                return args[0].view_as(args[0])
            if func in ACTIVATIONS and kwargs.get("out") is None:
                result, nodes, note = activate(self.method, func, args, kwargs)
                self._say(note, *nodes)
                return result
            if func in BATCH_NORMS and self.method != "gradient":
                return normalize(func, args, kwargs)
            result = func(*args, **kwargs)
            if func in CONVOLUTIONS:
                source = args[0] if args else kwargs["input"]
                self._say(unusual(func, args, kwargs), source.grad_fn, result.grad_fn)
            return result

    def _say(self, note: str, before: Any, end: Any) -> None:
        """What there is to say, or nothing, about all that lies between two nodes of the graph."""
        for node in nodes_between(before, end):
            self.said[node] = ""
        if end is not None:
            self.said[end] = note

    def back(self, maps: Tensor, signal: Tensor) -> tuple[Tensor, tuple[str, ...]]:
        """Send a signal from the maps to the image.

        Returns:
            What arrives, in the shape of the image, and what there is to say about the way.

        Raises:
            UnsupportedError: nothing connects the maps to the image.
        """
        assert self.image is not None
        if maps.grad_fn is None:
            raise unreached(self.layer)
        passed: list[Any] = []
        handles = [node.register_prehook(noting(node, passed)) for node in nodes_between(None, maps.grad_fn)]
        try:
            [arrived] = torch.autograd.grad(maps, self.image, signal, retain_graph=True, allow_unused=True)
        except RuntimeError as error:
            if "inplace operation" not in str(error):
                raise
            raise UnsupportedError(
                f"deconvnet: the way back from {self.layer} needs values that the model has overwritten.",
                expected="a model that could be trained: nothing changed in place that is needed again",
                received=str(error).partition("; ")[0],
            ) from error
        finally:
            for handle in handles:
                handle.remove()
        if arrived is None:
            raise unreached(self.layer)
        return arrived.detach(), () if self.method == "gradient" else self._notes(passed)

    def _notes(self, nodes: Iterable[Any]) -> tuple[str, ...]:
        notes = (self.said[node] if node in self.said else remark(node) for node in nodes)
        return tuple(dict.fromkeys(note for note in notes if note))


def image_in(arguments: Any) -> Tensor:
    """The tensor among a model's arguments that is the image: floats in three or four dimensions.

    Raises:
        ArgumentError: there is none.
    """
    for leaf in tree_leaves(arguments):
        if isinstance(leaf, Tensor) and leaf.is_floating_point() and leaf.ndim in (3, 4):
            return leaf
    raise ArgumentError(
        "deconvnet: `input` holds no image.",
        expected="a floating tensor (N, C, H, W) or (C, H, W) among the model's arguments",
        received=", ".join(
            str(tuple(leaf.shape)) for leaf in tree_leaves(arguments) if isinstance(leaf, Tensor)
        ),
    )


def channels_last(model: nn.Module) -> bool:
    """Whether the model takes its images as (N, H, W, C), as a live model of Keras does."""
    ports = [port for port in getattr(model, "ports_in", ()) if len(port.shape) == 4]
    return bool(ports) and not ports[0].channels_first


def in_order(image: Tensor, last: bool) -> Tensor:
    """An image with its channels first."""
    return image.permute(2, 0, 1) if last else image


def unreached(layer: str) -> UnsupportedError:
    """The error for a layer that does not depend on the image, or hides how."""
    return UnsupportedError(
        f"deconvnet: nothing leads back from {layer} to the image.",
        expected="a layer that sees the image",
        received=f"{layer}, which sees none of it, or under torch.inference_mode",
    )


def unusual(func: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """What there is to say about a convolution: nothing where products are summed."""
    call = read_convolution(func, args, kwargs) or {}
    chosen = [
        str(getattr(call.get(key, usual), "spec", call.get(key, usual)))
        for key, usual in zip(UNUSUAL, USUAL, strict=True)
    ]
    words = [
        f"{key} {word}" for key, word, usual in zip(UNUSUAL, chosen, USUAL, strict=True) if word != usual
    ]
    return f"{', '.join(words)}: its derivative" if words else ""


def nodes_between(first: Any, last: Any) -> list[Any]:
    """Every node of a graph that leads to `last`, but for `first` and what leads to that."""
    found: dict[Any, None] = {}
    waiting = [last]
    while waiting:
        node = waiting.pop()
        if node is not None and node is not first and node not in found:
            found[node] = None
            waiting += [following for following, _ in node.next_functions]
    return list(found)


def noting(node: Any, passed: list[Any]) -> Callable[[Any], None]:
    """A hook that notes the node when a signal passes it."""
    return lambda signals: passed.append(node)


def remark(node: Any) -> str:
    """What there is to say about a node at which a derivative was taken."""
    name = re.sub(r"Backward\d*$", "", node.name().rpartition("::")[2])
    if SILENT.match(name):
        return ""
    factors = [following for following, _ in node.next_functions if following is not None]
    if name in ("Mul", "Div") and sum(not factor.name().endswith("AccumulateGrad") for factor in factors) < 2:
        return ""  # times a constant or a weight
    return next((text for pattern, text in SAID if pattern.fullmatch(name)), f"{name}: its derivative")
