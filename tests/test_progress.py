"""The progress bar: on a terminal it says what is done, elsewhere it writes nothing."""

from __future__ import annotations

import io
import sys

import pytest

from convitro.progress import track


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_items_pass_unchanged_and_silently(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track(iter(range(5)), "numbers")) == [0, 1, 2, 3, 4]
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_a_terminal_sees_what_is_done_and_how_much(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    assert list(track([[1, 2], [3]], "reading [pictures]", total=3, size=len)) == [[1, 2], [3]]
    shown = terminal.getvalue()
    assert "reading [pictures]" in shown
    assert "3/3" in shown


def test_what_stops_early_takes_no_more_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    source = iter(range(10))
    for item in track(source, "numbers", total=10):
        if item == 3:
            break
    assert next(source) == 4
