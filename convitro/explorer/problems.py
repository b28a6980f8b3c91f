"""Errors on the wire: JSON with what is wrong, what was expected and received, and what to do."""

from __future__ import annotations

import re

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from convitro.errors import ConvitroError, LoadError


class RequestProblem(Exception):
    """A request that cannot be answered: `status`, what is wrong, what to do about it, what was expected."""

    def __init__(self, status: int, problem: str, hint: str = "", expected: str = "") -> None:
        super().__init__(problem)
        self.status, self.problem, self.hint, self.expected = status, problem, hint, expected


def problem_response(status: int, problem: str, hint: str = "", **facts: str) -> JSONResponse:
    """One problem as JSON, under one set of keys: problem, expected, received, hint."""
    body = {"problem": problem, "expected": "", "received": "", "hint": hint, **facts}
    return JSONResponse(body, status)


async def answer_problem(request: Request, error: Exception) -> JSONResponse:
    """A request that the explorer itself refused."""
    assert isinstance(error, RequestProblem)
    return problem_response(error.status, error.problem, error.hint, expected=error.expected)


async def answer_error(request: Request, error: Exception) -> JSONResponse:
    """An error of the library: a picture that cannot be read, or an aggregation that does not exist."""
    assert isinstance(error, ConvitroError)
    status = 422 if isinstance(error, LoadError) else 400
    facts = {"expected": error.expected, "received": error.received}
    problem = re.sub(r"^\w+: ", "", error.problem)  # who reads the page did not call a function
    return problem_response(status, problem[:1].upper() + problem[1:], error.hint, **facts)


async def answer_http(request: Request, error: Exception) -> JSONResponse:
    """An unknown address or method."""
    assert isinstance(error, HTTPException)
    return problem_response(error.status_code, f"{request.method} is not served here: {error.detail}.")


async def answer_crash(request: Request, error: Exception) -> JSONResponse:
    """Anything else, most often a network whose own forward raises: its first line, never a trace."""
    line = f"{type(error).__name__}: {error}".partition("\n")[0][:300]
    hint = "the network itself may not take this picture; the terminal shows the whole error"
    return problem_response(500, "This could not be computed.", hint, received=line)
