"""The item of a given rank among many, without sorting: its bits are found one by one, from the first on."""

from __future__ import annotations

import llvmlite.ir as ir

from convitro.engine.cpu.vector import Kernel, Pointer, Value


def ranked(kernel: Kernel, items: Pointer, count: int, rank: int) -> Value:
    """The item with `rank` smaller ones, in each lane; NaN if one of them is.

    Every bit takes one look at all items, so it costs 32 comparisons of each, 64 in float64.

    Args:
        kernel: being written.
        items: [item][lane]
        count: how many there are.
        rank: from 0.
    """
    lanes = kernel.lanes(items.element)
    like = items.load(lanes)
    integer = _integer(like)
    bits = integer.width
    low = kernel.variable(_whole(like, -(2 ** (bits - 1))))
    invalid = kernel.variable(kernel.zero(items.element))
    with kernel.loop(0, count) as i:
        item = items[i * lanes].load(lanes)
        invalid.value = item.is_nan().choose(item, invalid.value)
    with kernel.loop(0, bits) as step:
        place = kernel.broadcast((kernel.index(bits - 1) - step).cast(integer), lanes)
        # the highest bit counts backwards: adding it turns the smallest whole number to zero
        tried = low.value + (_whole(like, 1) << place)
        below = kernel.variable(_whole(like, 0))
        with kernel.loop(0, count) as i:
            smaller = _key(items[i * lanes].load(lanes)) < tried
            below.value = smaller.choose(below.value + 1, below.value)
        low.value = (below.value <= rank).choose(tried, low.value)
    found = _from_key(low.value).bits(items.element)
    return invalid.value.is_nan().choose(invalid.value, found)


def _integer(like: Value) -> ir.IntType:
    return ir.IntType(64 if str(like.element) == "double" else 32)


def _whole(like: Value, number: int) -> Value:
    return like.bits(_integer(like)).like(number)


def _key(item: Value) -> Value:
    """Whole numbers in the order of the items: negative ones have their other bits turned."""
    return _from_key(item.bits(_integer(item)))


def _from_key(bits: Value) -> Value:
    """Its own inverse."""
    size = bits.element.width
    negative = bits < 0
    return negative.choose(bits ^ (2 ** (size - 1) - 1), bits)
