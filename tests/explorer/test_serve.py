"""The server as it is started: it binds this machine alone, says where it is, and ends quietly."""

import asyncio
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from anyio.from_thread import BlockingPortal

from convitro.errors import ArgumentError, LoadError
from convitro.explorer import serve
from convitro.explorer.server import bound_socket, has_screen, url_host
from convitro.sources import Network

SCRIPT = """
from convitro.explorer import serve
from tests.explorer.networks import small
serve(small(), "cup", browse=False)
"""


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A served explorer and the address that it printed."""
    command = [sys.executable, "-c", SCRIPT]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{32}", line)
    assert found, line
    yield process, found[0]
    process.kill()
    process.communicate()


def test_the_printed_address_opens_the_page(running: tuple[subprocess.Popen[str], str]) -> None:
    _, address = running
    with httpx.Client() as client:
        assert "Convitro explorer" in client.get(address).text
        base = address.partition("?")[0]
        assert client.get(base + "api/network").status_code == 200  # with the cookie
        assert client.get(base + "api/alive", headers={"Host": "evil.example"}).status_code == 403
    assert httpx.get(base + "api/network").status_code == 401


def test_it_listens_on_this_machine_alone(running: tuple[subprocess.Popen[str], str]) -> None:
    port = int(re.findall(r":(\d+)/", running[1])[0])
    with socket.socket() as other:
        assert other.connect_ex(("127.0.0.2", port)) != 0


def test_malformed_http_is_survived(running: tuple[subprocess.Popen[str], str]) -> None:
    port = int(re.findall(r":(\d+)/", running[1])[0])
    for data in (
        b"\x16\x03\x01junk\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST /api/picture HTTP/1.1\r\nHost: x",
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1000)
    assert httpx.get(running[1]).status_code == 200


def test_ctrl_c_ends_it_quietly(running: tuple[subprocess.Popen[str], str]) -> None:
    process, _ = running
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in errors


def test_small_answers_are_sent_at_once(portal: BlockingPortal) -> None:
    """Without TCP_NODELAY every answer would wait for the acknowledgement of its head: 40 ms each."""

    async def is_set() -> bool:
        accepted: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
        with bound_socket("127.0.0.1", 0) as listener:
            server = await asyncio.start_server(lambda _, writer: accepted.put_nowait(writer), sock=listener)
            async with server:
                _, client = await asyncio.open_connection(*listener.getsockname())
                writer = await accepted.get()
                option = writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                for end in (client, writer):
                    end.close()
                    await end.wait_closed()
        return bool(option)

    assert portal.call(is_set)


def test_a_port_that_is_taken(network: Network) -> None:
    with bound_socket("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ArgumentError, match=f"cannot listen on 127.0.0.1, port {port}"):
            serve(network, port=port, browse=False)


@pytest.mark.parametrize("host", ["no.such.host.invalid", "256.1.1.1"])
def test_a_host_that_is_not_here(network: Network, host: str) -> None:
    with pytest.raises(ArgumentError, match="cannot listen"):
        serve(network, host=host, browse=False)


def test_a_first_picture_that_cannot_be_read(network: Network) -> None:
    with pytest.raises(LoadError, match="no file"):
        serve(network, "nothing.png", browse=False)


def test_the_host_of_an_address() -> None:
    assert url_host("::1") == "[::1]"
    assert url_host("127.0.0.1") == "127.0.0.1"


def test_a_browser_is_opened_only_where_there_is_a_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not has_screen()
    monkeypatch.setenv("DISPLAY", ":0")
    assert has_screen()
