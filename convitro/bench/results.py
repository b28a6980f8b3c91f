"""A run as data: one row per thing measured, and the JSON file it is kept in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from convitro.bench.measure import Timing
from convitro.errors import LoadError

OURS, DIRECT_SUM = "convitro", "convitro, direct sum"
FORMAT = 1


@dataclass(frozen=True)
class Row:
    """One layer, network or call, timed for everybody.

    Attributes:
        suite, group: which suite it belongs to, and which of the stated targets.
        name, shape: what it is.
        timings: by contender; the names of ours start with "convitro".
        refused: contenders that were not timed, and why.
        least_ms: the roofline's limit for the direct algorithm; 0 where it has none.
        algorithm, plan: how ours did it, in a word and in full; empty where that was not asked.
        saved_bytes: by contender, what forward keeps for backward (training only).
        own_bytes: the same without the inputs of layers.
        extra_bytes: by contender, what a call adds to the peak of a process, results included (aggregations
            only).
        output_bytes: the size of the output; 0 where that was not asked.
    """

    suite: str
    group: str
    name: str
    shape: str
    timings: dict[str, Timing]
    refused: dict[str, str] = field(default_factory=dict)
    least_ms: float = 0.0
    algorithm: str = ""
    plan: str = ""
    saved_bytes: dict[str, int] = field(default_factory=dict)
    own_bytes: dict[str, int] = field(default_factory=dict)
    extra_bytes: dict[str, int] = field(default_factory=dict)
    output_bytes: int = 0

    def ms(self, contender: str = OURS) -> float:
        """Median milliseconds of a contender; infinite where it was not timed."""
        timing = self.timings.get(contender)
        return timing.median_ms if timing else float("inf")

    def peers(self) -> dict[str, float]:
        """Median milliseconds of everybody else."""
        return {name: timing.median_ms for name, timing in self.timings.items() if not is_ours(name)}

    def best_peer(self) -> str:
        """The fastest of the others; empty where there is none."""
        peers = self.peers()
        return min(peers, key=peers.__getitem__) if peers else ""

    def ratio(self) -> float:
        """How many times as fast as the fastest peer; NaN without a peer, 0 where ours was refused."""
        best = self.best_peer()
        return self.ms(best) / self.ms() if best else float("nan")

    def share(self) -> float:
        """Part of the roofline that ours reaches; more than 1 where it does less than the direct work."""
        return self.least_ms / self.ms()

    def over_sum(self) -> float:
        """Our time over that of our plain sum on the same shape; NaN where that was not measured."""
        return self.ms() / self.ms(DIRECT_SUM) if DIRECT_SUM in self.timings else float("nan")

    def extra_mb(self) -> float:
        """Megabytes that a call of ours adds to the peak; NaN where that was not measured."""
        return self.extra_bytes[OURS] / 1e6 if OURS in self.extra_bytes else float("nan")

    def scaling(self) -> float:
        """How many times as fast as ours with one thread; NaN where that was not measured."""
        return (
            self.ms("convitro 1 thread") / self.ms() if "convitro 1 thread" in self.timings else float("nan")
        )


@dataclass(frozen=True)
class Figure:
    """A single number with a limit, such as the seconds of an import."""

    name: str
    value: float
    unit: str
    at_most: float | None = None


@dataclass(frozen=True)
class Run:
    """All that one call of `convitro bench` measured, with one number of threads."""

    machine: dict[str, Any]
    settings: dict[str, Any]
    roofline: dict[str, float]
    rows: list[Row]
    figures: list[Figure] = field(default_factory=list)

    @property
    def threads(self) -> int:
        """How many everybody had."""
        return int(self.settings["threads"])

    def groups(self) -> dict[str, list[Row]]:
        """Rows by group, in the order of the run."""
        groups: dict[str, list[Row]] = {}
        for row in self.rows:
            groups.setdefault(row.group, []).append(row)
        return groups

    def contenders(self) -> list[str]:
        """Everybody who was timed, ours first."""
        names = dict.fromkeys(name for row in self.rows for name in row.timings)
        return sorted(names, key=lambda name: not is_ours(name))

    def save(self, file: Path) -> None:
        """Write it as JSON."""
        file.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"format": FORMAT, **asdict(self)}, indent=1, ensure_ascii=False)
        file.write_text(text + "\n", encoding="utf-8")

    @staticmethod
    def read(file: Path) -> Run:
        """Read what `save` wrote.

        Raises:
            LoadError: the file is not there, or is something else.
        """
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            if content.pop("format") != FORMAT:
                raise ValueError("another format")
            content["rows"] = list(_rows(content["rows"]))
            content["figures"] = [Figure(**figure) for figure in content["figures"]]
            return Run(**content)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise LoadError(
                f'bench: "{file}" cannot be read as results.',
                expected=f"a file of `convitro bench --output FILE`, format {FORMAT}",
                received=f"{type(error).__name__}: {error}",
            ) from error


def _rows(rows: list[dict[str, Any]]) -> Iterator[Row]:
    for row in rows:
        timings = {name: Timing(**timing) for name, timing in row.pop("timings").items()}
        yield Row(**row, timings=timings)


def is_ours(name: str) -> bool:
    """Whether a contender is one of ours."""
    return name.startswith(OURS)
