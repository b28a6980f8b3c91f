"""Pictures: what a person sees in the file is what arrives, and every bad file is refused with a reason."""

from __future__ import annotations

import re
import sys
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convitro import pictures
from convitro.errors import ArgumentError, LoadError
from convitro.pictures import bundled, load_picture, to_input

RED, WHITE = (255, 0, 0), (255, 255, 255)


def encode(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def corner(data: bytes) -> object:
    """The upper left pixel of the decoded file."""
    return load_picture(data).getpixel((0, 0))


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims a size: what a decompression bomb looks like at its start."""
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))


def chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


@pytest.mark.parametrize("name", bundled())
def test_bundled_photographs_are_rgb(name: str) -> None:
    picture = load_picture(name)
    assert picture.mode == "RGB"
    assert min(picture.size) >= 100


def test_bundled_has_the_promised_names() -> None:
    assert {"cat", "cup", "rocket", "person"} <= set(bundled())


@pytest.mark.parametrize("format", ["PNG", "WEBP", "BMP", "GIF"])
def test_lossless_formats_keep_every_value(format: str) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    image = Image.fromarray(colours).quantize(54).convert("RGB")
    options = {"lossless": True} if format == "WEBP" else {}
    assert np.array_equal(np.asarray(load_picture(encode(image, format, **options))), np.asarray(image))


def test_jpeg_is_close() -> None:
    assert corner(encode(Image.new("RGB", (16, 16), (10, 200, 90)), "JPEG", quality=95)) == pytest.approx(
        (10, 200, 90), abs=3
    )


def test_a_path_and_its_bytes_give_the_same_picture(tmp_path: Path) -> None:
    file = tmp_path / "a picture.png"
    file.write_bytes(encode(Image.new("RGB", (3, 2), RED)))
    assert load_picture(file) == load_picture(str(file)) == load_picture(file.read_bytes())


def test_exif_orientation_is_applied() -> None:
    image = Image.new("RGB", (32, 16), WHITE)
    image.paste(RED, (0, 0, 16, 16))  # the left half is red; orientation 6 turns it to the top
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = load_picture(encode(image, "PNG", exif=exif))
    assert upright.size == (16, 32)
    assert upright.getpixel((8, 0)) == RED
    assert upright.getpixel((8, 31)) == WHITE


def test_transparency_lies_over_white() -> None:
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 0))
    image.putpixel((1, 0), (0, 0, 0, 51))
    picture = load_picture(encode(image))
    assert picture.getpixel((0, 0)) == WHITE
    assert picture.getpixel((1, 0)) == (204, 204, 204)


def test_a_transparent_palette_entry_lies_over_white() -> None:
    image = Image.new("P", (2, 2), 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    assert corner(encode(image)) == RED
    assert corner(encode(image, transparency=0)) == WHITE


@pytest.mark.parametrize(
    ("value", "expected"), [(0, 0), (256, 1), (32896, 128), (65535, 255)], ids=["0", "256", "half", "full"]
)
def test_sixteen_bit_values_are_scaled_not_clipped(value: int, expected: int) -> None:
    image = Image.fromarray(np.full((2, 2), value, dtype=np.uint16))
    assert corner(encode(image)) == (expected,) * 3


@pytest.mark.parametrize(("mode", "colour", "seen"), [("L", 77, 77), ("1", 1, 255), ("LA", (77, 255), 77)])
def test_greyscale_becomes_rgb(mode: str, colour: object, seen: int) -> None:
    assert corner(encode(Image.new(mode, (4, 4), colour))) == (seen,) * 3  # type: ignore[arg-type]


def test_cmyk_becomes_rgb() -> None:
    assert corner(encode(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG")) == pytest.approx(RED, abs=8)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_an_animation_shows_its_first_frame(format: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, WHITE)]
    options = {"lossless": True} if format == "WEBP" else {}
    assert corner(encode(frames[0], format, save_all=True, append_images=frames[1:], **options)) == RED


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(LoadError, match=r"is empty[\s\S]*choose another file"):
        load_picture(b"")


@pytest.mark.parametrize("data", [b"hello, world", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\x00" * 100])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(LoadError, match=r"not a picture[\s\S]*expected: a PNG, JPEG, WebP"):
        load_picture(data)


REFUSED = {
    "a text of 12 bytes": b"hello, world",
    "a PDF document of 1,008 bytes": b"%PDF-1.7" + b"\xe2" * 1000,
    "a HEIC or AVIF picture of 108 bytes": b"\0\0\0\x18ftypheic" + bytes(96),
    "a video of 108 bytes": b"\0\0\0\x18ftypisom" + bytes(96),
    "a sound or a video of 44 bytes": b"RIFF\x24\0\0\0WAVE" + bytes(32),
    "an SVG drawing of 30 bytes": b" \n<svg onload=alert(1)>...</svg>"[:30],
    "a web page of 21 bytes": b"<!DOCTYPE HTML><html>",
    "an archive or an office document of 36 bytes": b"PK\3\4" + bytes(32),
    "a file of unknown kind of 100 bytes": bytes(range(128, 228)),
    "a PNG file of 40 bytes": b"\x89PNG" + bytes(36),
}


@pytest.mark.parametrize("words", REFUSED)
def test_a_refusal_says_in_plain_words_what_the_file_is(words: str) -> None:
    with pytest.raises(LoadError, match="received:") as refused:
        load_picture(REFUSED[words])
    assert refused.value.received.startswith(words)


def test_no_message_shows_bytes_or_objects() -> None:
    data, random = encode(load_picture("cat").resize((24, 16))), np.random.default_rng(3)
    cut = [data[: int(len(data) * share)] for share in (0.2, 0.5, 0.9)]
    for each in (
        *cut,
        *(random.bytes(50) for _ in range(20)),
        b"\x89PNG\r\n\x1a\n" + bytes(40),
        bomb(60_000, 60_000),
    ):
        with pytest.raises(LoadError, match="load_picture") as refused:
            load_picture(each)
        assert not re.search(r"b'|\\x|<_io|object at|chunk", str(refused.value)), str(refused.value)
        assert refused.value.hint


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_a_truncated_file_is_refused(format: str, kept: float) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encode(Image.fromarray(noise), format)
    with pytest.raises(LoadError, match=r"damaged|not a picture"):
        load_picture(data[: int(len(data) * kept)])


def test_flipped_bytes_never_raise_anything_else() -> None:
    data, random = encode(load_picture("cat").resize((24, 16))), np.random.default_rng(2)
    for _ in range(200):
        damaged = bytearray(data)
        for position in random.integers(0, len(data), 4):
            damaged[position] = random.integers(256)
        try:
            load_picture(bytes(damaged))
        except LoadError as error:
            assert "load_picture" in str(error)  # noqa: PT017 - some damage still leaves a readable picture


@pytest.mark.parametrize("side", [9_000, 12_000, 60_000], ids=["ours", "pillow warns", "pillow refuses"])
def test_a_decompression_bomb_is_refused_before_decoding(side: int) -> None:
    with pytest.raises(LoadError, match=r"too large[\s\S]*64 million pixels"):
        load_picture(bomb(side, side))


def test_too_many_bytes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_BYTES", 2**20)
    file = tmp_path / "large.png"
    file.write_bytes(bytes(2**20 + 1))
    for source in (file, file.read_bytes()):
        with pytest.raises(LoadError, match=r"too large[\s\S]*at most 1 MiB"):
            load_picture(source)


def test_a_missing_file_names_the_bundled_pictures(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"no file \"dog.png\"[\s\S]*one of cat, cup"):
        load_picture("dog.png")
    with pytest.raises(LoadError, match="received: a folder"):
        load_picture(tmp_path)


def test_without_scikit_image_the_error_says_how_to_add_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(LoadError, match=r'pip install "convitro\[explorer\]"'):
        bundled()


def test_without_pillow_the_error_says_how_to_add_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "convitro.pictures")
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(LoadError, match=r'Pillow is not installed[\s\S]*pip install "convitro\[explorer\]"'):
        __import__("convitro.pictures")


def test_input_of_the_same_size_is_exact() -> None:
    colours = np.random.default_rng(3).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    tensor = to_input(Image.fromarray(colours), (3, 32, 32))
    expected = torch.from_numpy(colours).permute(2, 0, 1)[None] / 255
    torch.testing.assert_close(tensor, expected, rtol=0, atol=0)


def test_input_is_the_centre_of_the_picture() -> None:
    image = Image.new("RGB", (96, 32), WHITE)
    image.paste(RED, (32, 0, 64, 32))
    centre = to_input(image, (3, 8, 8))[
        ..., 1:-1
    ]  # the outermost pixels blend a little with what lies beside
    torch.testing.assert_close(centre, torch.tensor([1.0, 0, 0]).reshape(1, 3, 1, 1).expand(1, 3, 8, 6))


def test_shrinking_averages_instead_of_picking() -> None:
    stripes = Image.fromarray(np.tile(np.array([0, 255], dtype=np.uint8), (64, 32)))
    tensor = to_input(stripes.convert("RGB"), (1, 8, 8))
    assert tensor.shape == (1, 1, 8, 8)
    torch.testing.assert_close(tensor, torch.full((1, 1, 8, 8), 0.5), rtol=0, atol=0.02)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (7, 5), (1000, 999)])
@pytest.mark.parametrize("input_size", [(3, 32, 32), (1, 28, 28), (3, 20, 50), (3, 1, 1)])
def test_any_picture_fits_any_input(size: tuple[int, int], input_size: tuple[int, int, int]) -> None:
    tensor = to_input(Image.new("RGB", size, (51, 51, 51)), input_size)
    torch.testing.assert_close(tensor, torch.full((1, *input_size), 0.2))
    assert tensor.is_contiguous()


@pytest.mark.parametrize("input_size", [(2, 8, 8), (3, 0, 8), (3, 8)])
def test_an_impossible_input_size_is_refused(input_size: tuple[int, ...]) -> None:
    with pytest.raises(ArgumentError, match=r"to_input[\s\S]*expected: input_size \(1, H, W\)"):
        to_input(Image.new("RGB", (8, 8)), input_size)  # type: ignore[arg-type]
