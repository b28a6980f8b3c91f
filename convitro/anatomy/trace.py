"""Record every 2-D convolution of one run of a model, and the chain of stages that follows each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.weak import WeakIdKeyDictionary

from convitro.aggregation import operator
from convitro.anatomy.convolution import Convolution
from convitro.anatomy.observe import Observer, version_of
from convitro.anatomy.recognise import COPIES, PRODUCTS, SUMS, bound, read_convolution, read_stage
from convitro.anatomy.stages import Activation, Chain
from convitro.geometry import conv_problem
from convitro.sources.graph import Step

Function = Callable[..., Any]
LAYERS = (nn.Conv2d, Step)  # whose convolution has their name
OPERATOR = {"aggregation": "sum", "window": "sum", "combine": "multiply"}


@dataclass
class Traced:
    """A convolution whose chain is still growing."""

    convolution: Convolution
    chain: Chain = field(default_factory=Chain)
    ended: bool = False


class Place(NamedTuple):
    """A tensor stands after `depth` stages of a chain, as long as it keeps its version."""

    traced: Traced
    depth: int
    version: int

    @property
    def is_end(self) -> bool:
        """The chain may go on from here."""
        return not self.traced.ended and self.depth == len(self.traced.chain.stages)


class Tracer(Observer):
    """Watches the torch functions of one run.

    A chain is followed by the identity of its tensors. It ends where a tensor is changed in place by what is
    no stage (a residual `+=`), and is cut back to where a value is used again beside what a stage made of it.

    Args:
        model: what will run.
        wanted: names of the layers to record; None for all.
    """

    def __init__(self, model: nn.Module, wanted: Collection[str] | None = None) -> None:
        super().__init__(model)
        self.wanted = wanted
        self.forget()

    def forget(self) -> None:
        """Begin anew, as before the first run."""
        self.seen: list[str] = []
        self.traced: list[Traced] = []
        self._calls: Counter[str] = Counter()
        self._places = WeakIdKeyDictionary()
        self._copies = WeakIdKeyDictionary()
        self._unpadded = WeakIdKeyDictionary()

    def __torch_function__(
        self, func: Function, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        place = self._place_of(first_argument(args, kwargs))  # asked before the call, which may change it
        gated = self._cut(func, (*args, *kwargs.values())) if func in PRODUCTS or func in SUMS else None
        result = self.call(func, args, kwargs)
        if gated is not None:
            self._put(result, gated)
        elif place is not None and place.is_end:
            self._follow(place, func, args, kwargs, result)
        if func is F.pad:
            self._unpadded[result] = self._padding(bound(("input", "pad", "mode", "value"), args, kwargs))
        elif (call := read_convolution(func, args, kwargs)) is not None:
            self._record(call, result)
        return result

    def call(self, func: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the model gets of a function that it calls."""
        return func(*args, **kwargs)

    def _record(self, call: dict[str, Any], result: Tensor) -> None:
        """A convolution was called: give it a name and keep what it got."""
        name = self._next_name()
        self.seen.append(name)
        if self.wanted is None or name in self.wanted:
            traced = Traced(self._convolution(name, self._before_padding(call), result))
            self.recorded(traced.convolution, result)
            self.traced.append(traced)
            self._put(result, traced)

    def recorded(self, convolution: Convolution, result: Tensor) -> None:
        """Called when a convolution has been recorded, and before the model goes on with its `result`."""

    def _next_name(self) -> str:
        module = self.innermost()
        path = self.shown_names[module]
        name = path if path and isinstance(module, LAYERS) else f"{path}.conv2d".lstrip(".")
        self._calls[name] += 1
        return name if self._calls[name] == 1 else f"{name}#{self._calls[name]}"

    def _padding(self, call: dict[str, Any]) -> dict[str, Any]:
        """A call of `F.pad`, with the module that made it and whether zeros were put around."""
        zeros = call.get("mode", "constant") == "constant" and not call.get("value")
        return {**call, "module": self.running[-1] if self.running else None, "zeros": zeros}

    def _before_padding(self, call: dict[str, Any]) -> dict[str, Any]:
        """A layer that pads its input itself is shown with the input that it got.

        That is one with other than zeros, and a step of another framework with uneven borders of zeros.
        """
        module, padded = self.running[-1] if self.running else None, self._unpadded.get(call["input"])
        if padded is None or padded["module"] is not module:
            return call
        left, right, top, bottom = (*padded["pad"], 0, 0)[:4]
        sides = (top, bottom, left, right)
        if isinstance(module, Step) and padded["zeros"] and len(padded["pad"]) <= 4:
            given = (call.get(name, 1 - (name == "padding")) for name in ("stride", "padding", "dilation"))
            further = conv_problem(call["weight"].shape, *given).padding
            return {
                **call,
                "input": padded["input"],
                "sides": tuple(map(sum, zip(sides, further, strict=True))),
            }
        if not isinstance(module, nn.Conv2d) or padded.get("mode") != module.padding_mode:
            return call
        own = {"padding": module.padding, "padding_mode": module.padding_mode}
        problem = conv_problem(
            call["weight"].shape, module.stride, module.padding, module.dilation, module.groups
        )
        return {**call, **own, "input": padded["input"]} if problem.padding == sides else call

    def _convolution(self, name: str, call: dict[str, Any], result: Tensor) -> Convolution:
        tensors = [call.pop("input"), call.pop("weight"), call.pop("bias", None)]
        copies = [None if tensor is None else self._copy(tensor).to(result.dtype) for tensor in tensors]
        input, weight, bias = copies  # in the dtype that autocast chose
        assert input is not None
        assert weight is not None
        choice = operator(*(call.pop(key, usual) for key, usual in OPERATOR.items()))
        sides = call.pop("sides", None)
        problem = conv_problem(weight.shape, **call)
        problem = problem if sides is None else replace(problem, padding=sides)
        return Convolution(
            name=name,
            input=input if input.ndim == 4 else input.unsqueeze(0),
            weight=weight,
            bias=bias,
            problem=problem,
            aggregation=choice.aggregation,
            window=choice.window,
            combine=choice.combine.name,
        )

    def _follow(
        self, place: Place, func: Function, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
    ) -> None:
        """The end of a chain was given to a function: it is the next stage, a copy, or of no matter."""
        traced, subject = place.traced, first_argument(args, kwargs)
        stage = read_stage(func, args, kwargs)
        if stage is not None and traced.chain.accepts(stage):
            traced.chain = Chain((*traced.chain.stages, stage))
            self._put(result[0] if isinstance(result, tuple) else result, traced)
        elif func in COPIES:
            self._put(result, traced)
        elif result is subject and subject.is_inference():  # such a tensor cannot tell whether it was changed
            del self._places[subject]

    def _cut(self, func: Function, arguments: tuple[Any, ...]) -> Traced | None:
        """A sum or product of two maps ends the chain of the earlier one, except in `x * sigmoid(x)`.

        Returns:
            What goes on with the result: there, SiLU takes the place of the sigmoid.
        """
        operands = [item for item in arguments if isinstance(item, Tensor)]
        if len(operands) != 2 or operands[0].shape != operands[1].shape:
            return None
        places = [place for place in map(self._place_of, operands) if place is not None]
        early = next((place for place in places if not place.is_end and not place.traced.ended), None)
        if early is None:
            return None
        traced, stages = early.traced, early.traced.chain.stages
        last = stages[-1]
        gates_itself = any(place.traced is traced and place.is_end for place in places)
        if gates_itself and func in PRODUCTS and early.depth == len(stages) - 1 and str(last) == "sigmoid":
            traced.chain = Chain((*stages[:-1], Activation("silu", F.silu)))
            return traced
        if stages[early.depth].kind != "pool":
            traced.chain, traced.ended = Chain(stages[: early.depth]), True
        return None

    def _put(self, tensor: Tensor, traced: Traced) -> None:
        self._places[tensor] = Place(traced, len(traced.chain.stages), version_of(tensor))

    def _place_of(self, item: Any) -> Place | None:
        place = self._places.get(item) if isinstance(item, Tensor) else None
        return place if place is not None and place.version == version_of(item) else None

    def _copy(self, tensor: Tensor) -> Tensor:
        """A copy that stays as `tensor` is now; one for all layers that saw the same."""
        version = version_of(tensor)
        known = self._copies.get(tensor)
        if known is None or known[0] != version or tensor.is_inference():
            saved = self.state.frozen(tensor) if self.state is not None else None
            known = (version, tensor.detach().clone() if saved is None else saved)
            self._copies[tensor] = known
        return known[1]


def first_argument(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a function works on."""
    return args[0] if args else kwargs.get("input")
