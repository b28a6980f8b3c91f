"""The public door: run a model once and take every convolution layer of it apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import nn

from convitro.anatomy.connections import Connections, Node
from convitro.anatomy.convolution import describe
from convitro.anatomy.ending import Sigmoids
from convitro.anatomy.layer import LayerAnatomy
from convitro.anatomy.observe import check_input, check_model, check_visible, kind_of, model_name
from convitro.anatomy.pictured import strongest_picture
from convitro.anatomy.recognise import CONVOLUTIONS, OTHER_CONVOLUTIONS
from convitro.anatomy.tables import Table, Tabled, by
from convitro.anatomy.trace import Function, Tracer, first_argument
from convitro.errors import UnknownLayerError, closest
from convitro.plots import Sheet
from convitro.plots.words import counted


@dataclass(frozen=True, eq=False, repr=False)
class Anatomy(Tabled, Mapping[str, LayerAnatomy]):
    """The convolution layers of one run: a mapping from name to `LayerAnatomy`, in execution order.

    Args:
        model: name of the model's class.
        layers: what was found, in execution order.
        output: what the model returned, detached.
        nodes: what leads to what: all layers of the run, also those not kept, and where ways come together.
        ending: "sigmoid" where that is what makes the numbers that the model returns; else "".
        others: convolutions that ran and are not taken apart: transposed ones, those of 1 or 3 dimensions.
    """

    model: str
    layers: tuple[LayerAnatomy, ...]
    output: Any
    nodes: tuple[Node, ...] = ()
    ending: str = ""
    others: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> LayerAnatomy:
        if name not in self._by_name:
            raise unknown_layers([name], list(self))
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self.layers)

    @cached_property
    def _by_name(self) -> dict[str, LayerAnatomy]:
        return {layer.name: layer for layer in self.layers}

    def to_dict(self) -> dict[str, Any]:
        """Sizes and settings of all layers as JSON types, without the values."""
        nodes = [{"name": node.name, "kind": node.kind, "sources": list(node.sources)} for node in self.nodes]
        return {"model": self.model, "layers": [layer.to_dict() for layer in self.values()], "nodes": nodes}

    def plot(self, image: int = 0, strongest: int = 12) -> Sheet:
        """The strongest maps of every layer, by their mean absolute value: a row for each layer.

        Args:
            image: which image of the batch.
            strongest: how many maps of a layer are shown.

        Raises:
            ArgumentError: there is no such image.
        """
        maps = {layer.name: layer.activated for layer in self.layers}
        return strongest_picture(self.model, maps, image, strongest)

    def table(self) -> Table:
        """One row for each layer."""
        if not self.layers:
            title = f"{self.model}: no 2-D convolution ran, so there is nothing to take apart"
            return Table(title, (), (), self._notes())
        specs = sorted({layer.aggregation.spec for layer in self.values()})
        mixed = len(specs) > 1
        columns = ("layer", "filters", *(["aggregation"] if mixed else []), "geometry", "output", "then")
        rows = [
            (
                layer.name,
                by(layer.weight.shape),
                *([layer.aggregation.spec] if mixed else []),
                describe(layer.problem),
                by(layer.output_shape[1:]),
                ", ".join(map(str, layer.chain.stages)),
            )
            for layer in self.values()
        ]
        count = f"{counted(len(rows), 'convolution layer')} in execution order"
        title = f"{self.model}: {count}" + ("" if mixed else f", aggregation: {specs[0]}")
        return Table(title, columns, tuple(rows), self._notes(), whole=(1, len(columns) - 2))

    def _notes(self) -> tuple[str, ...]:
        return (f"not taken apart: {', '.join(self.others)}",) if self.others else ()


class Dissector(Tracer):
    """Records every convolution, what leads to what between them, and whether a sigmoid ends the run."""

    def forget(self) -> None:
        super().forget()
        self.connections = Connections(self.model)
        self.sigmoids, self.ending = Sigmoids(), ""
        self.others: dict[str, None] = {}

    def __torch_function__(
        self, func: Function, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs, known = kwargs or {}, len(self.seen)
        result = super().__torch_function__(func, types, args, kwargs)
        if len(self.seen) > known:
            self.connections.layer(self.seen[-1], [first_argument(args, kwargs)], result)
        else:
            self.connections.follow(func, (*args, *kwargs.values()), result)
            if func in OTHER_CONVOLUTIONS or func in CONVOLUTIONS:
                module = self.innermost()
                self.others[f"{self.shown_names[module] or model_name(self.model)} ({kind_of(module)})"] = (
                    None
                )
        self.sigmoids.follow(func, first_argument(args, kwargs), result)
        return result

    def left(self, module: nn.Module, output: Any) -> None:
        if module is self.model:
            self.connections.end(output)
            self.ending = "sigmoid" if self.sigmoids.holds(output) else ""


def dissect(model: nn.Module, input: Any, layers: Iterable[str] | None = None) -> Anatomy:
    """Run `model` once on `input` and take every 2-D convolution apart, whoever called it.

    Convolutions are found as modules and as function calls, in any nesting, and each call counts: a module is
    known by its dotted name, a function call by that of the module around it and "conv2d"; further calls get
    "#2", "#3" …. After each the chain of batch normalisation, activation and pooling is followed. The model
    is afterwards exactly what it was, also if its forward raised: hooks, modes, parameters, gradients,
    buffers and random states.

    Args:
        model: any torch.nn.Module, in the mode in which it shall be seen (in training mode, batch
            normalisation uses the batch).
        input: what it is called with: a tensor, a tuple of arguments, or a dict of named ones; not changed.
        layers: names of the layers to keep, all others are forgotten at once; None keeps all.

    Returns:
        The layers in execution order. They hold copies of inputs and weights, and compute maps when asked.

    Raises:
        ArgumentError: `model` is no module or has lazy parameters, `input` holds no tensor, or a name in
            `layers` is not that of a layer.
        UnsupportedError: the model is compiled TorchScript, whose calls nobody can see.

    Source: own.

    Example:
        >>> import torch
        >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 4, 1))
        >>> print(dissect(model, torch.zeros(1, 3, 8, 8)))
        Sequential: 2 convolution layers in execution order, aggregation: sum
         layer   filters   geometry   output   then
        ──────────────────────────────────────────────────────────
         0       8x3x3x3              8x6x6    relu, max pool 2x2
         3       4x8x1x1              4x3x3
    """
    model = check_model(model, "dissect")
    input = check_input(input, "dissect", model)
    wanted = None if layers is None else [layers] if isinstance(layers, str) else list(layers)
    tracer = Dissector(model, wanted)
    output = tracer.run(input)
    check_seen(tracer, "dissect")
    found = [LayerAnatomy(**{**vars(traced.convolution), "chain": traced.chain}) for traced in tracer.traced]
    nodes = tuple(tracer.connections.nodes)
    return Anatomy(model_name(model), tuple(found), output, nodes, tracer.ending, tuple(tracer.others))


def check_seen(tracer: Tracer, caller: str) -> None:
    """All layers that `tracer` was to record have run.

    Raises:
        UnknownLayerError: one has not.
        UnsupportedError: the model is compiled TorchScript, whose calls nobody can see.
    """
    if not tracer.seen:
        check_visible(tracer.model, caller)
    unknown = [name for name in tracer.wanted or () if name not in tracer.seen]
    if unknown:
        raise unknown_layers(unknown, tracer.seen)


def unknown_layers(names: list[Any], known: list[str]) -> UnknownLayerError:
    """The error for names that are none of `known`."""
    shown = ", ".join(known[:8]) + (f" … ({len(known)} in all)" if len(known) > 8 else "")
    return UnknownLayerError(
        f"anatomy: there is no layer {', '.join(map(repr, names))}.",
        expected=shown or "nothing: no 2-D convolution ran",
        received=", ".join(map(repr, names)),
        hint=closest(str(names[0]), known),
    )
