"""A convolution with any aggregation on keras.ops, with its exact gradient, one channel after the other.

Maps here are (N, H, W, C), kernels (KH, KW, C/groups, C_out). What is kept for the gradient is the input, the
kernel and O(1) numbers per output; the partial maps are computed again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from keras import ops

from convitro.aggregation import Aggregation
from convitro.aggregation.base import State
from convitro.aggregation.builtin import Mean, Quantile, Sum
from convitro.errors import UnsupportedError
from convitro.keras.item import Array, Item


@dataclass(frozen=True)
class Geometry:
    """How a kernel slides.

    Args:
        strides, dilation_rate: (rows, columns).
        padding: "valid" or "same".
        groups: as in Keras.
    """

    strides: tuple[int, int]
    padding: str
    dilation_rate: tuple[int, int]
    groups: int

    def convolve(self, maps: Array, kernel: Array) -> Array:
        """The backend's own convolution."""
        return ops.conv(
            maps,
            kernel,
            strides=self.strides,
            padding=self.padding,
            data_format="channels_last",
            dilation_rate=self.dilation_rate,
        )


def convolve(maps: Array, kernel: Array, geometry: Geometry, aggregation: Aggregation) -> Array:
    """Slide each filter over `maps` and combine its partial maps.

    Raises:
        UnsupportedError: an aggregation of one's own whose state grows with the number of channels.
    """
    if type(aggregation) is Sum:
        return geometry.convolve(maps, kernel)
    if type(aggregation) is Mean:
        return geometry.convolve(maps, kernel) / kernel.shape[2]
    if aggregation.separate:
        return apart(maps, kernel, geometry)
    if not aggregation.streams and not isinstance(aggregation, Quantile):
        import keras

        raise UnsupportedError(
            f'convitro.keras.Conv2D: aggregation="{aggregation}" cannot run on {keras.config.backend()}.',
            expected="a state of fixed size, or a quantile",
            hint="with KERAS_BACKEND=torch every aggregation runs",
        )
    return Fold(geometry, aggregation)(maps, kernel)


def apart(maps: Array, kernel: Array, geometry: Geometry) -> Array:
    """Every partial map as an output of its own, filter by filter."""
    rows, columns, count, filters = kernel.shape
    groups, per_group = geometry.groups, filters // geometry.groups
    one_each = ops.reshape(kernel, (rows, columns, count, groups, per_group))
    one_each = ops.transpose(one_each, (0, 1, 3, 2, 4))
    one_each = ops.reshape(one_each, (rows, columns, 1, count * filters))
    found = geometry.convolve(maps, one_each)
    shape = ops.shape(found)[:3]
    found = ops.reshape(found, (*shape, groups, count, per_group))
    return ops.reshape(ops.transpose(found, (0, 1, 2, 3, 5, 4)), (*shape, filters * count))


class Fold:
    """One aggregation on one geometry, forward and backward."""

    def __init__(self, geometry: Geometry, aggregation: Aggregation) -> None:
        self.geometry, self.aggregation = geometry, aggregation

    def __call__(self, maps: Array, kernel: Array) -> Array:
        def run(maps: Array, kernel: Array) -> tuple[Array, Callable[..., Any]]:
            xs, ks = self._channels(maps), self._kernels(kernel)
            saved = self._forward(xs, ks)

            def gradient(*arguments: Array, upstream: Array = None) -> tuple[Array, Array]:
                upstream = arguments[0] if upstream is None else upstream
                of_maps, of_kernels = self._backward(xs, ks, saved, upstream)
                return self._joined(of_maps, ops.shape(maps)), self._whole(of_kernels, kernel.shape)

            return saved[0], gradient

        # TensorFlow wants values, and no variable, where a gradient is given; to convert one gives it back
        return ops.custom_gradient(run)(maps, ops.copy(kernel))

    def _channels(self, maps: Array) -> Array:
        """The channels of every group one after the other. (C/groups, N, H, W, groups)"""
        groups = self.geometry.groups
        parts = ops.reshape(maps, (*ops.shape(maps)[:3], groups, maps.shape[3] // groups))
        return ops.transpose(parts, (4, 0, 1, 2, 3))

    def _kernels(self, kernel: Array) -> Array:
        """The kernels of each channel. (C/groups, KH, KW, 1, C_out)"""
        return ops.expand_dims(ops.transpose(kernel, (2, 0, 1, 3)), 3)

    def _joined(self, parts: Array, shape: Any) -> Array:
        """The way back from `_channels`."""
        return ops.reshape(ops.transpose(parts, (1, 2, 3, 4, 0)), shape)

    def _whole(self, parts: Array, shape: Any) -> Array:
        """The way back from `_kernels`."""
        return ops.reshape(ops.transpose(ops.squeeze(parts, 3), (1, 2, 0, 3)), shape)

    def _count(self, like: Array) -> Item:
        """n, the number of items, as an item."""
        return Item(ops.cast(self._n, like.dtype))

    def _forward(self, xs: Array, ks: Array) -> tuple[Array, ...]:
        """The result and the numbers that the slope needs besides. Each (N, H_out, W_out, C_out)"""
        self._n = int(xs.shape[0])
        if isinstance(self.aggregation, Quantile):
            return (self._ranked(xs, ks),)
        first = self.geometry.convolve(xs[0], ks[0])
        state = tuple(ops.full_like(first, number) for number in self.aggregation.init(self._n))
        state = self._step(state, first)
        if self._n > 1:

            def body(state: Any, channel: Any) -> Any:
                return self._step(state, self.geometry.convolve(*channel)), None

            state, _ = scanned(body, state, (xs[1:], ks[1:]))
        items: State = tuple(map(Item, state))
        n = self._count(first)
        result = self.aggregation.finish(items, n)
        extra = self.aggregation.extra(items, result, n)
        return tuple(as_array(item, first) for item in (result, *extra))

    def _step(self, state: tuple[Array, ...], item: Array) -> tuple[Array, ...]:
        after = self.aggregation.step(tuple(map(Item, state)), Item(item))
        return tuple(as_array(part, item) for part in after)

    def _ranked(self, xs: Array, ks: Array) -> Array:
        """The item of a rank among the sorted, filter by filter. (N, H_out, W_out, C_out)"""
        assert isinstance(self.aggregation, Quantile)
        rank, groups = self.aggregation.rank(self._n), self.geometry.groups
        by_group = ops.transpose(xs, (4, 1, 2, 3, 0))  # (groups, N, H, W, C/groups)
        by_filter = ops.transpose(ks, (4, 1, 2, 3, 0))  # (C_out, KH, KW, 1, C/groups)
        filters = int(by_filter.shape[0])

        def one(index: Array) -> Array:
            maps = ops.take(by_group, index // (filters // groups), axis=0)
            items = ops.sort(self.geometry.convolve(maps, ops.take(by_filter, index, axis=0)), axis=-1)
            unknown = ops.any(ops.isnan(items), axis=-1)
            return ops.where(unknown, ops.cast(float("nan"), items.dtype), items[..., rank])

        return ops.moveaxis(ops.map(one, ops.arange(filters)), 0, -1)

    def _check_ranks(self) -> None:
        """TensorFlow computes a channel alone to other last bits than among others: no item would win."""
        import keras

        if isinstance(self.aggregation, Quantile) and keras.config.backend() == "tensorflow":
            raise UnsupportedError(
                f'convitro.keras.Conv2D: "{self.aggregation.spec}" has no gradient on TensorFlow.',
                expected="the backend torch or jax, or another aggregation",
                hint="it can be called; to train it, set KERAS_BACKEND=torch",
            )

    def _backward(
        self, xs: Array, ks: Array, saved: tuple[Array, ...], upstream: Array
    ) -> tuple[Array, Array]:
        """The gradients of `xs` and `ks`: every channel's partial maps again, weighed by their slope."""
        self._check_ranks()
        selects, n = self.aggregation.selects, self._count(upstream)
        items = tuple(map(Item, saved))

        def body(taken: Any, channel: Any) -> Any:
            maps = self.geometry.convolve(*channel)
            slope = self.aggregation.slope(Item(maps), items, n)
            if selects:
                slope = slope & ~Item(taken)
                taken = ops.logical_or(taken, slope.array)
            return taken, pulled_back(self.geometry.convolve, channel, weighed(upstream, slope))

        nothing = ops.zeros_like(saved[0], dtype="bool")
        _, gradients = scanned(body, nothing, (xs, ks))
        of_maps, of_kernels = gradients
        return of_maps, of_kernels


def scanned(body: Callable[[Any, Any], Any], state: Any, inputs: tuple[Array, ...]) -> Any:
    """`ops.scan`; with TensorFlow, whose results must look like the state, one step after the other."""
    import keras

    if keras.config.backend() != "tensorflow":
        return ops.scan(body, state, inputs)
    results = []
    for index in range(int(inputs[0].shape[0])):
        state, result = body(state, tuple(each[index] for each in inputs))
        results.append(result)
    return state, None if results[0] is None else tuple(map(ops.stack, zip(*results, strict=True)))


def as_array(item: Any, like: Array) -> Array:
    """What an aggregation has computed, which may be a number."""
    return item.array if isinstance(item, Item) else ops.full_like(like, item)


def weighed(gradient: Array, slope: Any) -> Array:
    """gradient * slope, where a condition passes the gradient or stops it."""
    if not isinstance(slope, Item):
        return gradient * slope
    if slope.dtype == "bool":
        return ops.where(slope.array, gradient, ops.zeros_like(gradient))
    return gradient * slope.array


def pulled_back(function: Callable[..., Array], inputs: tuple[Array, ...], upstream: Array) -> Any:
    """The gradients of the inputs of a function that the backend can differentiate."""
    import keras

    backend = keras.config.backend()
    if backend == "jax":
        import jax

        return jax.vjp(function, *inputs)[1](upstream)
    if backend == "tensorflow":
        tensorflow = import_module("tensorflow")
        with tensorflow.GradientTape() as tape:
            tape.watch(inputs)
            output = function(*inputs)
        return tuple(tape.gradient(output, inputs, upstream))
    raise UnsupportedError(
        f"convitro.keras.Conv2D: {backend} knows no gradients.", expected="torch, jax or tensorflow"
    )
