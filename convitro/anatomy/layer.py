"""One convolution layer of one run, taken apart. Maps are computed when asked for, and kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from convitro.aggregation import Aggregation, resolve
from convitro.anatomy.convolution import Convolution, describe
from convitro.anatomy.filters import FilterAnatomy
from convitro.anatomy.indexing import checked_index
from convitro.anatomy.pictured import maps_picture
from convitro.anatomy.pixel import PixelTrace, trace_pixel
from convitro.anatomy.tables import Table, Tabled, by
from convitro.geometry import check_choice
from convitro.plots import Sheet, colour_filters, kernel_matrix
from convitro.plots.words import counted

PICTURES = ("activated", "output", "pooled", "input", "kernels", "colours")
TINY = torch.finfo(torch.float32).tiny


@dataclass(frozen=True, eq=False, repr=False)
class LayerAnatomy(Tabled, Convolution):
    """A convolution layer with what it was given, and on demand every map between that and what it passed on.

    The maps equal the model's own within rounding. They are computed from copies, so they stay true whatever
    happens to the model afterwards. `output` is what the convolution returned, before any normalisation.

    Shape: output and activated (N, C_out, H_out, W_out), pooled and switches (N, C_out, H_pool, W_pool).
        With an aggregation that keeps the maps apart ("none") all have C_out * C_in/groups channels.

    Source: own.

    Example:
        >>> from convitro.anatomy import dissect
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU())
        >>> layer = dissect(model, torch.zeros(1, 3, 8, 8))["0"]
        >>> layer.output.shape, layer.activation
        (torch.Size([1, 8, 6, 6]), 'relu')
        >>> layer.partial_maps(5).shape, layer.kernel(5, 2).shape
        (torch.Size([1, 3, 6, 6]), torch.Size([3, 3]))
    """

    @cached_property
    def output(self) -> Float[Tensor, "N C_maps H_out W_out"]:
        """The aggregated maps plus bias, before any normalisation."""
        return self.under(self.aggregation)

    @cached_property
    def activated(self) -> Float[Tensor, "N C_maps H_out W_out"]:
        """The output after normalisation and activation, as far as the model has them.

        Where the model pools before it activates, this is the activation of the maps before pooling.
        """
        return self.chain.activated(self.output)

    @cached_property
    def pooled(self) -> Float[Tensor, "N C_maps H_pool W_pool"] | None:
        """What the layer passes on after pooling; None without pooling."""
        return self.chain.pooled(self.output)

    @cached_property
    def switches(self) -> UInt8[Tensor, "N C_maps H_pool W_pool"] | None:
        """Which pixel won each pooling window: its row-major index in the window, the first on ties.

        None without pooling and for an average.

        Raises:
            UnsupportedError: a window has more than 256 pixels.
        """
        return self.chain.switches(self.output)

    def filter(self, index: int, aggregation: str | Aggregation | None = None) -> FilterAnatomy:
        """One filter with all its parts; nothing is computed for the others.

        Args:
            index: which filter.
            aggregation: the same chain had the channels been combined that way; None for the layer's own.

        Raises:
            ArgumentError: there is no such filter, or no such aggregation.
        """
        chosen = self.aggregation if aggregation is None else resolve(aggregation)
        return FilterAnatomy(self, checked_index(index, self.filters, "filter", self.name), chosen)

    def partial_maps(self, filter: int) -> Float[Tensor, "N C H_out W_out"]:
        """What one filter makes of each of its input channels, before they are combined.

        Raises:
            ArgumentError: there is no such filter.
        """
        return self.filter(filter).partial_maps

    def kernel(self, filter: int, channel: int) -> Float[Tensor, "KH KW"]:
        """The weights with which `filter` looks at its `channel`-th input channel, counted within its group.

        Raises:
            ArgumentError: there is no such filter or channel.
        """
        checked_index(filter, self.filters, "filter", self.name)
        checked_index(channel, self.problem.channels_per_filter, "channel", self.name)
        return self.weight[filter, channel]

    def aggregated(self, filter: int | None = None) -> Float[Tensor, "N *C_maps H_out W_out"]:
        """The partial maps combined, without bias: of all filters, or of one without its axis.

        Raises:
            ArgumentError: there is no such filter.
        """
        if filter is not None:
            return self.filter(filter).aggregated
        return self.convolve(self.input, self.weight, None, self.problem.groups, self.aggregation)

    def under(self, aggregation: str | Aggregation) -> Float[Tensor, "N C_maps H_out W_out"]:
        """The output, bias included, had the channels been combined that way with the same weights.

        Raises:
            ArgumentError: there is no such aggregation.
        """
        return self.convolve(self.input, self.weight, self.bias, self.problem.groups, resolve(aggregation))

    def pixel(self, filter: int, y: int, x: int, image: int = 0) -> PixelTrace:
        """The arithmetic behind one pixel of the output.

        Args:
            filter: which filter.
            y, x: row and column in the output.
            image: which image of the batch.

        Raises:
            ArgumentError: one of them is out of range; the error says which values there are.
        """
        return trace_pixel(self, filter, (y, x), image)

    def cancellation(self) -> Float[Tensor, " C_out"]:
        """How much of what the channels bring is lost in their sum: 1 - sum |z| / sum_i sum |m_i|.

        0 means that the channels agree at every pixel (or are all zero), 1 that they cancel out. Filters with
        random weights are already near 1 - 1 / sqrt(n) for n channels of equal strength: compare with that,
        not with 0. One filter's `cancellation` has the pixels, and the baseline for the very input.

        Source: own.
        """
        losses = []
        for index in range(self.filters):
            maps = self.partial_maps(index).float()
            parts = maps.abs().sum()
            kept = maps.sum(1).abs().sum() / parts.clamp_min(TINY)
            losses.append((1 - kept).where(parts > 0, 0.0))
        return torch.stack(losses).clamp_min(0)

    def plot(self, what: str = "activated", image: int = 0, scale: str = "shared") -> Sheet:
        """A picture of the layer, to be saved, drawn into axes of yours, or seen in a notebook.

        Args:
            what: "input", "output", "activated" or "pooled": these maps of one image. "kernels": every
                kernel, a row for each filter. "colours": the filters of a layer that looks at red, green and
                blue, as small colour pictures.
            image: which image of the batch.
            scale: "shared" gives all one colour scale; "each" every map or filter its own.

        Raises:
            ArgumentError: there is no such picture, image or scale.
            ShapeError: "colours" of filters that have not three channels.

        Example:
            >>> from convitro.anatomy import dissect
            >>> layer = dissect(torch.nn.Conv2d(3, 8, 3), torch.zeros(1, 3, 8, 8))["conv2d"]
            >>> print(layer.plot("input"))
            conv2d: input: 3 maps of 8x8 pixels, from 0 to 0.
        """
        check_choice(what, PICTURES, f"{self.name}: there is no such picture.")
        if what == "kernels":
            return kernel_matrix(self.weight, f"{self.name}: kernels", scale=scale)
        if what == "colours":
            return colour_filters(self.weight, f"{self.name}: filters", scale=scale)
        return maps_picture(self.name, what, getattr(self, what), image, scale)

    def table(self) -> Table:
        """The layer step by step, as `str()` and notebooks show it."""
        images, rows, columns = self.input.shape[0], *self.output_size
        maps = self.filters * self.problem.channels_per_filter
        steps = [
            ("input", by(self.input.shape), ""),
            ("kernels", by(self.weight.shape), describe(self.problem)),
            (
                "partial maps",
                by((images, maps, rows, columns)),
                f"{self.combine}, {self.window.spec} of each window",
            ),
        ]
        if not self.aggregation.separate:
            steps.append(("aggregation", by(self.output_shape), self.aggregation.spec))
        steps.append(("bias", str(self.filters) if self.bias is not None else "none", ""))
        steps += [(stage.kind, "", str(stage)) for stage in self.chain.stages]
        filters = counted(self.filters, "filter")
        title = f"{self.name}: {filters}, {self.parameters:,} parameters, {self.macs:,} MACs"
        return Table(title, ("step", "shape", "how"), tuple(steps))
