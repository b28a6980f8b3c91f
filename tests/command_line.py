"""The command line as a person uses it: words in, a code and two streams out."""

from __future__ import annotations

from typing import Any

from typer.testing import CliRunner

from convitro.cli import app


def invoke(*arguments: Any) -> tuple[int, str, str]:
    """Run `convitro` with these words; its exit code, what went to stdout, and what to stderr."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr
