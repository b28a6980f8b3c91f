"""Who may speak to the explorer."""

import pytest

from tests.explorer.conftest import ADDRESS, TOKEN, Client

EVERY_ADDRESS = ("/", "/view/main.js", "/api/alive", "/api/network", "/api/filter", "/nothing")


@pytest.mark.parametrize("address", EVERY_ADDRESS)
def test_nothing_is_answered_without_the_token(stranger: Client, address: str) -> None:
    response = stranger.get(address)
    assert response.status_code == 401
    assert "printed" in response.text


@pytest.mark.parametrize("token", ["", "x", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "é"])
def test_wrong_tokens(stranger: Client, token: str) -> None:
    assert stranger.get("/", params={"token": token}).status_code == 401
    assert (
        stranger.get("/api/alive", headers={"Authorization": b"Bearer " + token.encode()}).status_code == 401
    )
    assert stranger.get("/api/alive", headers={"Authorization": f"Basic {TOKEN}"}).status_code == 401


def test_the_printed_address_gives_a_cookie_that_scripts_cannot_read(stranger: Client) -> None:
    response = stranger.get("/", params={"token": TOKEN})
    assert response.status_code == 200
    cookie = response.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert stranger.get("/api/alive").json() == {"alive": True}  # the cookie alone now suffices


def test_the_token_in_the_address_opens_the_page_alone(stranger: Client) -> None:
    assert stranger.get("/api/alive", params={"token": TOKEN}).status_code == 401


def test_two_explorers_on_one_machine_do_not_share_a_cookie(stranger: Client) -> None:
    name = stranger.get("/", params={"token": TOKEN}).headers["set-cookie"].partition("=")[0]
    assert name.startswith("convitro-")
    assert TOKEN not in name


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "127.0.0.2", "", "localhost.:8000"],
)
def test_foreign_hosts_are_refused(client: Client, host: str) -> None:
    response = client.get("/api/alive", headers={"Host": host})
    assert response.status_code == 403
    assert "Host or Origin" in response.json()["problem"]


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "LOCALHOST", "[::1]:8000", "[::1]"])
def test_local_hosts_are_served(client: Client, host: str) -> None:
    assert client.get("/api/alive", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://127.0.0.1:9999", "https://127.0.0.1:8000", "null", "http://localhost"],
)
def test_foreign_origins_are_refused(client: Client, origin: str) -> None:
    response = client.post("/api/picture", content=b"x", headers={"Origin": origin})
    assert response.status_code == 403


def test_its_own_origin_is_served(client: Client) -> None:
    assert client.get("/api/alive", headers={"Origin": ADDRESS}).status_code == 200


@pytest.mark.parametrize("address", EVERY_ADDRESS)
def test_every_response_is_sealed(client: Client, address: str) -> None:
    headers = client.get(address).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["permissions-policy"] == "camera=(self), microphone=(), geolocation=()"


def test_the_policy_allows_the_import_map_and_no_other_inline_script(client: Client) -> None:
    page = client.get("/")
    assert page.text.count('<script type="importmap">') == 1
    assert page.headers["content-security-policy"].count("'sha256-") == 1
    assert "style=" not in page.text
    assert "onclick" not in page.text.lower()
