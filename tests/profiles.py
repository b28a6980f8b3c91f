"""How many layers hypothesis draws: a few in `make test`, thousands in `make test-all`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

from hypothesis import HealthCheck, settings


def register() -> None:
    """Make the profiles known; `--hypothesis-profile thorough` chooses one."""
    calm = [HealthCheck.too_slow, HealthCheck.data_too_large]
    settings.register_profile(
        "fast", max_examples=100, deadline=None, derandomize=True, database=None, suppress_health_check=calm
    )
    settings.register_profile(
        "thorough",
        max_examples=4000,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=calm,
    )
    settings.load_profile("fast")


def thorough() -> bool:
    """Whether time matters less than cases."""
    return settings().max_examples > 1000


def crossed(first: Iterable[Any], second: Iterable[Any]) -> list[tuple[Any, Any]]:
    """Every pair where time matters less; otherwise each of the first with one of the second, in turn."""
    ones, others = list(first), list(second)
    if thorough():
        return list(product(ones, others))
    count = max(len(ones), len(others))
    return [(ones[at % len(ones)], others[at % len(others)]) for at in range(count)]


def share(part: float) -> Callable[[Any], Any]:
    """So large a part of the profile's examples, for one test."""

    def apply(test: Any) -> Any:
        return settings(max_examples=max(1, round(part * settings().max_examples)))(test)

    return apply
