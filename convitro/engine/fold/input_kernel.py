"""The input's gradient of an operator, with channels in the lanes: a pixel's window stays in registers."""

from __future__ import annotations

from functools import partial
from typing import Any

from convitro.engine.cpu.isa import Isa
from convitro.engine.cpu.jit import Program
from convitro.engine.cpu.program import Task, apart
from convitro.engine.cpu.source import fill_zeros
from convitro.engine.cpu.vector import BYTE, Kernel, Pointer, Value
from convitro.engine.fold.forward_kernel import SHORT, mark_inside
from convitro.engine.fold.gradient_parts import Masks, Upstream, add_gradients, pack_band, product_gradients
from convitro.engine.fold.kernel import Fold, Weights, write
from convitro.engine.fold.weight_kernel import output_place, saved_pointers

POINTERS = (
    "input",
    "weight",
    "gradient",
    "result",
    "extras",
    "winners",
    "input_gradient",
    "scratch",
    "parameter",
)


def input_program(fold: Fold, isa: Isa) -> Program:
    """Write the kernel of the input's gradient."""
    return write(fold, isa, POINTERS, lambda task: _write(task, fold))


def _write(task: Task, fold: Fold) -> None:
    begin, end = task.share(task.size("input_tasks"))
    scratch = task.pointer("scratch", BYTE)[task.thread * task.size("scratch_bytes")]
    window, sums, inside = (
        scratch[task.size(f"{name}_at")].to(task.dtype) for name in ("window", "sums", "inside")
    )
    parts, groups, lanes = task.size("channel_parts"), task.size("groups"), task.width
    function = _function(task, fold)
    room = task.size("window_rows") * task.size("window_columns") * lanes
    with task.loop(begin, end) as number:
        rest, part = number // parts, number % parts
        image, group = rest // groups, rest % groups
        weights = task.pointer("weight")[
            (group * parts + part) * (task.size("filters") * (len(fold.taps) * lanes))
        ]
        with task.loop(0, task.size("bands")) as band:
            first = band * task.size("band_rows")
            pack_band(task, fold.source, window, (image, first), group)
            if fold.skips:
                mark_inside(task, inside, image, (first, task.index(0)))
            fill_zeros(task, sums, room)
            rows = (task.size("rows") - first).minimum(task.size("band_rows"))
            with task.loop(0, rows) as row, task.loop(0, task.size("columns")) as column:
                place = output_place(task, image, first + row, column) + group * task.size("filters")
                at = row * task.size("pixel_row") + column * task.size("pixel_column")
                pixel = at // fold.channels
                pointers = [
                    window[at + part * lanes],
                    weights,
                    sums[pixel * lanes],
                    inside[pixel],
                    *(source[place] for source in saved_pointers(task, fold)),
                ]
                numbers = (task.size("filters"), task.size("tap_row"), part * lanes)
                arguments = [*(p.address for p in pointers), *(n.ir for n in numbers)]
                if fold.learned:
                    start = group * task.size("filters_padded")
                    arguments.append(task.pointer("parameter")[start].address)
                task.builder.call(function, arguments)
            _add(task, sums, (image, first), (group, part))


def _function(task: Task, fold: Fold) -> Any:
    """What all filters give back to the window of one pixel, for one vector of channels."""
    kinds = saved_pointers(task, fold)
    arguments = ["pointer"] * (4 + len(kinds)) + ["index"] * 3 + ["pointer"] * fold.learned
    inner = apart(task, "fold_input", arguments)
    window, weights, sums, inside = (inner.argument(i, task.dtype) for i in range(4))
    above = [inner.argument(4 + i, kind.element) for i, kind in enumerate(kinds)]
    filters, tap_row, first = (inner.argument(4 + len(kinds) + i) for i in range(3))
    parameters = inner.argument(7 + len(kinds), task.dtype) if fold.learned else None
    lanes, taps, zero = task.width, len(fold.taps), inner.zero(task.dtype)
    loaded = {
        tap: (window[tap_row * tap[0]] if tap[0] else window)[tap[1] * fold.dilation * fold.channels].load(
            lanes
        )
        for tap in fold.taps
    }
    totals = {tap: inner.variable(zero) for tap in fold.taps}
    channel = inner.iota(lanes).cast(task.dtype) + inner.broadcast(
        first.cast(inner.iota(lanes).element).cast(task.dtype), lanes
    )
    masks = Masks(inner, fold, inside, tap_row // fold.channels, lanes) if fold.skips else None
    if masks is not None:
        for tap in fold.taps:
            masks(tap)
    count = None if masks is None else masks.count()
    with inner.loop(0, filters) as filter_:
        weight = Weights(weights[filter_ * (taps * lanes)], lanes, fold.kernel[1], lanes)
        gradient, *saved = (_broadcast(inner, source[filter_], task.dtype, lanes) for source in above)
        parameter = None if parameters is None else parameters[filter_].broadcast(lanes)

        of = partial(weight, cell=(0, 0))
        upstream = Upstream(gradient, saved, channel, parameter)
        found = product_gradients(fold, upstream, loaded.__getitem__, of, masks, count)
        add_gradients(totals, found, lambda tap: fold.combined("input_slope", loaded[tap], of(tap)))
    for tap in fold.taps:
        at = (tap_row // fold.channels * tap[0] + tap[1] * fold.dilation) * lanes
        sums[at].store(sums[at].load(lanes) + totals[tap].value)
    inner.finish()
    return inner.function


def _broadcast(inner: Kernel, place: Pointer, dtype: Any, lanes: int) -> Value:
    number = place.load()
    return inner.broadcast(number.cast(dtype) if place.element is SHORT else number, lanes)


def _add(task: Task, sums: Pointer, place: tuple[Value, Value], where: tuple[Value, Value]) -> None:
    """Add the gradient of a band's window to that of the input, as far as it lies inside."""
    (image, first), (group, part), lanes = place, where, task.width
    rows, columns = task.size("window_rows"), task.size("window_columns")
    y, left = first * task.size("row_step") - task.size("top"), task.size("left")
    total = task.size("channels") * task.size("groups")
    channel = group * task.size("channels") + part * lanes
    count = (task.size("channels") - part * lanes).minimum(lanes)
    top, bottom = (-y).maximum(0), (task.size("height") - y).minimum(rows)
    right = (task.size("width") + left).minimum(columns)
    with task.loop(top, bottom) as row, task.loop(left, right) as column:
        pixel = (image * task.size("height") + y + row) * task.size("width") + column - left
        to = task.pointer("input_gradient")[pixel * total + channel]
        value = sums[(row * columns + column) * lanes].load(lanes)
        to.store_first(to.load_first(count, lanes) + value, count)
