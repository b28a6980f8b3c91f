"""The line at the bottom of a terminal: what is done, what is at work, how long it takes yet."""

import io
import sys

import pytest

import convitro.lab.comparison.progress as progress_module
from convitro.lab.comparison.progress import Progress
from convitro.lab.comparison.search import Cell


class Terminal(io.StringIO):
    """A stderr that somebody looks at."""

    def isatty(self) -> bool:
        return True


def test_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys, "stderr", Terminal())
    clock = iter([0.0, 50.0, 170.0])
    monkeypatch.setattr(progress_module, "monotonic", lambda: next(clock))
    running = [Cell("max", "drop-in", 0.1, 3, final=False)] * 2
    with Progress() as shown:
        texts = []
        for done in (4, 5, 7):  # the minute before the first is finished, which compiles, counts for nothing
            shown.show(done, 10, running)
            texts.append(shown._bar.tasks[0].fields["left"])
        task = shown._bar.tasks[0]
    assert texts == ["", "", "3 min left"]
    assert (task.description, task.completed, task.total) == ("max drop-in", 7, 10)


def test_nothing_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as shown:
        shown.show(1, 2, [])
    assert capsys.readouterr() == ("", "")
