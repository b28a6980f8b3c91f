"""The search as a pure question: what it still needs, which rate it takes, where it stops."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from convitro.lab.comparison.design import Design
from convitro.lab.comparison.search import Cell, finals, search

DESIGN = Design.of(arms="max", learning_rates=(0.01, 0.1, 1.0), extensions=2, search_seeds=(107, 108))


def found(loss: Callable[[float], float | None], design: Design = DESIGN) -> Any:
    return search(design, "max", "drop-in", lambda cell: {"validation_loss": loss(cell.learning_rate)})


def rates(cells: tuple[Cell, ...]) -> list[float]:
    return sorted({cell.learning_rate for cell in cells})


def test_it_asks_for_the_whole_grid_first() -> None:
    nothing = search(DESIGN, "max", "drop-in", lambda cell: None)
    assert nothing.chosen is None
    assert rates(nothing.cells) == [0.01, 0.1, 1.0]
    assert {cell.seed for cell in nothing.cells} == {107, 108}
    assert not any(cell.final for cell in nothing.cells)


def test_it_waits_for_the_last_one() -> None:
    last = search(DESIGN, "max", "drop-in", lambda _: None).cells[-1]
    waiting = search(
        DESIGN, "max", "drop-in", lambda cell: None if cell == last else {"validation_loss": 1.0}
    )
    assert waiting.chosen is None


def test_a_best_rate_inside_ends_it() -> None:
    result = found(lambda rate: abs(math.log10(rate) + 1))
    assert (result.chosen, result.at_edge, len(result.cells)) == (0.1, False, 6)


def test_the_grid_grows_where_the_best_lies_at_its_edge_and_stops_there_at_last() -> None:
    up = found(lambda rate: abs(math.log10(rate) - 1))
    assert (up.chosen, up.at_edge) == (10.0, False)
    assert rates(up.cells) == [0.01, 0.1, 1.0, 10.0, 100.0]
    down = found(lambda rate: rate)
    assert (down.chosen, down.at_edge) == (1e-4, True)
    assert rates(down.cells) == [1e-4, 1e-3, 0.01, 0.1, 1.0]


def test_the_mean_over_the_seeds_decides_and_a_diverged_one_spoils_its_rate() -> None:
    losses = {
        (0.01, 107): 2.0,
        (0.01, 108): 2.0,
        (0.1, 107): 0.5,
        (0.1, 108): 2.5,
        (1.0, 107): 0.1,
        (1.0, 108): None,
    }

    def outcome(cell: Cell) -> dict[str, float | None]:
        return {"validation_loss": losses.get((cell.learning_rate, cell.seed), 3.0)}

    assert search(DESIGN, "max", "drop-in", outcome).chosen == 0.1


def test_where_everything_diverges_the_smallest_is_taken() -> None:
    result = found(lambda rate: None)
    assert (result.chosen, result.at_edge) == (1e-4, True)


def test_a_single_rate_grows_on_both_sides() -> None:
    design = Design.of(arms="max", learning_rates=0.1, extensions=1, search_seeds=1)
    assert rates(found(lambda rate: 1.0, design).cells) == pytest.approx([0.0316, 0.1, 0.316])


def test_finals_are_paired() -> None:
    cells = finals(DESIGN, "max", "drop-in", 0.1)
    assert [cell.seed for cell in cells] == list(range(10))
    assert all(cell.final and cell.learning_rate == 0.1 for cell in cells)
