"""One filter of a layer with all its parts; nothing is computed for the other filters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jaxtyping import Float, UInt8
from torch import Tensor

from convitro.aggregation import Aggregation
from convitro.anatomy.cancellation import Cancellation, measure_cancellation
from convitro.anatomy.convolution import Convolution
from convitro.anatomy.pictured import maps_picture, parts_picture
from convitro.anatomy.tables import Table, Tabled, json_numbers, number
from convitro.geometry import check_choice
from convitro.plots import Sheet, map_grid
from convitro.plots.words import counted

SHOWN_CHANNELS = 12


@dataclass(frozen=True, eq=False, repr=False)
class FilterAnatomy(Tabled):
    """The way of one filter from its input channels to one feature map.

    Under an aggregation that keeps the maps apart ("none") there is one map per channel all the way:
    `aggregated`, `output`, `activated`, `pooled` and `switches` then are (N, C, …) instead of (N, …).

    Args:
        layer: the layer that the filter belongs to.
        index: which of its filters.
        aggregation: how the partial maps become one; need not be the layer's own.
    """

    layer: Convolution
    index: int
    aggregation: Aggregation

    @property
    def channels(self) -> range:
        """The input channels that the filter sees; all of them unless the layer has groups."""
        return self.layer.channels_of(self.index)

    @property
    def inputs(self) -> Float[Tensor, "N C H W"]:
        """Those channels of the layer's input."""
        return self.layer.input[:, self.channels.start : self.channels.stop]

    @property
    def kernels(self) -> Float[Tensor, "C KH KW"]:
        """One kernel per channel."""
        return self.layer.weight[self.index]

    @property
    def bias(self) -> float:
        """What is added to the aggregated map; 0 if the layer has no bias."""
        return 0.0 if self.layer.bias is None else float(self.layer.bias[self.index])

    @cached_property
    def partial_maps(self) -> Float[Tensor, "N C H_out W_out"]:
        """What each kernel makes of its channel."""
        return self._run("none")

    @cached_property
    def aggregated(self) -> Float[Tensor, "N *C H_out W_out"]:
        """The partial maps combined."""
        return self._single(self._maps)

    @cached_property
    def output(self) -> Float[Tensor, "N *C H_out W_out"]:
        """Aggregated plus bias."""
        return self._single(self._biased)

    @cached_property
    def activated(self) -> Float[Tensor, "N *C H_out W_out"]:
        """The output after normalisation and activation, as far as the model has them."""
        return self._single(self.layer.chain.activated(self._biased, self._outputs))

    @cached_property
    def pooled(self) -> Float[Tensor, "N *C H_pool W_pool"] | None:
        """What goes on after pooling; None without pooling."""
        maps = self.layer.chain.pooled(self._biased, self._outputs)
        return None if maps is None else self._single(maps)

    @cached_property
    def switches(self) -> UInt8[Tensor, "N *C H_pool W_pool"] | None:
        """Which pixel won each pooling window, as `LayerAnatomy.switches`."""
        maps = self.layer.chain.switches(self._biased, self._outputs)
        return None if maps is None else self._single(maps)

    @cached_property
    def cancellation(self) -> Cancellation:
        """How much of what the channels bring is lost in their sum, pixel by pixel and in all."""
        return measure_cancellation(self.layer, self.index, self.partial_maps)

    def to_dict(self) -> dict[str, Any]:
        """Sizes and the range of every part as JSON types; the maps themselves are tensors, not JSON."""
        ranges = {
            name: json_numbers([float(maps.min()), float(maps.max())])
            for name, maps in self._parts()
            if maps.numel()
        }
        return {
            "layer": self.layer.name,
            "filter": self.index,
            "channels": list(self.channels),
            "aggregation": self.aggregation.spec,
            "bias": self.bias,
            "ranges": ranges,
        }

    def plot(self, what: str = "parts", image: int = 0, scale: str = "shared") -> Sheet:
        """A picture of the filter, to be saved, drawn into axes of yours, or seen in a notebook.

        Args:
            what: "parts": the channels, their kernels, the partial maps, and what they become.
                "partial maps" or "kernels": only these.
            image: which image of the batch.
            scale: of the partial maps or kernels: "shared" gives all one colour scale, "each" every one its
                own. Among the parts every row has its own.

        Raises:
            ArgumentError: there is no such picture, image or scale.
        """
        name = f"{self.layer.name}, filter {self.index}"
        channels = [f"channel {index}" for index in self.channels]
        check_choice(what, ("parts", "partial maps", "kernels"), f"{name}: there is no such picture.")
        if what == "kernels":
            return map_grid(self.kernels, f"{name}: kernels", channels, scale=scale)
        if what == "partial maps":
            return maps_picture(name, what, self.partial_maps, image, scale, channels)
        parts = {"input": self.inputs, "kernel": self.kernels, "partial map": self.partial_maps}
        return parts_picture(name, channels, parts, dict(self._parts()), image)

    def table(self) -> Table:
        """Smallest and largest value of every part."""
        rows = [
            (f"channel {channel}", *extremes(kernel), *extremes(maps))
            for channel, kernel, maps in zip(
                self.channels, self.kernels, self.partial_maps.unbind(1), strict=True
            )
        ]
        if len(rows) > SHOWN_CHANNELS:
            hidden = len(rows) - SHOWN_CHANNELS
            rows[SHOWN_CHANNELS - 1 : -1] = [(f"… {hidden} more …", "", "", "", "")]
        rows += [(name, "", "", *extremes(maps)) for name, maps in self._parts()]
        count = counted(len(self.channels), "channel")
        title = f"{self.layer.name}, filter {self.index}: {self.aggregation.spec} of {count}"
        return Table(
            title, ("part", "kernel min", "max", "map min", "max"), tuple(rows), numeric=(1, 2, 3, 4)
        )

    @property
    def _outputs(self) -> slice:
        """Where the filter's maps lie among the channels of the layer's own output."""
        count = len(self.channels) if self.layer.aggregation.separate else 1
        return slice(self.index * count, (self.index + 1) * count)

    @cached_property
    def _maps(self) -> Tensor:
        """(N, 1, H_out, W_out), or (N, C, H_out, W_out) where the maps are kept apart."""
        return self.partial_maps if self.aggregation.separate else self._run(self.aggregation)

    @cached_property
    def _biased(self) -> Tensor:
        return self._maps if self.layer.bias is None else self._maps + self.layer.bias[self.index]

    def _run(self, aggregation: Any) -> Tensor:
        return self.layer.convolve(self.inputs, self.kernels[None], None, 1, aggregation)

    def _single(self, maps: Tensor) -> Tensor:
        return maps if self.aggregation.separate else maps.squeeze(1)

    def _parts(self) -> list[tuple[str, Tensor]]:
        parts = [("aggregated", self.aggregated), ("output", self.output)]
        if any(stage is not self.layer.pool for stage in self.layer.chain.stages):
            parts.append(("activated", self.activated))
        return parts + ([("pooled", self.pooled)] if self.pooled is not None else [])


def extremes(values: Tensor) -> tuple[str, str]:
    """Smallest and largest value as text; nothing for a batch without images."""
    if not values.numel():
        return "", ""
    return number(float(values.min())), number(float(values.max()))
