"""What a comparison says in plain words: what follows from its intervals, and what they leave open."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from convitro.lab.comparison.statistics import Difference, RegimeStatistics, differences
from convitro.plots.words import counted

UNDER = {
    "drop-in": "As a drop-in",
    "calibrated": "With calibrated first weights",
    "batchnorm": "Under BatchNorm",
}
"""How a sentence about a regime begins."""
SURE = 0.05
FEW_SEEDS = 10
VAGUE = 0.2
"""An interval that reaches beyond that says nothing where it holds 0."""


@dataclass(frozen=True)
class Statement:
    """Sentences about one thing.

    Attributes:
        about: a regime, "scale", or "caveats".
        sentences: in the order in which they are read.
    """

    about: str
    sentences: tuple[str, ...]


def regime_statement(regime: RegimeStatistics) -> Statement:
    """Who wins, who loses, of whom neither can be said, and who failed; under one regime."""
    lost = [each.arm for each in regime.differences if never_trained(regime, each.arm)]
    found = sorted(
        (each for each in regime.differences if each.low is not None and each.arm not in lost),
        key=lambda each: each.mean,
    )
    under, reference = under_of(regime.regime), named(regime.reference)
    sentences = [
        f"{under} {moved(each, reference)}{failures(regime, each.arm)}." for each in found if each.certain
    ]
    sentences += [
        f"{under} {each.arm} and {reference} reached exactly the same test accuracy with each of "
        f"{len(each.seeds)} seeds."
        for each in found
        if each.identical
    ]
    if lost:
        sentences.append(f"{under} {listed(lost)} failed to train with every seed.")
    open_ones = [each for each in found if not each.certain and not each.identical]
    if vague := [each.arm for each in open_ones if (each.largest or 0) > VAGUE]:
        sentences.append(f"{under} the seeds differ too much to say anything about {listed(vague)}.")
    open_ones = [each for each in open_ones if each.arm not in vague]
    if open_ones:
        bounds = [f"{excluded(each)}{failures(regime, each.arm)}" for each in open_ones]
        another = "no" if len(open_ones) == len(found) else "no other"
        sentences.append(
            f"{under} {another} difference to {reference} is certain; the intervals exclude more than "
            f"{listed(bounds)}."
        )
    if almost := [each.arm for each in open_ones if each.holm is not None and each.holm <= SURE]:
        sentences.append(
            f"Holm's test, which is less careful than the intervals, does tell {listed(almost)} "
            f"apart from {reference}."
        )
    if short := [each.arm for each in regime.differences if each.low is None]:
        sentences.append(f"{under} too few seeds are finished to say anything about {listed(short)}.")
    failed = regime.standing(regime.reference).failed
    if failed:
        sentences.append(f"{under} {reference} itself failed to train with {counted(len(failed), 'seed')}.")
    return Statement(regime.regime, tuple(sentences))


def never_trained(regime: RegimeStatistics, arm: str) -> bool:
    """Whether every training of an arm failed."""
    standing = regime.standing(arm)
    return bool(standing.accuracies) and len(standing.failed) == len(standing.accuracies)


def moved(each: Difference, reference: str) -> str:
    """ "max loses 3.1 points of test accuracy to the sum (95 % interval 2.2 to 4.0)"."""
    assert each.low is not None
    assert each.high is not None
    low, high = sorted((abs(each.low), abs(each.high)))
    verb, word = ("loses", "to") if each.mean < 0 else ("gains", "on")
    return (
        f"{each.arm} {verb} {points(abs(each.mean))} points of test accuracy {word} {reference} "
        f"(95 % interval {points(low)} to {points(high)})"
    )


def excluded(each: Difference) -> str:
    """ "2.6 points for max": no larger difference lies in the interval."""
    return f"{points(each.largest or 0)} points for {each.arm}"


def failures(regime: RegimeStatistics, arm: str) -> str:
    """ " with 2 of 10 trainings failed", or nothing."""
    standing = regime.standing(arm)
    if not standing.failed:
        return ""
    return f" with {len(standing.failed)} of {len(standing.accuracies)} trainings failed"


def scale_effects(
    regimes: Mapping[str, RegimeStatistics], one: str = "drop-in", other: str = "calibrated"
) -> tuple[Difference, ...]:
    """How much more an arm gains on the reference under one regime than under the other, seed by seed.

    Both are differences to the reference with the same seed, so what a regime does to all arms falls out.

    Args:
        regimes: by name; without both of them there is nothing to say.
        one, other: the result is other minus one.
    """
    if one not in regimes or other not in regimes:
        return ()
    first, second = (
        {each.arm: dict(zip(each.seeds, each.values, strict=True)) for each in regimes[name].differences}
        for name in (one, other)
    )
    moves = {
        arm: {seed: after[seed] - first[arm][seed] for seed in after.keys() & first[arm].keys()}
        for arm, after in second.items()
        if arm in first
    }
    everyone = {seed: 0.0 for found in moves.values() for seed in found}
    return differences(moves, everyone, bound=2.0)  # of two differences


def scale_statement(regimes: Mapping[str, RegimeStatistics]) -> Statement:
    """What of the differences under the usual first weights is the scale of these weights."""
    effects = scale_effects(regimes)
    if not effects:
        return Statement("scale", ())
    certain = [each for each in effects if each.certain]
    reference = named(regimes["drop-in"].reference)
    sentences = [
        f"Calibrating the first weights moves {each.arm} by {signed(each.mean)} points against {reference} "
        f"(95 % interval {signed(each.low or 0)} to {signed(each.high or 0)})."
        for each in sorted(certain, key=lambda each: -abs(each.mean))
    ]
    if certain:
        sentences.append("So much of these arms' differences as a drop-in is scale, not aggregation.")
    quiet = [
        excluded(each)
        for each in effects
        if not each.certain and each.largest is not None and each.largest <= VAGUE
    ]
    if quiet:
        sentences.append(
            f"Where calibrating makes no certain difference, the intervals exclude more than {listed(quiet)}."
        )
    return Statement("scale", tuple(sentences))


def caveats(
    design: Mapping[str, Any],
    regimes: Mapping[str, RegimeStatistics],
    chosen: Sequence[Mapping[str, Any]],
    tried: Callable[[str, str], tuple[float, ...]],
) -> Statement:
    """What the numbers do not say.

    Args:
        design, chosen: of the results.
        regimes: the statistics of each.
        tried: the learning rates that an arm's search has tried under a regime.
    """
    network, seeds = design.get("network", {}), len(design["seeds"])
    parameters = network.get("parameters")
    size = f" of {parameters:,} parameters" if isinstance(parameters, int) else ""
    sentences = [
        f"One data set ({design['data']}), one network ({network.get('name', 'unnamed')}{size}), one recipe: "
        "elsewhere the order of the arms may be another.",
        f"The intervals speak of other seeds ({seeds} here): other first weights, orders and held-out "
        "pictures. They do not speak of other test pictures, which are the same for every seed.",
        "The learning rate of each arm was chosen from a grid, on held-out pictures; everything else of the "
        "recipe is the same for all, and was not made for any of them.",
    ]
    if seeds < FEW_SEEDS:
        sentences.append(f"{seeds} seeds are few: small differences stay unseen, and the intervals are wide.")
    edges = [f"{one['arm']} ({one['regime']})" for one in chosen if one.get("at_edge")]
    if edges:
        sentences.append(
            f"The best learning rate lay at the edge of the grid for {listed(edges)}: a better one may lie "
            "beyond."
        )
    sentences += untrained(chosen, tried)
    if seeds < 6:
        sentences.append(
            f"With {seeds} seeds the signed-rank test, which checks Student's, can confirm nothing."
        )
    doubtful = [
        f"{each.arm} ({regime.regime})"
        for regime in regimes.values()
        for each in regime.differences
        if seeds >= 6 and each.certain and each.wilcoxon is not None and each.wilcoxon > SURE
    ]
    if doubtful:
        sentences.append(
            f"The signed-rank test, which needs no normal distribution, does not confirm {listed(doubtful)}."
        )
    if any(standing.failed for regime in regimes.values() for standing in regime.standings):
        sentences.append(
            "Failed trainings count with the accuracy that they had; with them the differences are no normal "
            "distribution, and the intervals are rough."
        )
    return Statement("caveats", tuple(sentences))


def untrained(
    chosen: Sequence[Mapping[str, Any]], tried: Callable[[str, str], tuple[float, ...]]
) -> list[str]:
    """Where no learning rate of the search trains, and which ones were tried."""
    pairs: dict[tuple[float, ...], list[str]] = {}
    for one in chosen:
        if not one.get("trains", True):
            rates = tried(one["arm"], one["regime"])
            pairs.setdefault((rates[0], rates[-1]) if rates else (), []).append(
                f"{one['arm']} ({one['regime']})"
            )
    return [
        f"In the search no learning rate{spanned(ends)} trained {listed(arms)}: the one that was taken "
        "may be an accident."
        for ends, arms in pairs.items()
    ]


def spanned(ends: tuple[float, ...]) -> str:
    """ " from 0.01 to 0.64", " (only 0.05 was tried)", or nothing."""
    if len(set(ends)) == 1:
        return f" (only {ends[0]:g} was tried)"
    return f" from {ends[0]:g} to {ends[1]:g}" if ends else ""


def under_of(regime: str) -> str:
    """The beginning of a sentence about a regime."""
    return UNDER.get(regime, f"Under {regime}")


def named(arm: str) -> str:
    """An arm inside a sentence.

    Example:
        >>> named("sum"), named("adder")
        ('the sum', 'adder')
    """
    return f"the {arm}" if arm in ("sum", "mean") else arm


def points(share: float) -> str:
    """A share as percentage points: one digit behind the point, two below one.

    Example:
        >>> points(0.0312), points(0.00312)
        ('3.1', '0.31')
    """
    value = 100 * share
    return f"{value:.1f}" if abs(value) >= 0.95 or value == 0 else f"{value:.2f}"


def signed(share: float) -> str:
    """The same with its sign.

    Example:
        >>> signed(0.0312), signed(-0.002)
        ('+3.1', '-0.20')
    """
    return ("-" if share < 0 else "+") + points(abs(share))


def exact(share: float) -> str:
    """The same in two digits, for tables.

    Example:
        >>> exact(0.0312), exact(-0.00001)
        ('+3.12', '0.00')
    """
    text = f"{100 * share:+.2f}"
    return "0.00" if float(text) == 0 else text


def listed(words: Sequence[str]) -> str:
    """Words in a sentence.

    Example:
        >>> listed(["max", "min", "mean"])
        'max, min and mean'
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
