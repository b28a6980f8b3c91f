"""Uploads that are small on the wire and large or strange inside."""

import gzip
import struct
import tracemalloc
import zlib
from io import BytesIO

import pytest
from anyio.from_thread import BlockingPortal
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from starlette.applications import Starlette

from convitro.explorer import create_app
from convitro.view import read_document
from tests.explorer.conftest import TOKEN
from tests.explorer.networks import small
from tests.explorer.rawly import Answer, ask, check
from tests.profiles import share


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, pixels: bytes, *before: bytes, bits: int = 8, kind: int = 2) -> bytes:
    """A PNG written by hand, so that it may lie; `before`: chunks ahead of the pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(before) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    data = BytesIO()
    image.save(data, format, **options)
    return data.getvalue()


RED = Image.new("RGB", (20, 10), (200, 30, 30))
FRAMES = [Image.new("P", (16, 16), index % 256) for index in range(500)]
ROW = zlib.compress(bytes(1 + 3 * 8))

REFUSED = {
    "more pixels than there are": png(40_000, 40_000, zlib.compress(bytes(1000))),
    "a row too wide": png(2**31 - 1, 1, ROW),
    "no pixels": png(0, 0, ROW),
    "one bit each, 30,000 x 30,000": png(30_000, 30_000, zlib.compress(bytes(30_000 * 3751)), bits=1, kind=0),
    "text that unpacks to 200 MB": png(
        1, 1, ROW, chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(200 * 2**20)))
    ),
    "pixels of another size": png(1000, 1000, ROW),
    "half a PNG": saved(RED, "PNG")[:45],
    "half a JPEG": saved(RED, "JPEG")[:150],
    "SVG": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    "SVG, packed": gzip.compress(b'<svg xmlns="http://www.w3.org/2000/svg"/>'),
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage",
    "TIFF": saved(RED, "TIFF"),
    "ICO": saved(RED.resize((16, 16)), "ICO"),
    "PDF": saved(RED, "PDF"),
    "a page": b"<!doctype html><script>fetch('/api/network')</script>",
}


def text_with_a_secret() -> PngInfo:
    info = PngInfo()
    info.add_text("Comment", "<script>alert(1)</script>" * 50)
    return info


TAKEN = {
    "an animation": saved(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:], loop=0),
    "a PNG that is a ZIP, too": saved(RED, "PNG") + b"PK\x03\x04" + bytes(200),
    "a JPEG with a page behind it": saved(RED, "JPEG") + b"<script>alert(1)</script>",
    "a PNG with text": saved(RED, "PNG", pnginfo=text_with_a_secret()),
    "very flat": saved(Image.new("L", (20_000, 1), 7), "PNG"),
    "very narrow": saved(Image.new("L", (1, 20_000), 7), "PNG"),
    "one pixel": saved(Image.new("1", (1, 1)), "PNG"),
    "16 bits": saved(Image.new("I;16", (9, 9), 40_000), "PNG"),
}


@pytest.fixture(scope="module")
def app() -> Starlette:
    return create_app(small(), None, TOKEN)


def uploaded(portal: BlockingPortal, app: Starlette, data: bytes) -> Answer:
    answer = ask(portal, app, "/api/picture", method="POST", body=[data])
    check(answer)
    return answer


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused(portal: BlockingPortal, app: Starlette, kind: str) -> None:
    tracemalloc.start()
    try:
        answer = uploaded(portal, app, REFUSED[kind])
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert answer.status == 422
    assert most < 100 * 2**20


@pytest.mark.parametrize("kind", TAKEN)
def test_what_is_taken_is_only_a_picture(portal: BlockingPortal, app: Starlette, kind: str) -> None:
    answer = uploaded(portal, app, TAKEN[kind])
    assert answer.status == 200, answer.body
    id = answer.body.split(b'"')[3]
    shown = ask(portal, app, "/api/network", b"picture=" + id)
    check(shown, lambda status: status == 200)
    assert read_document(shown.body).arrays["picture"].shape == (16, 16, 3)
    assert b"script" not in shown.body


SEEDS = [saved(RED, format) for format in ("PNG", "JPEG", "WEBP", "GIF", "BMP")]


@given(
    seed=st.sampled_from(SEEDS),
    cuts=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), min_size=1, max_size=4),
    end=st.floats(0, 1),
)
@share(0.5)
def test_damaged_pictures(
    portal: BlockingPortal, app: Starlette, seed: bytes, cuts: list[tuple[float, bytes]], end: float
) -> None:
    data = bytearray(seed)
    for place, junk in cuts:
        at = int(place * (len(data) - 1))
        data[at : at + len(junk)] = junk
    uploaded(portal, app, bytes(data[: max(1, int(len(data) * end))]))
