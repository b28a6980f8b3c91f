"""An explorer without a network socket, for the tests of its requests."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from starlette.applications import Starlette

from convitro.explorer import create_app
from convitro.sources import Network
from tests.explorer.networks import small

TOKEN = "a-token-for-tests"
ADDRESS = "http://127.0.0.1:8000"


class Client:
    """Sends requests straight into an ASGI application; cookies are kept as a browser keeps them."""

    def __init__(self, portal: BlockingPortal, app: Starlette, token: str = "") -> None:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.portal = portal
        self.client = httpx.AsyncClient(transport=transport, base_url=ADDRESS, headers=headers)

    def request(self, method: str, address: str, **options: Any) -> httpx.Response:
        return self.portal.call(lambda: self.client.request(method, address, **options))

    def get(self, address: str, **options: Any) -> httpx.Response:
        return self.request("GET", address, **options)

    def post(self, address: str, **options: Any) -> httpx.Response:
        return self.request("POST", address, **options)


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture(scope="session")
def network() -> Network:
    return small()


@pytest.fixture
def stranger(portal: BlockingPortal, network: Network) -> Client:
    """A client that holds no token."""
    return Client(portal, create_app(network, None, TOKEN))


@pytest.fixture
def open_client(portal: BlockingPortal) -> Callable[[Network], Client]:
    """Makes a client with the token for any network."""
    return lambda network: Client(portal, create_app(network, None, TOKEN), TOKEN)


@pytest.fixture
def client(open_client: Callable[[Network], Client], network: Network) -> Client:
    """A client that holds the token."""
    return open_client(network)
