"""The networks that one explorer shows: those it was started with, the last few opened in the page."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

from convitro.datasets import Dataset
from convitro.explorer.problems import RequestProblem
from convitro.explorer.session import Session
from convitro.sources import Network

MAX_OPENED = 3  # opened in the page; the oldest goes


class Shelf:
    """Every network with its session. Methods may be called from any thread.

    The sessions share the pictures, the lock under which networks run, and the room for dissections: however
    many networks there are, no more of these are kept.

    Args:
        networks: what the explorer is started with, at least one; the first is shown first.
        picture: what they see first: a bundled name, a path, a file's bytes; None is the first bundled one.
        data: images 0..1 to look over, for all or one for each; None takes details of the photographs.
    """

    def __init__(
        self,
        networks: Sequence[Network],
        picture: str | Path | bytes | None = None,
        data: Dataset | Sequence[Dataset | None] | None = None,
    ) -> None:
        each: list[Dataset | None]
        each = [data] * len(networks) if data is None or isinstance(data, Dataset) else list(data)
        self.first = Session(networks[0], picture, data=each[0])
        self.lock = Lock()
        self.sessions = OrderedDict({"0": self.first})
        for index, (network, images) in enumerate(zip(networks[1:], each[1:], strict=True), start=1):
            self.sessions[str(index)] = self.beside(str(index), network, images)

    def beside(self, id: str, network: Network, data: Dataset | None = None) -> Session:
        """A session of one more network, on the same pictures."""
        return replace(
            self.first, id=id, network=network, data=data, outcomes=OrderedDict(), projections=OrderedDict()
        )

    def session(self, id: str) -> Session:
        """The session of a network; an empty id is the first one.

        Raises:
            RequestProblem: 404, there is none, or it has been put away.
        """
        with self.lock:
            found = self.sessions.get(id or "0")
        if found is None:
            hint = "choose one of the list, or open its file again"
            raise RequestProblem(404, "This model is not here any more.", hint)
        return found

    def add(self, id: str, network: Network) -> None:
        """Keep a network that was opened in the page; beyond three the oldest of these is put away."""
        with self.lock:
            self.sessions[id] = self.beside(id, network)
            self.sessions.move_to_end(id)
            opened = [key for key in self.sessions if key.startswith("own-")]
            for key in opened[: max(0, len(opened) - MAX_OPENED)]:
                self.sessions.pop(key).forget()

    def facts(self) -> list[dict[str, Any]]:
        """Every network in a line: id, name, what it takes, and whether it was opened in the page."""
        with self.lock:
            rows = list(self.sessions.items())
        return [
            {
                "id": id,
                "name": session.network.name,
                "input_size": list(session.network.input_size),
                "classes": len(session.network.classes),
                "opened": id.startswith("own-"),
            }
            for id, session in rows
        ]
