"""An aggregation as a user may write one."""

from __future__ import annotations

from typing import Any

from convitro import Aggregation


class Energy(Aggregation):
    """The mean of the squares."""

    name = "energy"

    def init(self, n: int) -> tuple[float, ...]:
        return (0.0,)

    def step(self, state: Any, p: Any) -> Any:
        return (state[0] + p * p,)

    def merge(self, s: Any, t: Any) -> Any:
        return (s[0] + t[0],)

    def finish(self, state: Any, n: Any) -> Any:
        return state[0] / n

    def slope(self, p: Any, saved: Any, n: Any) -> Any:
        return 2 * p / n
