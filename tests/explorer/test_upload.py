"""One's own pictures: what is taken, what is refused, what is remembered."""

import struct
import zlib
from collections.abc import AsyncIterator
from io import BytesIO

import pytest
from PIL import Image

from convitro.explorer import session, upload
from convitro.view import read_document
from tests.explorer.conftest import Client


def png(
    colour: tuple[int, ...] = (200, 30, 30), size: tuple[int, int] = (20, 10), mode: str = "RGB"
) -> bytes:
    data = BytesIO()
    Image.new(mode, size, colour if mode != "L" else colour[0]).save(data, "PNG")
    return data.getvalue()


def bomb() -> bytes:
    """A PNG of a few hundred bytes that claims 40,000 x 40,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_an_own_picture_opens(client: Client, mode: str) -> None:
    colour = (200, 30, 30, 255) if mode == "RGBA" else (200, 30, 30)
    name = {"X-Picture-Name": "my%20dog.png"}
    answer = client.post("/api/picture", content=png(colour, mode=mode), headers=name).json()
    assert answer["name"] == "my dog.png"
    document = read_document(client.get("/api/network", params={"picture": answer["id"]}).content)
    assert document.manifest["picture"] == answer
    assert document.arrays["picture"][3, 3].tolist() == ([200, 200, 200] if mode == "L" else [200, 30, 30])
    listed = read_document(client.get("/api/pictures").content).manifest["pictures"]
    assert listed[0] == answer


JUNK = {
    "text": b"not a picture at all",
    "half a picture": png()[:40],
    "html": b"<svg onload=alert(1)></svg>",
    "pickle": b"\x80\x04\x95\x1b\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
    "bomb": bomb(),
}


@pytest.mark.parametrize("kind", JUNK)
def test_junk_is_refused_with_what_to_do(client: Client, kind: str) -> None:
    response = client.post("/api/picture", content=JUNK[kind])
    assert response.status_code == 422
    assert response.json()["hint"]


def test_an_empty_upload(client: Client) -> None:
    response = client.post("/api/picture", content=b"")
    assert response.status_code == 400
    assert "empty" in response.json()["problem"]


def test_an_announced_giant_is_refused_before_it_is_read(client: Client) -> None:
    headers = {"Content-Length": str(upload.MAX_BYTES + 1)}
    response = client.post("/api/picture", content=b"x", headers=headers)
    assert response.status_code == 413
    assert "20 MB" in response.json()["problem"]


def test_a_giant_without_a_length_is_cut_off(client: Client) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(upload.MAX_BYTES // 2**20 + 2):
            yield bytes(2**20)

    assert client.post("/api/picture", content=body()).status_code == 413


@pytest.mark.parametrize("name", ["%E2%82", "a" * 500, "%00", "..%2F..%2Fetc%2Fpasswd", "<script>"])
def test_strange_names_are_only_names(client: Client, name: str) -> None:
    answer = client.post("/api/picture", content=png(), headers={"X-Picture-Name": name})
    assert answer.status_code == 200
    assert len(answer.json()["name"]) <= 80


def test_only_the_last_twelve_are_remembered(client: Client) -> None:
    ids = [client.post("/api/picture", content=png((index, 0, 0))).json()["id"] for index in range(13)]
    assert len(set(ids)) == 13
    assert session.MAX_OWN_PICTURES == 12
    assert client.get("/api/network", params={"picture": ids[0]}).status_code == 404
    assert client.get("/api/network", params={"picture": ids[-1]}).status_code == 200


def test_the_same_picture_twice_is_one(client: Client) -> None:
    ids = {client.post("/api/picture", content=png()).json()["id"] for _ in range(2)}
    assert len(ids) == 1
