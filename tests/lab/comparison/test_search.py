"""The search as a pure question: what it still needs, which rate it takes, where it stops."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from convitro.lab.comparison.design import Design
from convitro.lab.comparison.search import Cell, finals, search, trains

DESIGN = Design.of(arms="max", learning_rates=(0.01, 0.1, 1.0), extensions=2, search_seeds=(107, 108))


def found(loss: Callable[[float], float | None], design: Design = DESIGN) -> Any:
    return search(design, "max", "drop-in", lambda cell: came_to(loss(cell.learning_rate)))


def came_to(loss: float | None, *, failed: bool = False) -> dict[str, Any]:
    """What came of a training; without a loss it diverged."""
    return {"validation_loss": loss, "failed": failed or loss is None}


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
    waiting = search(DESIGN, "max", "drop-in", lambda cell: None if cell == last else came_to(1.0))
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

    def outcome(cell: Cell) -> dict[str, Any]:
        return came_to(losses.get((cell.learning_rate, cell.seed), 3.0))

    assert search(DESIGN, "max", "drop-in", outcome).chosen == 0.1


def test_where_no_rate_trains_the_grid_grows_at_both_ends() -> None:
    """The losses are those of chance: the lowest of them says nothing about where to look."""

    def outcome(cell: Cell) -> dict[str, Any]:
        return came_to(2.302 if cell.learning_rate == 0.1 else 2.303, failed=True)

    result = search(DESIGN, "max", "drop-in", outcome)
    assert rates(result.cells) == [1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0, 100.0]
    assert (result.chosen, result.at_edge, result.trains) == (0.1, False, False)


@pytest.mark.parametrize(("where", "tried"), [(10.0, (1e-3, 100.0)), (1e-3, (1e-4, 10.0))])
def test_once_a_rate_trains_the_grid_follows_the_best(where: float, tried: tuple[float, float]) -> None:
    """The first extension is at both ends, the second only where the rate lies that trains."""

    def outcome(cell: Cell) -> dict[str, Any]:
        return came_to(0.3) if cell.learning_rate == where else came_to(2.3, failed=True)

    result = search(DESIGN, "max", "drop-in", outcome)
    asked = rates(result.cells)
    assert (asked[0], asked[-1]) == tried
    assert (result.chosen, result.at_edge, result.trains) == (where, False, True)


def test_a_rate_that_trains_is_taken_before_one_that_does_not() -> None:
    """With 1.0 one seed learns and the other diverges; with the others nothing learns."""

    def outcome(cell: Cell) -> dict[str, Any]:
        if cell.learning_rate != 1.0:
            return came_to(2.3, failed=True)
        return came_to(0.1 if cell.seed == 107 else None)

    design = Design.of(arms="max", learning_rates=(0.1, 1.0, 10.0), extensions=0, search_seeds=(107, 108))
    result = search(design, "max", "drop-in", outcome)
    assert (result.chosen, result.at_edge, result.trains) == (1.0, False, True)


def test_where_everything_diverges_the_smallest_is_taken() -> None:
    result = found(lambda rate: None)
    assert (result.chosen, result.at_edge, result.trains) == (1e-4, False, False)
    assert rates(result.cells)[-1] == 100.0


def test_one_training_that_did_not_fail_is_enough_to_train() -> None:
    assert trains([came_to(2.3, failed=True), came_to(0.4)])
    assert not trains([came_to(2.3, failed=True), came_to(None)])


def test_a_single_rate_grows_on_both_sides() -> None:
    design = Design.of(arms="max", learning_rates=0.1, extensions=1, search_seeds=1)
    assert rates(found(lambda rate: 1.0, design).cells) == pytest.approx([0.0316, 0.1, 0.316])


def test_finals_are_paired() -> None:
    cells = finals(DESIGN, "max", "drop-in", 0.1)
    assert [cell.seed for cell in cells] == list(range(10))
    assert all(cell.final and cell.learning_rate == 0.1 for cell in cells)
