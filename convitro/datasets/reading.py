"""Bytes from files, bounded: what is damaged, too short or too large is said before memory is taken."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from convitro.errors import LoadError

MAX_BYTES = 2 * 2**30


def damaged(path: Path, what: str, received: str, hint: str = "save or download it again") -> LoadError:
    """The error for a file that is not what it should be."""
    return LoadError(f'open_dataset: "{path}" is damaged.', expected=what, received=received, hint=hint)


def too_large(path: Path, size_bytes: int) -> LoadError:
    """The error for a file that would not fit."""
    return LoadError(
        f'open_dataset: "{path}" is too large.',
        expected=f"at most {MAX_BYTES / 2**30:g} GiB of images",
        received=f"{size_bytes / 2**30:.1f} GiB",
        hint="give a part of it, or a folder of pictures, which are read one by one",
    )


def file_bytes(path: Path, most: int = MAX_BYTES) -> bytes:
    """The content of a file, unpacked if its name ends with .gz.

    Raises:
        LoadError: it cannot be read, is no gzip file, ends early, or holds more than `most` bytes.
    """
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            content: bytes = file.read(most + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise damaged(path, "a whole gzip file", str(error)) from error
    except OSError as error:
        raise LoadError(f'open_dataset: "{path}" cannot be read.', received=str(error)) from error
    if len(content) > most:
        raise too_large(path, len(content))
    return content
