"""Many at once, two at once, a failing network, askers that leave: whoever asks next is answered as ever."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import anyio
import httpx
import pytest
from anyio.from_thread import BlockingPortal
from starlette.applications import Starlette
from torch import Tensor, nn

from convitro.explorer import create_app
from convitro.explorer.server import bound_socket, web_server
from convitro.explorer.work import MAX_WAITING
from convitro.sources import Network
from tests.explorer.conftest import TOKEN
from tests.explorer.networks import small
from tests.explorer.rawly import HELD, Answer, answered, ask, check

PICTURES = ("cat", "cup", "rocket", "coins", "moon")  # more than are remembered


@pytest.fixture
def app(network: Network) -> Starlette:
    return create_app(network, None, TOKEN)


def scope(path: str, query: bytes) -> dict[str, object]:
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": query,
        "headers": list(HELD),
        "root_path": "",
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
    }


def at_once(portal: BlockingPortal, app: Starlette, requests: list[tuple[str, bytes, bool]]) -> list[Answer]:
    """The answers to requests that all begin together; the last of each says that its asker has left."""
    found: list[Answer | None] = [None] * len(requests)

    async def all_of_them() -> None:
        async def one(at: int, path: str, query: bytes, gone: bool) -> None:
            found[at] = await answered(app, scope(path, query), [], gone)

        async with anyio.create_task_group() as tasks:
            for at, request in enumerate(requests):
                tasks.start_soon(one, at, *request)

    portal.call(all_of_them)
    return [each for each in found if each is not None]


def test_a_flood_of_one_view(portal: BlockingPortal, app: Starlette) -> None:
    """What does not fit into the queue is told to come again; the rest is answered, and then all is quiet."""
    good = ask(portal, app, "/api/filter", b"layer=0")
    answers = at_once(portal, app, [("/api/filter", b"layer=0", False)] * (3 * MAX_WAITING))
    for answer in answers:
        check(answer, lambda status: status in (200, 503))
    served = [answer for answer in answers if answer.status == 200]
    assert len(served) == MAX_WAITING
    assert all(answer.body == good.body for answer in served)
    assert ask(portal, app, "/api/filter", b"layer=0") == good


def test_the_newest_wins_over_all_that_were_withdrawn(
    portal: BlockingPortal, app: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    lookup = app.state.shelf.first.anatomy

    def noted(id: str) -> object:
        done.append(id)
        return lookup(id)

    monkeypatch.setattr(app.state.shelf.first, "anatomy", noted)
    old = [("/api/filter", b"layer=0&picture=cup", True)] * 20
    answers = at_once(portal, app, [*old, ("/api/filter", b"layer=0&picture=moon", False)])
    assert [answer.status for answer in answers] == [499] * 20 + [200]
    assert done == ["moon"]


def test_two_tabs_on_different_pictures(portal: BlockingPortal, app: Starlette) -> None:
    """Nothing of one tab is ever shown in another, even as dissections are forgotten and made again."""
    queries = [f"layer=3&filter={index % 4}&picture={name}".encode() for index, name in enumerate(PICTURES)]
    alone = [ask(portal, app, "/api/filter", query).body for query in queries]
    asked = [("/api/filter", query, False) for query in queries] * 4
    answers = at_once(portal, app, asked)
    assert [answer.body for answer in answers] == alone * 4


class Fails(nn.Module):
    """The small network, which raises at chosen runs; copies of it count together."""

    count = 0

    def __init__(self, *runs: int) -> None:
        super().__init__()
        self.body, self.at = small().model, runs
        Fails.count = 0

    def forward(self, input: Tensor) -> Tensor:
        Fails.count += 1
        if Fails.count in self.at:
            raise RuntimeError(f"run {Fails.count} failed")
        return self.body(input)


WAYS = (
    ("/api/network", b""),
    ("/api/table", b""),
    ("/api/outcome", b"layer=body.0&aggregation=max"),
    ("/api/projection", b"layer=body.0"),
    ("/api/filter", b"layer=body.3&picture=cup"),
)


@pytest.mark.parametrize("run", range(1, 9))
def test_a_network_that_fails_once(portal: BlockingPortal, run: int) -> None:
    """The failure is told to who asked, sealed like every answer; asked again, everything is there."""
    model = Fails(run)
    app = create_app(Network(model, "failing", (3, 16, 16)), None, TOKEN)
    first = [ask(portal, app, *way) for way in WAYS]
    for answer in first:
        check(answer, lambda status: status in (200, 400, 500))
    failed = [json.loads(answer.body) for answer in first if answer.status != 200]
    assert len(failed) <= 1
    assert all(f"run {run} failed" in facts["received"] + facts["hint"] for facts in failed)
    model.at = ()  # a later run than these could be the one that fails
    for answer in (ask(portal, app, *way) for way in WAYS):
        check(answer, lambda status: status == 200)


def test_a_network_that_always_fails(portal: BlockingPortal) -> None:
    app = create_app(Network(Fails(*range(1, 500)), "failing", (3, 16, 16)), None, TOKEN)
    for way in WAYS:
        check(ask(portal, app, *way), lambda status: status in (400, 500))
    check(ask(portal, app, "/api/alive"), lambda status: status == 200)


@pytest.fixture
def served(app: Starlette) -> Iterator[int]:
    """A real server's port."""
    with bound_socket("127.0.0.1", 0) as listener:
        server = web_server(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


def spoken(port: int, data: bytes, most: int = 1 << 16) -> bytes:
    """What a server says to bytes, until it closes the connection or has said enough."""
    heard = b""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection, suppress(ConnectionError):
        connection.sendall(data)  # who has heard enough may hang up
        with suppress(OSError):  # nor is there anything to shut then
            connection.shutdown(socket.SHUT_WR)
        while len(heard) < most and (more := connection.recv(4096)):
            heard += more
    return heard


def head(port: int, line: str, *lines: str) -> bytes:
    token = f"Authorization: Bearer {TOKEN}"
    return "\r\n".join([line, f"Host: 127.0.0.1:{port}", token, *lines, "", ""]).encode("latin-1")


POST = "POST /api/picture HTTP/1.1"
LIES: dict[str, Callable[[int], bytes]] = {
    "more announced than sent": lambda port: head(port, POST, "Content-Length: 100") + b"abc",
    "less announced than sent": lambda port: head(port, POST, "Content-Length: 1") + b"abc",
    "a negative length": lambda port: head(port, POST, "Content-Length: -5") + b"abc",
    "two lengths": lambda port: head(port, POST, "Content-Length: 3", "Content-Length: 9") + b"abc",
    "a length beyond all numbers": lambda port: head(port, POST, "Content-Length: " + "9" * 400) + b"abc",
    "chunks of junk": lambda port: head(port, POST, "Transfer-Encoding: chunked") + b"zz\r\nabc\r\n0\r\n\r\n",
    "a chunk without an end": lambda port: head(port, POST, "Transfer-Encoding: chunked") + b"ffffff\r\nabc",
    "chunks and a length": lambda port: (
        head(port, POST, "Transfer-Encoding: chunked", "Content-Length: 3") + b"3\r\nabc\r\n0\r\n\r\n"
    ),
    "another encoding": lambda port: head(port, POST, "Transfer-Encoding: gzip") + b"abc",
    "a header of 200 kB": lambda port: head(port, "GET /api/alive HTTP/1.1", "X: " + "a" * 200_000),
    "3,000 headers": lambda port: head(port, "GET /api/alive HTTP/1.1", *["X: y"] * 3000),
    "an address of 200 kB": lambda port: head(port, f"GET /api/alive?{'a' * 200_000} HTTP/1.1"),
    "an address in strange bytes": lambda port: head(port, "GET /api/maps?layer=\xff\x80 HTTP/1.1"),
    "a whole address": lambda port: head(port, "GET http://evil.example/api/alive HTTP/1.1"),
    "a version that is none": lambda port: head(port, "GET /api/alive HTTP/9.9"),
    "another protocol": lambda port: head(
        port, "GET /api/alive HTTP/1.1", "Connection: Upgrade", "Upgrade: websocket"
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies_about_lengths_and_forms(served: int, lie: str) -> None:
    answer = spoken(served, LIES[lie](served))
    status = int(answer[9:12] or b"0")
    assert status == 0 or 200 <= status < 500, answer[:300]
    url = f"http://127.0.0.1:{served}/api/alive"
    assert httpx.get(url, headers={"Authorization": f"Bearer {TOKEN}"}).json() == {"alive": True}


def test_askers_that_leave_in_the_middle_of_an_answer(served: int) -> None:
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", served), timeout=30) as connection:
            connection.sendall(head(served, "GET /api/network HTTP/1.1"))
            connection.recv(10)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = httpx.get(f"http://127.0.0.1:{served}/api/network", headers=headers, timeout=30)
    assert answer.status_code == 200
