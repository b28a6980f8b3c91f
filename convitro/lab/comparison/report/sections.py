"""The parts of a report, from what was asked to how to do it again."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from convitro.lab.comparison.conclusions import exact, listed, scale_effects
from convitro.lab.comparison.report.blocks import (
    NOTHING,
    Block,
    Bullets,
    Code,
    Grid,
    Item,
    Part,
    Picture,
    Words,
)
from convitro.lab.comparison.report.curves import CurvePanels, curves
from convitro.lab.comparison.report.inside import cost_part, inside_parts, robustness_parts
from convitro.lab.comparison.result import Comparison, interval, p_text
from convitro.lab.comparison.statistics import Difference, Standing
from convitro.lab.recipe import Recipe

ABOUT = {
    "drop-in": "Every arm begins with the usual first weights, which are made for a sum.",
    "calibrated": "The first weights of each layer are scaled once, so that its maps deviate by 1 from 0.",
    "batchnorm": "A BatchNorm stands behind each convolution, so that the scale of its maps cannot matter.",
}
HEAT_POINTS = 0.1
"""Of accuracy: a difference that has the strongest colour."""
READING = (
    "Each arm is compared with {reference}, seed by seed: the same seed means the same first weights, "
    "held-out pictures and order. The intervals are Student's with Bonferroni's correction: all of a regime "
    "hold together with at least 95 %. p (Holm) is that of the paired t-test after Holm's correction; "
    "p (ranks) that of the signed-rank test, a check of its own, uncorrected. Worst is the seed with the "
    "lowest accuracy. A star at the learning rate means that the best one was the last of its grid; where "
    "no rate trained in the search, it says so."
)


def report_parts(comparison: Comparison) -> list[Part]:
    """All of them, from top to bottom."""
    return [
        asked_part(comparison),
        *conclusion_parts(comparison),
        Part("Overview", (overview_grid(comparison),)),
        *regime_parts(comparison),
        *scale_parts(comparison),
        *inside_parts(comparison),
        *robustness_parts(comparison),
        cost_part(comparison),
        again_part(comparison),
    ]


def asked_part(comparison: Comparison) -> Part:
    """The question, and whether the apparatus can be trusted with it."""
    design, network = comparison.design, comparison.design.get("network", {})
    layers = ", ".join(
        f"{layer['name']} {layer['channels']}→{layer['filters']}" for layer in network.get("convolutions", [])
    )
    pictures = ", ".join(f"{count:,} {part}" for part, count in design.get("pictures", {}).items() if count)
    facts = {
        "arms": listed(comparison.arms),
        "regimes": listed(comparison.regimes),
        "data": f"{design['data']}, {len(design['classes'])} classes" + (f"; {pictures}" if pictures else ""),
        "network": ", ".join(
            [network.get("name", "unnamed"), *([f"{network['parameters']:,} parameters"] if network else [])]
        ),
        "convolutions": layers,
        "learning rates to begin with": ", ".join(f"{rate:g}" for rate in design.get("learning_rates", [])),
        "seeds compared": ", ".join(map(str, design["seeds"])),
        "recipe": recipe_words(design.get("recipe", {})),
    }
    rows = tuple((Item(name), Item(value)) for name, value in facts.items() if value)
    question = (
        f"Which way of computing a convolution classifies {design['data']} best, when each has its own "
        "learning rate, the same seeds, and a fair scale to begin with?"
    )
    return Part(
        "What was asked", (Words(question), Grid("The design", ("", ""), rows), null_words(comparison))
    )


def null_words(comparison: Comparison) -> Words:
    """What the null test said."""
    null = comparison.content.get("null_test") or {}
    verdict = {True: "Null test passed.", False: "Null test failed!", None: "No null test was possible."}
    if not null:
        return Words("It is run before the first training.", "The null test is still to come.")
    layers = f" Layers: {', '.join(null['layers'])}." if null.get("layers") else ""
    return Words(f"{null.get('text', '')}{layers}", verdict[null.get("passed")])


def recipe_words(recipe: dict[str, Any]) -> str:
    """A recipe's settings, as far as they are not off."""
    off = (None, False, 0, 0.0)
    return ", ".join(
        f"{name.replace('_', ' ')} {value}" for name, value in recipe.items() if value not in off
    )


def conclusion_parts(comparison: Comparison) -> Iterator[Part]:
    """The answer, before its evidence."""
    said = {statement.about: statement.sentences for statement in comparison.conclusions}
    yield Part("In short", (Words("Nothing but what follows from the intervals below."),))
    for about, sentences in said.items():
        title = {"scale": "How much of it is scale", "caveats": "What this does not say"}.get(about, about)
        yield Part(f"{title[0].upper()}{title[1:]}", (Bullets(sentences),), under=True)


def overview_grid(comparison: Comparison) -> Grid:
    """Arms by regimes: mean test accuracy, and the difference to the reference."""
    rows = []
    for arm in comparison.arms:
        items = [Item(arm)]
        for regime in comparison.regimes:
            standing, found = comparison.statistics[regime].standing(arm), comparison.difference(arm, regime)
            if not standing.accuracies:
                items.append(NOTHING)
            elif found is None or not found.values:
                items.append(Item(percent(standing.mean), "reference" if found is None else ""))
            else:
                heat = heat_of(found)
                items.append(Item(percent(standing.mean), exact(found.mean), heat))
        rows.append(tuple(items))
    caption = (
        "Mean test accuracy in %, and points more than the reference; coloured where the interval says so"
    )
    return Grid(caption, ("arm", *comparison.regimes), tuple(rows))


def regime_parts(comparison: Comparison) -> Iterator[Part]:
    """Intervals and curves of each regime."""
    words = READING.format(reference=comparison.reference)
    yield Part("Test accuracy", (Words(words),))
    for regime in comparison.regimes:
        blocks: list[Block] = [Words(ABOUT[regime])] if regime in ABOUT else []
        blocks.append(Picture(comparison.forest(regime)))
        blocks.append(regime_grid(comparison, regime))
        if failures := failure_words(comparison, regime):
            blocks.append(Words(failures, "Failed trainings."))
        blocks.append(Picture(panels(comparison, regime), "Dashed: the reference. Band: all seeds."))
        yield Part(f"Test accuracy: {regime}", tuple(blocks), under=True)


def regime_grid(comparison: Comparison, regime: str) -> Grid:
    """All arms of a regime, best first."""
    columns = ("arm", "test %", "points", "95 % interval", "p (Holm)", "p (ranks)", "worst", "failed", "rate")
    rows = tuple(regime_row(comparison, regime, standing) for standing in comparison.ranked(regime))
    return Grid(f"{regime}, best arm first", columns, rows)


def regime_row(comparison: Comparison, regime: str, standing: Standing) -> tuple[Item, ...]:
    """One arm."""
    arm, planned = standing.arm, len(comparison.design["seeds"])
    seeds = len(standing.accuracies)
    first = Item(arm, "" if seeds == planned else f"{seeds} of {planned} seeds")
    rate = rate_item(comparison.chosen(arm, regime))
    if standing.worst is None:
        return (first, *[Item("")] * 7, rate)
    failed = Item(str(len(standing.failed)))
    worst = Item(percent(standing.worst[1]), f"seed {standing.worst[0]}")
    found = comparison.difference(arm, regime)
    if found is None or not found.values:
        return (first, Item(percent(standing.mean)), *[Item("")] * 4, worst, failed, rate)
    return (
        first,
        Item(percent(standing.mean)),
        Item(exact(found.mean), heat=heat_of(found)),
        Item(interval(found)),
        Item(p_text(found.holm)),
        Item(p_text(found.wilcoxon)),
        worst,
        failed,
        rate,
    )


def rate_item(chosen: Mapping[str, Any] | None) -> Item:
    """The rate that a search chose, and what is to be known about the choice."""
    if chosen is None:
        return Item("")
    star = "*" if chosen.get("at_edge") else ""
    return Item(f"{chosen['learning_rate']:g}{star}", "" if chosen.get("trains", True) else "none trained")


def failure_words(comparison: Comparison, regime: str) -> str:
    """Who failed, with which seeds, and how the first of them did."""
    found = []
    for arm in comparison.arms:
        if failed := [cell for cell in comparison.cells(arm, regime) if cell.get("failed")]:
            seeds = listed([str(cell["seed"]) for cell in failed])
            how = failed[0].get("why") or failed[0].get("ended", "failed")
            found.append(f"{arm} with seed {seeds} ({how}).")
    return " ".join(found)


def heat_of(found: Difference) -> float:
    """How coloured a difference is: not at all where the interval holds 0, and soon where it does not."""
    return (
        math.copysign(min(1.0, math.sqrt(abs(found.mean) / HEAT_POINTS)), found.mean)
        if found.certain
        else 0.0
    )


def panels(comparison: Comparison, regime: str) -> CurvePanels:
    """The loss on held-out pictures of every arm."""
    found = {
        arm: curves([cell["curves"]["validation_loss"] for cell in cells])
        for arm in comparison.arms
        if (cells := [cell for cell in comparison.cells(arm, regime) if cell.get("curves")])
    }
    return CurvePanels(f"{regime}: loss on held-out pictures", found, comparison.reference)


def scale_parts(comparison: Comparison) -> Iterator[Part]:
    """How much of each difference is scale."""
    effects = scale_effects(comparison.statistics)
    if not effects:
        return
    words = (
        f"What an arm gains on {comparison.reference} when the first weights are calibrated, against what it "
        "gains as a drop-in: the difference of the two differences, seed by seed."
    )
    rows = tuple(
        (
            Item(each.arm),
            Item(exact(each.mean), heat=heat_of(each)),
            Item(interval(each)),
            Item(p_text(each.holm)),
        )
        for each in effects
        if each.values
    )
    grid = Grid("Calibrated minus drop-in, in points", ("arm", "points", "95 % interval", "p (Holm)"), rows)
    yield Part("Scale or aggregation", (Words(words), grid))


def again_part(comparison: Comparison) -> Part:
    """The command, and what it ran on."""
    environment = comparison.content.get("environment") or {}
    facts = {"convitro": comparison.content.get("convitro", ""), **environment}
    rows = tuple((Item(str(name)), Item(str(value))) for name, value in facts.items() if name != "command")
    words = "The same command in an empty folder gives the same numbers, bit for bit, on the same machine."
    return Part("Do it again", (Words(words), Code(command(comparison)), Grid("Made with", ("", ""), rows)))


def command(comparison: Comparison) -> str:
    """`convitro compare` with every setting that is not the usual one."""
    design = comparison.design
    words = ["convitro", "compare", *([design["model"]] if design.get("model") else [])]
    options = {
        "data": design["data"],
        "images": design.get("images"),
        "input": "x".join(map(str, design.get("brought_to") or ())),
        "aggregations": ",".join(comparison.arms),
        "regimes": ",".join(comparison.regimes),
        "rates": ",".join(f"{rate:g}" for rate in design.get("learning_rates", [])),
        "extensions": design.get("extensions"),
        "search-seeds": len(design.get("search_seeds", [])) or None,
        "seeds": len(design["seeds"]),
    }
    usual = Recipe().to_dict()
    options |= {
        name.replace("_", "-"): value
        for name, value in design.get("recipe", {}).items()
        if value != usual.get(name) or name == "epochs"
    }
    for name, value in options.items():
        if value is True:
            words.append(f"--{name}")
        elif value not in (None, False, ""):
            words += [f"--{name}", str(value)]
    return shlex.join([*words, "-o", "results/"])


def percent(share: float) -> str:
    """A share in percent."""
    return f"{100 * share:.2f}"
