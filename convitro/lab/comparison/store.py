"""The folder of a comparison: one file for each finished training, and who is at work on which."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from convitro.errors import ExperimentError
from convitro.lab.comparison.search import Cell
from convitro.lab.data import Sets
from convitro.lab.files import write_json, write_text
from convitro.lab.folder import differences, read_json

SCHEMA = 1
DESIGN, RESULTS, NULL, CELLS, CLAIMS = "design.json", "results.json", "null.json", "cells", "claims"
BEAT_S = 5.0
"""Between two signs of life of a claim."""
LOOK_S = 1.0
"""Between two looks at what others have finished."""
STALE_S = 180.0
"""A claim without one for so long is nobody's any more; a shared folder may show it a minute late."""
SAMPLED = 64
"""Pictures that stand for all, where these are not in memory."""


class Store:
    """The finished trainings of one comparison, for any number of processes on any number of machines.

    A training's file is named by what decides its numbers, so it is found again whoever wrote it. A claim is
    a file that only one process can make. It is touched every few seconds while that one lives, and taken
    over when it was not for three minutes. Where two take over one claim at the same moment, both train it,
    to the same numbers.

    Args:
        path: the folder; it is made.
        settings: all that decides the numbers of its trainings, as JSON: design, data, version.

    Raises:
        ExperimentError: the folder belongs to another comparison, or cannot be written.
    """

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self.path, self.settings = path, settings
        self.owner = f"{socket.gethostname()}-{os.getpid()}"
        self._outcomes: dict[Cell, dict[str, Any]] = {}
        self._keys: dict[Cell, str] = {}
        self._there: set[str] = set()
        self._mine: dict[Cell, Path] = {}
        self._looked = 0.0
        # Arms, rates and seeds say which cells there are, not what comes of one.
        deciding = {name: settings["design"][name] for name in ("recipe", "model")}
        self._stem = json.dumps([SCHEMA, settings["data"], deciding], sort_keys=True)
        if (path / DESIGN).exists():
            check_same(path, settings)

    def begin(self) -> None:
        """Make the folder this comparison's."""
        if not (self.path / DESIGN).exists():
            self.write(DESIGN, {"schema": SCHEMA, **self.settings})

    def write(self, name: str, content: Any) -> None:
        """Another file of the comparison, whole or not at all."""
        with _room_to_write():
            write_json(self.path / name, content, f".{self.owner}")

    def key(self, cell: Cell) -> str:
        """The name of a training: a hash of all that decides its numbers."""
        if cell not in self._keys:
            text = self._stem + json.dumps(cell.to_dict(), sort_keys=True)
            self._keys[cell] = hashlib.sha256(text.encode()).hexdigest()[:32]
        return self._keys[cell]

    def outcome(self, cell: Cell) -> dict[str, Any] | None:
        """What came of a training, whoever ran it; None while nobody has, as far as `look` saw."""
        if cell not in self._outcomes and self.key(cell) in self._there:
            self._outcomes[cell] = self._read(cell)
        return self._outcomes.get(cell)

    def look(self, *, now: bool = False) -> None:
        """See what is finished, whoever did it; not more often than every second, unless it must be now."""
        if now or time.monotonic() - self._looked >= LOOK_S:
            self._looked = time.monotonic()
            cells = self.path / CELLS
            self._there = {file.stem for file in cells.glob("*.json")} if cells.exists() else set()

    def _read(self, cell: Cell) -> dict[str, Any]:
        file = self._file(cell)
        content = read_json(file)
        if not isinstance(content, dict) or content.get("cell") != cell.to_dict():
            raise ExperimentError(
                f'compare: "{file}" does not hold what its name says.',
                expected=str(cell),
                received=str(content)[:200],
                hint="remove it, and it is trained anew",
            )
        outcome: dict[str, Any] = content["outcome"]
        return outcome

    def _file(self, cell: Cell) -> Path:
        return self.path / CELLS / f"{self.key(cell)}.json"

    def save(self, cell: Cell, outcome: dict[str, Any]) -> None:
        """Keep what came of a training, and let go of it."""
        content = {"schema": SCHEMA, "cell": cell.to_dict(), "by": self.owner, "outcome": outcome}
        text = json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n"
        with _room_to_write():
            write_text(self._file(cell), text, f".{self.owner}")
        self._outcomes[cell] = outcome
        self.release(cell)

    def claim(self, cell: Cell) -> bool:
        """Whether this process may train it: nobody has, and nobody is at it."""
        file = self.path / CLAIMS / self.key(cell)
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists() and not self._stale(file):
            return False
        try:
            descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            return False
        with os.fdopen(descriptor, "w") as opened:
            opened.write(self.owner)
        self._mine[cell] = file
        if self._file(cell).exists():  # finished by another one since the last look
            self.release(cell)
            return False
        return True

    def release(self, cell: Cell) -> None:
        """Let go of a training."""
        if (file := self._mine.pop(cell, None)) is not None:
            file.unlink(missing_ok=True)

    def release_all(self) -> None:
        """Let go of everything."""
        for cell in list(self._mine):
            self.release(cell)

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Signs of life every few seconds, from a thread of their own: a training may keep this one busy."""
        over = threading.Event()

        def beats() -> None:
            while not over.wait(BEAT_S):
                self.beat()

        thread = threading.Thread(target=beats, name="convitro-beats", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def beat(self) -> None:
        """Show that this process is alive."""
        for file in list(self._mine.values()):
            try:
                os.utime(file)
            except OSError:  # taken over by one that thought this process dead, or out of reach for a moment
                continue

    def _stale(self, file: Path) -> bool:
        """Whether a claim is nobody's any more; then it is gone."""
        try:
            owner, touched = file.read_text(), file.stat().st_mtime
            if not _dead(owner) and self._clock() - touched < STALE_S:
                return False
            file.unlink()
        except FileNotFoundError:
            pass
        return True

    def _clock(self) -> float:
        """What time it is by the clock that dates the claims: another machine's, for a shared folder."""
        sign = self.path / CLAIMS / f".{self.owner}"
        sign.touch()
        try:
            return sign.stat().st_mtime
        finally:
            sign.unlink(missing_ok=True)


@contextmanager
def _room_to_write() -> Iterator[None]:
    """What is said of a file that cannot be written, in a comparison's words."""
    try:
        yield
    except ExperimentError as error:
        raise ExperimentError(
            error.problem.replace("train: ", "compare: "),
            expected=error.expected,
            received=error.received,
            hint="what is finished is kept; once there is room, the same command goes on",
        ) from error


def check_same(path: Path, settings: dict[str, Any]) -> None:
    """Raise an ExperimentError unless the folder belongs to this comparison."""
    earlier = read_json(path / DESIGN)
    if changed := differences(earlier, {"schema": SCHEMA, **settings}):
        raise ExperimentError(
            f'compare: the folder "{path}" holds another comparison.',
            expected="the same design, data and version",
            received="; ".join(sorted(changed)),
            hint="give another folder, or the settings that this comparison began with",
        )


def _dead(owner: str) -> bool:
    """Whether a claim's process ran on this machine and is gone."""
    host, _, process = owner.rpartition("-")
    if os.name != "posix" or host != socket.gethostname() or not process.isdecimal():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def fingerprint(sets: Sets) -> dict[str, Any]:
    """What tells this data from other data, as JSON: its description, and a hash of pictures and labels.

    Of pictures that are not in memory 64 of each part stand for all, spread evenly.
    """
    digest = hashlib.sha256()
    for pictures in (sets.train, sets.validation, sets.test):
        if pictures is None:
            continue
        count = len(pictures) if pictures.images is not None else min(SAMPLED, len(pictures))
        places = torch.linspace(0, len(pictures) - 1, count).round().long()
        for part in places.split(256):
            images, labels, _ = next(pictures.batches([part]))
            digest.update(_bytes(images))
            digest.update(_bytes(labels))
    facts = sets.to_dict()
    del facts["labels_crc32"]
    return {**facts, "sha256": digest.hexdigest()[:32]}


def _bytes(values: Tensor) -> bytes:
    return values.contiguous().numpy().tobytes()
