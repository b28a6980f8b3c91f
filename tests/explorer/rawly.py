"""Requests as bytes straight into an ASGI application, however wrong, and what every answer must be."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import anyio
from anyio.from_thread import BlockingPortal
from starlette.applications import Starlette

from convitro.view import read_document
from tests.explorer.conftest import TOKEN

PATIENCE_S = 60
MOST_BYTES = 64 * 2**20
KEYS = {"problem", "expected", "received", "hint"}
HELD = ((b"host", b"127.0.0.1:8000"), (b"authorization", b"Bearer " + TOKEN.encode()))
Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Answer:
    """What came back, unread."""

    status: int
    headers: dict[str, str]
    body: bytes


def ask(
    portal: BlockingPortal,
    app: Starlette,
    path: str,
    query: bytes = b"",
    *,
    method: str = "GET",
    headers: Headers = HELD,
    body: Sequence[bytes] = (),
    gone: bool = False,
) -> Answer:
    """One request; `body` in pieces, `gone`: who asks has left when the answer is due."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode("utf-8", "surrogatepass"),
        "query_string": query,
        "root_path": "",
        "headers": list(headers),
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }
    return portal.call(answered, app, scope, list(body), gone)


async def answered(app: Starlette, scope: dict[str, Any], body: list[bytes], gone: bool) -> Answer:
    """The answer of the application to one request, within a minute."""
    messages: list[Any] = []
    left = [
        {"type": "http.request", "body": piece, "more_body": at < len(body) - 1}
        for at, piece in enumerate(body or [b""])
    ]

    async def receive() -> dict[str, Any]:
        if left and not gone:
            return left.pop(0)
        if not gone:
            await anyio.sleep(PATIENCE_S)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        messages.append(message)

    with anyio.fail_after(PATIENCE_S):
        try:
            await app(scope, receive, send)
        except Exception:
            # Starlette answers a crash, then raises it again for the server's log.
            assert messages, "a crash without an answer"
    start, rest = messages[0], messages[1:]
    names = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
    return Answer(start["status"], names, b"".join(part.get("body", b"") for part in rest))


def check(answer: Answer, allowed: Callable[[int], bool] = lambda status: status < 500) -> None:
    """The answer is a document, a message in the house's keys, or a file; sealed, and of bounded size."""
    assert allowed(answer.status), (answer.status, answer.body[:300])
    assert len(answer.body) < MOST_BYTES
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "content-security-policy" in answer.headers
    kind = answer.headers.get("content-type", "")
    if kind == "application/octet-stream" and "content-disposition" in answer.headers:
        assert answer.body.startswith(b"<!doctype html>")  # a file to keep
    elif kind == "application/octet-stream":
        read_document(answer.body)
    elif kind == "application/json":
        facts = json.loads(answer.body)
        assert answer.status == 200 or (set(facts) == KEYS and facts["problem"]), facts
        assert all(len(str(each)) < 2000 for each in facts.values())
    else:
        assert answer.status == 200 or answer.body.startswith(b"<!doctype html>"), (kind, answer.body[:80])
