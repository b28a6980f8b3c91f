"""The session as one file: what is in it, where it opens, what is refused."""

import re
from collections.abc import Callable

import pytest

from convitro.sources import Network
from tests.explorer.conftest import Client
from tests.explorer.networks import resnet


def documents(page: str) -> list[str]:
    return re.findall(r'data-document="([^"]+)"', page)


def test_the_open_picture_and_every_layer_are_in_it(client: Client) -> None:
    response = client.get("/api/session?picture=cup&layer=3&filter=1&opening=layer%3D3%26filter%3D1")
    assert response.status_code == 200
    assert response.headers["content-disposition"] == "attachment"
    assert response.headers["content-type"] == "application/octet-stream"
    page = response.text
    assert 'data-opening="layer=3&amp;filter=1"' in page
    assert "layer\npicture-0\n0" in documents(page)
    assert "layer\npicture-0\n3" in documents(page)
    assert "Receptive fields" in page


def test_of_a_large_network_the_open_layer_is_in_it(open_client: Callable[[Network], Client]) -> None:
    # the largest maps of all: they would be the first to be left out
    page = open_client(resnet()).get("/api/session?layer=0&filter=63").text
    assert "layer\npicture-0\n0" in documents(page)
    assert len(page) < 21e6


def test_an_address_cannot_become_markup(client: Client) -> None:
    page = client.get("/api/session", params={"opening": '"><script>alert(1)</script>'}).text
    assert "<script>alert" not in page


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("picture=dog", 404),
        ("layer=nothing", 404),
        ("layer=0&filter=99", 400),
        ("opening=" + "x" * 4001, 400),
    ],
)
def test_refusals(client: Client, query: str, status: int) -> None:
    response = client.get(f"/api/session?{query}")
    assert response.status_code == status
    assert response.json()["problem"]
