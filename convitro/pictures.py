"""Pictures: the bundled photographs, the user's own files, and the tensor a network sees of them.

Here files become RGB and RGB becomes numbers between 0 and 1; what a network subtracts and divides
is told in `sources`.
"""

from __future__ import annotations

import importlib.util
import re
import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from convitro.errors import ArgumentError, LoadError, first_line

try:
    from PIL import Image, ImageOps, UnidentifiedImageError
except ImportError as error:
    raise LoadError(
        "pictures: Pillow is not installed.", hint='`pip install "convitro[explorer]"` adds it'
    ) from error

MAX_BYTES = 32 * 2**20
MAX_PIXELS = 64 * 10**6
FORMATS = (
    "PNG",
    "JPEG",
    "WEBP",
    "GIF",
    "BMP",
)  # chosen, so that no rarer decoder ever sees a stranger's file

# How files begin that are taken for pictures, and what they are in plain words.
BEGINNINGS = (
    (b"\x89PNG", "a PNG file"),
    (b"\xff\xd8", "a JPEG file"),
    (b"GIF8", "a GIF file"),
    (b"BM", "a BMP file"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"\0\0\1\0", "an icon"),
    (b"8BPS", "a Photoshop file"),
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript file"),
    (b"PK\3\4", "an archive or an office document"),
    (b"\x1f\x8b", "an archive"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "an XML file, perhaps an SVG drawing"),
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
)
PHONE_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis")

# Names for the photographs that lie inside scikit-image's wheel; everything else it offers is a download.
PHOTOGRAPHS = {
    "cat": "chelsea.png",
    "cup": "coffee.png",
    "rocket": "rocket.jpg",
    "person": "astronaut.png",
    "motorcycle": "motorcycle_left.png",
    "photographer": "camera.png",
    "coins": "coins.png",
    "moon": "moon.png",
    "galaxies": "hubble_deep_field.jpg",
    "eye": "retina.jpg",
    "bricks": "brick.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "chessboard": "chessboard_RGB.png",
    "page": "page.png",
}


def bundled() -> tuple[str, ...]:
    """Names of the photographs that need no download: those of scikit-image, under plain names.

    Raises:
        LoadError: scikit-image is not installed.

    Example:
        >>> bundled()[:4]
        ('cat', 'cup', 'rocket', 'person')
    """
    folder = photograph_folder()
    return tuple(name for name, file in PHOTOGRAPHS.items() if (folder / file).is_file())


def load_picture(source: str | Path | bytes) -> Image.Image:
    """Read a picture as 8-bit RGB, the way a person sees it.

    The EXIF orientation is applied, transparency lies over white, 16-bit values are scaled (not clipped),
    greyscale, palette and CMYK become RGB, and of an animation the first frame is taken.

    Args:
        source: a name of `bundled()`, the path of a PNG, JPEG, WebP, GIF or BMP file, or such a file's bytes.
            A bundled name wins over a file of that name; write "./cat" for the file.

    Raises:
        LoadError: no such file or name, over 32 MiB or 64 million pixels, not a picture, or a damaged one.

    Example:
        >>> load_picture("cat").size
        (451, 300)
    """
    data, origin = (source, "the file") if isinstance(source, bytes) else read_file(source)
    if not data:
        raise LoadError(f"load_picture: {origin} is empty.", hint="choose another file, or save it again")
    if len(data) > MAX_BYTES:
        raise too_large(origin, f"{len(data) / 2**20:.1f} MiB")
    try:
        return decode(data, origin)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise too_large(origin, pixels_in(str(error))) from error
    except UnidentifiedImageError as error:
        raise LoadError(
            f"load_picture: {origin} is not a picture that can be read.",
            expected="a PNG, JPEG, WebP, GIF or BMP file",
            received=described(data),
            hint="save the picture as PNG or JPEG",
        ) from error
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        struct.error,
    ) as error:  # what Pillow's decoders raise
        raise LoadError(
            f"load_picture: {origin} is damaged.",
            expected="a whole picture",
            received=f"{described(data)}: {fault(error)}",
            hint="save or download it again",
        ) from error


def to_input(picture: Image.Image, input_size: tuple[int, int, int]) -> Float[Tensor, "1 C H W"]:
    """Turn a picture into the tensor that a network sees: centre crop, antialiased resize, values 0..1.

    Each target pixel is a weighted mean of the source pixels under it (Hamming window): nothing overshoots.

    Args:
        picture: as `load_picture` returns it.
        input_size: (C, H, W); C is 3 for RGB or 1 for greyscale.

    Shape:
        (1, C, H, W), float32.

    Raises:
        ArgumentError: `input_size` is not (1 or 3, H, W) with positive sizes.

    Example:
        >>> to_input(load_picture("cup"), (3, 32, 32)).shape
        torch.Size([1, 3, 32, 32])
    """
    if len(input_size) != 3 or input_size[0] not in (1, 3) or min(input_size) < 1:
        raise ArgumentError(
            "to_input: a picture has 1 or 3 channels and a positive size.",
            expected="input_size (1, H, W) or (3, H, W)",
            received=f"input_size {tuple(input_size)}",
        )
    channels, height, width = input_size
    scale = min(picture.width / width, picture.height / height)  # source pixels per target pixel
    left, top = (picture.width - scale * width) / 2, (picture.height - scale * height) / 2
    box = (
        max(left, 0.0),
        max(top, 0.0),
        min(left + scale * width, picture.width),
        min(top + scale * height, picture.height),
    )
    resized = picture.convert("L" if channels == 1 else "RGB").resize(
        (width, height), Image.Resampling.HAMMING, box
    )
    pixels = np.array(resized, dtype=np.float32).reshape(height, width, channels)
    return torch.from_numpy(pixels).permute(2, 0, 1).unsqueeze(0).contiguous() / 255


def photograph_folder() -> Path:
    """Where scikit-image keeps its photographs; found without importing it, which would take a second."""
    spec = importlib.util.find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise LoadError(
            "pictures: scikit-image, which holds the bundled photographs, is not installed.",
            hint='`pip install "convitro[explorer]"` adds it',
        )
    return Path(spec.submodule_search_locations[0]) / "data"


def read_file(source: str | Path) -> tuple[bytes, str]:
    """The bytes of a bundled photograph or of a file, and how to name them in an error."""
    if isinstance(source, str) and source in PHOTOGRAPHS:
        path = photograph_folder() / PHOTOGRAPHS[source]
    else:
        path = Path(source)
    if not path.is_file():
        raise LoadError(
            f'load_picture: there is no file "{source}".',
            expected="the path of a picture, or one of " + ", ".join(PHOTOGRAPHS),
            received="a folder" if path.is_dir() else "",
        )
    try:
        with path.open("rb") as file:
            return file.read(
                MAX_BYTES + 1
            ), f'"{source}"'  # one byte more than allowed tells, and is all we read
    except OSError as error:
        reason = (error.strerror or first_line(error)).lower()
        hint = "choose another file, or change who may read this one"
        raise LoadError(f'load_picture: "{source}" cannot be read.', received=reason, hint=hint) from error


def too_large(origin: str, received: str) -> LoadError:
    """The error for a picture above the limits; `origin` says which."""
    return LoadError(
        f"load_picture: {origin} is too large.",
        expected=f"at most {MAX_BYTES // 2**20} MiB and {MAX_PIXELS // 10**6} million pixels",
        received=received,
        hint="make it smaller first; a network sees only a few hundred pixels of it",
    )


def described(data: bytes) -> str:
    """What a file is, in plain words, with its size: "a PDF document of 12,345 bytes"."""
    return f"{kind_of_file(data)} of {len(data):,} bytes"


def kind_of_file(data: bytes) -> str:
    """What a file is by how it begins."""
    start = data[:64].lstrip().lower()
    for beginning, words in BEGINNINGS:
        if data.startswith(beginning) or (beginning.startswith(b"<") and start.startswith(beginning)):
            return words
    if data[4:8] == b"ftyp":
        return "a HEIC or AVIF picture" if data[8:12] in PHONE_BRANDS else "a video"
    if data[:4] == b"RIFF":
        return "a WebP file" if data[8:12] == b"WEBP" else "a sound or a video"
    try:
        text = data[:4096].decode("ascii")
    except UnicodeDecodeError:
        return "a file of unknown kind"
    return "a text" if text.isprintable() or "\n" in text else "a file of unknown kind"


def fault(error: Exception) -> str:
    """What is wrong with the bytes of a picture; the decoders' own words are for programmers."""
    early = isinstance(error, (EOFError, struct.error)) or "truncated" in str(error).lower()
    return "it ends before the picture does" if early else "its bytes make no sense as a picture"


def pixels_in(refusal: str) -> str:
    """The size that Pillow refuses, out of its message."""
    found = re.search(r"\d+", refusal)
    return f"{int(found[0]) / 10**6:,.0f} million pixels" if found else "more than that"


def decode(data: bytes, origin: str) -> Image.Image:
    """Decode to upright RGB. The size is known, and checked, before any pixel is decompressed."""
    with Image.open(BytesIO(data), formats=FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise too_large(origin, f"{image.width} x {image.height} pixels")
        image.load()
        return flatten(ImageOps.exif_transpose(image))


def flatten(image: Image.Image) -> Image.Image:
    """Any Pillow mode to 8-bit RGB: 16-bit values scaled, transparency over white."""
    if image.mode.startswith("I"):  # "I;16" and, from older Pillows, "I": 16-bit greyscale, 0..65535
        image = Image.fromarray((np.asarray(image).astype(np.float32) / 257 + 0.5).astype(np.uint8))
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return image.convert("RGB")
