"""`compare_stacks`: what a convolution sees and costs beside others that see as much."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from convitro.anatomy.costs.summarize import summary
from convitro.anatomy.receptive.field import short
from convitro.anatomy.receptive.network import receptive_field
from convitro.anatomy.tables import Table, Tabled, by
from convitro.errors import ArgumentError
from convitro.geometry import check_choice, integer_pair

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Pair = tuple[int, int]
CLASSIC = ((5,), (3, 3), (7,), (3, 3, 3), (1,), (2,))
WARM_UP = 2
NUMBERS = ("one", "two", "three", "four", "five", "six")


class Timing(NamedTuple):
    """Median and quartiles of a time in milliseconds."""

    median_ms: float
    low_ms: float
    high_ms: float


@dataclass(frozen=True)
class StackCosts:
    """One stack of convolutions.

    Args:
        name: "5x5", "two 3x3".
        kernel_sizes: of its layers, (rows, columns) each.
        field: (rows, columns) of pixels that one unit of the last layer sees.
        shift: how far the middle of what a unit sees is from its own place, in pixels, down and to the
            right: 0.5 for one even kernel; without padding, where the first unit's middle is.
        parameters: weights and biases.
        macs: multiply-accumulates of one forward pass for one image.
        time: measured; None if nothing was.
    """

    name: str
    kernel_sizes: tuple[Pair, ...]
    field: Pair
    shift: tuple[float, float]
    parameters: int
    macs: int
    time: Timing | None = None

    @property
    def flops(self) -> int:
        """Floating point operations: 2 for each MAC."""
        return 2 * self.macs


@dataclass(frozen=True, repr=False)
class StackComparison(Tabled):
    """Stacks of convolutions side by side, see `compare_stacks`.

    Args:
        stacks: one for each.
        channels: (in, out) of each stack.
        image_size: (rows, columns).
        padding: "same" or "valid".
        conditions: how the times were measured; empty if they were not.
    """

    stacks: tuple[StackCosts, ...]
    channels: Pair
    image_size: Pair
    padding: str
    conditions: str = ""

    def to_dict(self) -> dict[str, Any]:
        """All numbers as JSON types."""
        rows = [
            {
                "name": stack.name,
                "kernel_sizes": [list(size) for size in stack.kernel_sizes],
                "field": list(stack.field),
                "shift": list(stack.shift),
                "parameters": stack.parameters,
                "macs": stack.macs,
                "flops": stack.flops,
                "time": None if stack.time is None else stack.time._asdict(),
            }
            for stack in self.stacks
        ]
        return {
            "stacks": rows,
            "channels": list(self.channels),
            "image_size": list(self.image_size),
            "padding": self.padding,
            "conditions": self.conditions,
        }

    def table(self) -> Table:
        """One row for each stack, and below what those that see as much have in common."""
        columns = ["stack", "field", "shift", "parameters", "MACs (M)", "FLOPs (M)"]
        columns += ["ms"] if self.conditions else []
        rows = tuple(
            (
                stack.name,
                short(stack.field),
                short(stack.shift),
                f"{stack.parameters:,}",
                f"{stack.macs / 1e6:,.1f}",
                f"{stack.flops / 1e6:,.1f}",
                *([] if stack.time is None else [f"{stack.time.median_ms:.3g}"]),
            )
            for stack in self.stacks
        )
        ins, outs = self.channels
        width = f"{ins} channels" if ins == outs else f"{ins} to {outs} channels"
        title = (
            f"stacks of convolutions, {width} on {by(self.image_size, always=True)}, padding {self.padding}"
        )
        notes = [
            "field: pixels that one unit sees; shift: its middle from its place, in pixels",
            *self.findings(),
        ]
        notes += [self.conditions] if self.conditions else []
        return Table(title, tuple(columns), rows, tuple(notes), tuple(range(1, len(columns))))

    def findings(self) -> list[str]:
        """For every stack that sees as much as an earlier one: its numbers by the other's."""
        found = []
        for at, stack in enumerate(self.stacks):
            single = next((one for one in self.stacks[:at] if one.field == stack.field), None)
            if single is not None:
                parts = [
                    f"{stack.parameters / single.parameters:.0%} of the parameters",
                    f"{stack.macs / single.macs:.0%} of the MACs",
                ]
                if stack.time is not None and single.time is not None:
                    parts.append(time_beside(stack.time, single.time))
                found.append(f"{stack.name} see as much as {single.name}: {', '.join(parts)}")
        return found

    def plot(self, ax: Axes | None = None) -> Axes:
        """Parameters, MACs and time as bars, each as a share of the largest.

        Raises:
            LoadError: matplotlib is not installed.
        """
        from convitro.plots.rows import BarRows

        times = [stack.time.median_ms for stack in self.stacks if stack.time is not None]
        names = ("parameters", "MACs", "time") if times else ("parameters", "MACs")
        columns: list[Sequence[float]] = [
            [stack.parameters for stack in self.stacks],
            [stack.macs for stack in self.stacks],
            times,
        ]
        shown = [
            [f"{count:,}" for count in columns[0]],
            [f"{macs / 1e6:,.1f} M" for macs in columns[1]],
            [f"{time:.3g} ms" for time in times],
        ]
        texts = tuple(zip(*shown[: len(names)], strict=True))
        values = torch.tensor(columns[: len(names)], dtype=torch.float64).T
        labels = tuple(f"{stack.name}\nsees {by(stack.field, always=True)}" for stack in self.stacks)
        return BarRows(self.table().title, values, labels, names, texts).plot(ax)


def time_beside(one: Timing, other: Timing) -> str:
    """How long one takes by the other; nothing is claimed where their quartiles overlap."""
    if one.low_ms <= other.high_ms and other.low_ms <= one.high_ms:
        return "no clear difference in time"
    return f"{one.median_ms / other.median_ms:.0%} of the time"


def compare_stacks(
    *stacks: Sequence[Any],
    channels: int | Pair = 64,
    input_size: int | Pair = 56,
    padding: str = "same",
    layer: type[nn.Conv2d] = nn.Conv2d,
    runs: int = 20,
) -> StackComparison:
    """Stacks of convolutions side by side: what a unit sees, parameters, MACs, FLOPs and measured time.

    Why 3x3? Two of them see as much as one 5x5, three as much as one 7x7, with fewer parameters and one or
    two more non-linearities; whether they are faster as well is measured, not assumed.

    Args:
        stacks: each a sequence of kernel sizes, in order, a number or (rows, columns): `(5,)`, `(3, 3)`, or
            `[(1, 7), (7, 1)]`. None compares the classic ones: 5x5, two 3x3, 7x7, three 3x3, 1x1 and 2x2.
        channels: of the input and of every layer, or (in, out).
        input_size: rows and columns of the image.
        padding: "same" or "valid".
        layer: the class of the convolutions, such as `convitro.Conv2d`.
        runs: how often each is measured; 0 measures nothing.

    Returns:
        A `StackComparison`: its `str()` is a table, `.plot()` draws bars.

    Raises:
        ArgumentError: a stack is empty, or an argument is outside what it may be.

    Units: times are milliseconds of a forward pass for one image, without gradients, on the CPU, with a ReLU
        after each convolution: the median of `runs` rounds in which each stack runs once, after two more
        rounds.

    Source: Simonyan & Zisserman 2014, section 2.3, for the comparison; the measurement is our own.

    Example:
        >>> print(compare_stacks((5,), (3, 3), channels=32, input_size=28, runs=0))
        stacks of convolutions, 32 channels on 28x28, padding same
         stack     field   shift   parameters   MACs (M)   FLOPs (M)
        ─────────────────────────────────────────────────────────────
         5x5           5       0       25,632       20.1        40.1
         two 3x3       5       0       18,496       14.5        28.9
        field: pixels that one unit sees; shift: its middle from its place, in pixels
        two 3x3 see as much as 5x5: 72% of the parameters, 72% of the MACs
    """
    sizes = [kernels_of(stack) for stack in stacks or CLASSIC]
    ins, outs = integer_pair(channels, "compare_stacks: `channels`", least=1)
    image = integer_pair(input_size, "compare_stacks: `input_size`", least=1)
    check_choice(padding, ("same", "valid"), "compare_stacks: unknown padding.")
    if runs < 0:
        raise ArgumentError("compare_stacks: `runs` is negative.", expected="at least 0", received=str(runs))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        networks = [network_of(kernels, (ins, outs), padding, layer) for kernels in sizes]
        times = measure(networks, torch.randn(1, ins, *image), runs) if runs else [[]] * len(networks)
    costs = tuple(
        costs_of(kernels, network, (ins, *image), spent)
        for kernels, network, spent in zip(sizes, networks, times, strict=True)
    )
    threads = torch.get_num_threads()
    conditions = f"ms: median of {runs} interleaved runs, one image, {threads} threads, ReLU after each layer"
    return StackComparison(costs, (ins, outs), image, padding, conditions if runs else "")


def kernels_of(stack: Sequence[Any]) -> tuple[Pair, ...]:
    """The kernel sizes of a stack as pairs."""
    if not isinstance(stack, Sequence) or isinstance(stack, str) or not stack:
        raise ArgumentError(
            "compare_stacks: a stack is a sequence of kernel sizes.",
            expected="such as (5,) or (3, 3) or [(1, 7), (7, 1)]",
            received=repr(stack),
        )
    return tuple(integer_pair(size, "compare_stacks: a kernel size", least=1) for size in stack)


def network_of(kernels: Sequence[Pair], channels: Pair, padding: str, layer: type[nn.Conv2d]) -> nn.Module:
    """The stack as a network, with a ReLU after each convolution."""
    layers: list[nn.Module] = []
    for index, (rows, columns) in enumerate(kernels):
        total = (rows - 1, columns - 1) if padding == "same" else (0, 0)
        before = (total[0] // 2, total[1] // 2)
        if any(size % 2 for size in total):  # as "same" pads, without its warning
            layers.append(nn.ZeroPad2d((before[1], total[1] - before[1], before[0], total[0] - before[0])))
            before = (0, 0)
        layers += [layer(channels[min(index, 1)], channels[1], (rows, columns), padding=before), nn.ReLU()]
    return nn.Sequential(*layers).eval()


def measure(networks: Sequence[nn.Module], image: Tensor, runs: int) -> list[list[float]]:
    """Milliseconds of each network, round by round, so that all of them meet the same disturbances."""
    times: list[list[float]] = [[] for _ in networks]
    with torch.no_grad():
        for turn in range(WARM_UP + runs):
            for network, spent in zip(networks, times, strict=True):
                began = time.perf_counter()
                network(image)
                if turn >= WARM_UP:
                    spent.append((time.perf_counter() - began) * 1e3)
    return times


def costs_of(
    kernels: tuple[Pair, ...], network: nn.Module, size: tuple[int, int, int], spent: Sequence[float]
) -> StackCosts:
    """The numbers of one stack."""
    field = list(receptive_field(network, size).values())[-1]
    counted = summary(network, size, verbose=0)
    assert counted.macs is not None
    rows, columns = field.center
    timing = None
    if spent:
        rounds = [*spent, *spent] if len(spent) == 1 else list(spent)
        low, median, high = statistics.quantiles(rounds, n=4, method="inclusive")
        timing = Timing(median, low, high)
    where = (rows or 0.0, columns or 0.0)
    name = stack_name(kernels)
    return StackCosts(name, kernels, field.size, where, counted.parameters, counted.macs, timing)


def stack_name(kernels: Sequence[Pair]) -> str:
    """ "5x5", "two 3x3", "1x7, 7x1".

    Example:
        >>> stack_name([(5, 5)]), stack_name([(3, 3)] * 3), stack_name([(1, 7), (7, 1)])
        ('5x5', 'three 3x3', '1x7, 7x1')
    """
    names = [by(size, always=True) for size in kernels]
    if len(set(names)) > 1:
        return ", ".join(names)
    count = len(names)
    return names[0] if count == 1 else f"{NUMBERS[count - 1] if count <= len(NUMBERS) else count} {names[0]}"
