"""Requests that cannot be answered get JSON that says why and what to do, and never more than they may."""

import threading
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from anyio.from_thread import BlockingPortal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from convitro.explorer.problems import RequestProblem
from convitro.explorer.work import Workbench
from convitro.sources import Network
from convitro.view import page_files
from tests.explorer.conftest import Client

REFUSED = [
    ("/api/filter?layer=nothing", 404, "no such layer"),
    ("/api/filter", 404, "no such layer"),
    ("/api/filter?layer=0&filter=5", 400, "`filter` is not a whole number of 0 to 4"),
    ("/api/filter?layer=0&filter=-1", 400, "`filter`"),
    ("/api/filter?layer=0&filter=1e0", 400, "`filter`"),
    ("/api/filter?layer=0&filter=²", 400, "`filter`"),
    ("/api/filter?layer=0&filter=99999999999999999999", 400, "`filter`"),
    ("/api/filter?layer=0&start=3", 400, "`start`"),
    ("/api/filter?layer=0&aggregation=maen", 400, "aggregation"),
    ("/api/filter?layer=0&aggregation=none", 400, "makes no single map"),
    ("/api/filter?layer=0&aggregation=__import__('os')", 400, "aggregation"),
    ("/api/maps?layer=" + "x" * 301, 400, "too long"),
    ("/api/maps?layer=0&picture=dog", 404, "not here any more"),
    ("/api/network?picture=../../../etc/passwd", 404, "not here any more"),
    ("/api/network?picture=/etc/passwd", 404, "not here any more"),
    ("/api/nothing", 404, "not served"),
    ("/view/nothing.js", 404, "no such file"),
]


@pytest.mark.parametrize(("address", "status", "words"), REFUSED)
def test_refusals(client: Client, address: str, status: int, words: str) -> None:
    response = client.get(address)
    assert response.status_code == status
    assert words in response.json()["problem"]


def test_a_misspelt_name_is_answered_with_the_closest(client: Client) -> None:
    assert "mean" in client.get("/api/filter?layer=0&aggregation=maen").json()["hint"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods(client: Client, method: str) -> None:
    assert client.request(method, "/api/network").status_code == 405


PATHS = [
    "../network.py",
    "..%2fnetwork.py",
    "%2e%2e/network.py",
    "....//network.py",
    "/etc/passwd",
    "document.py",
    "vendor",
]


@pytest.mark.parametrize(
    "path", [*PATHS, "vendor/README.md", "vendor/%2e%2e/main.js", "", "main.js%00", "MAIN.JS"]
)
def test_only_the_files_of_the_table_are_served(client: Client, path: str) -> None:
    assert client.get(f"/view/{path}").status_code == 404


def test_all_files_of_the_table_are_served(client: Client) -> None:
    for name, file in page_files().items():
        response = client.get(f"/view/{name}")
        assert response.content == file.content
        assert response.headers["content-type"] == file.media_type


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    address=st.sampled_from(["network", "maps", "inputs", "filter", "pictures", "alive"]),
    parameters=st.dictionaries(
        st.sampled_from(["picture", "layer", "filter", "start", "aggregation", "x"]),
        st.one_of(st.sampled_from(["0", "cat", "sum", "4", "1"]), st.text(max_size=20)),
    ),
)
def test_whatever_is_asked_the_answer_is_a_document_or_a_message(
    client: Client, address: str, parameters: dict[str, str]
) -> None:
    response = client.get(f"/api/{address}", params=parameters)
    assert response.status_code in (200, 400, 404)
    if response.status_code != 200:
        assert response.json()["problem"]


class Failing(nn.Module):
    def forward(self, input: Tensor) -> Tensor:
        raise RuntimeError("the stem is missing\nand more that nobody needs")


def test_a_network_that_raises_is_reported_in_one_line(open_client: Callable[[Network], Client]) -> None:
    response = open_client(Network(Failing(), "failing", (3, 8, 8))).get("/api/network")
    assert response.status_code == 500
    assert response.json()["received"] == "RuntimeError: the stem is missing"
    assert str(Path.cwd()) not in response.text


class Asker:
    """A request as far as the workbench looks at one."""

    def __init__(self, *, gone: bool = False) -> None:
        self.gone = gone

    async def is_disconnected(self) -> bool:
        return self.gone


def test_work_waits_in_a_short_queue(portal: BlockingPortal) -> None:
    release, refused = threading.Event(), []

    async def flood() -> Workbench:
        bench = Workbench(max_waiting=2)

        async def ask() -> None:
            try:
                await bench.run(Asker(), lambda: release.wait(10))  # type: ignore[arg-type]
            except RequestProblem as problem:
                refused.append(problem.status)

        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(ask)
            while len(refused) < 2:
                await anyio.lowlevel.checkpoint()
            release.set()
        return bench

    bench = portal.call(flood)
    assert refused == [503, 503]
    assert bench.waiting == 0


def test_nothing_is_computed_for_someone_who_has_gone(portal: BlockingPortal) -> None:
    done: list[bool] = []

    async def ask() -> None:
        await Workbench().run(Asker(gone=True), lambda: done.append(True))  # type: ignore[arg-type]

    with pytest.raises(RequestProblem, match="withdrawn"):
        portal.call(ask)
    assert not done
