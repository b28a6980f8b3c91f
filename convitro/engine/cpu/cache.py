"""Compiled kernels kept on disk between processes. A file that is not just what was stored is never trusted.

`CONVITRO_CACHE_DIR` names another folder; `CONVITRO_CACHE=0`, or an empty `CONVITRO_CACHE_DIR`, turns it off.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"convitro kernel 1\n"
DIGEST_BYTES = hashlib.sha256().digest_size
LIMIT_BYTES = 256 * 2**20
SUFFIX, UNFINISHED = ".kernel", ".part"
DAY, HOUR = 86400.0, 3600.0


@dataclass(frozen=True)
class Entry:
    """A kernel as machine code.

    Attributes:
        identity: everything that decides the machine code, in words.
        fields: names of the numbers that the kernel reads.
        code: the object file.
    """

    identity: str
    fields: tuple[str, ...]
    code: bytes


def folder() -> Path | None:
    """Where kernels are kept, or None where they are not; the folder may not exist yet."""
    if os.environ.get("CONVITRO_CACHE") == "0":
        return None
    chosen = os.environ.get("CONVITRO_CACHE_DIR")
    if chosen is not None:
        return Path(chosen).absolute() / "kernels" if chosen else None
    with contextlib.suppress(RuntimeError):  # a user without a home
        return _user_cache() / "convitro" / "kernels"
    return None


def read(identity: str) -> Entry | None:
    """The kernel stored under exactly this identity, or None."""
    place = folder()
    if place is None or not _ours(place):
        return None
    path = place / _file_name(identity)
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            entry = _unpack(file.read()) if _private(status) else None
        if entry is None or entry.identity != identity:
            return None
        if time.time() - status.st_mtime > DAY:  # the time of last use, kept roughly
            os.utime(path)
    except (OSError, ValueError, KeyError, TypeError):  # no file, or another's idea of a header
        return None
    return entry


def write(entry: Entry) -> None:
    """Store a kernel; where that is not possible nothing happens, for a cache is not a result."""
    place = folder()
    if place is None:
        return
    with contextlib.suppress(OSError):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _ours(place):
            _replace(place / _file_name(entry.identity), _pack(entry))
            _shrink(place)


def _user_cache() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    variable, default = ("LOCALAPPDATA", "AppData/Local") if os.name == "nt" else ("XDG_CACHE_HOME", ".cache")
    chosen = Path(os.environ.get(variable, ""))
    return chosen if chosen.is_absolute() else Path.home() / default


def _file_name(identity: str) -> str:
    return hashlib.sha256(identity.encode()).hexdigest() + SUFFIX


def _ours(place: Path) -> bool:
    try:
        status = place.stat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and _private(status)


def _private(status: os.stat_result) -> bool:
    """Whether nobody but this user could have written it."""
    if os.name == "nt":  # folders of a user are private there, and files have no such modes
        return True
    return status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _pack(entry: Entry) -> bytes:
    header = json.dumps({"identity": entry.identity, "fields": entry.fields}).encode()
    content = len(header).to_bytes(8, "little") + header + entry.code
    return MAGIC + hashlib.sha256(content).digest() + content


def _unpack(data: bytes) -> Entry | None:
    start = len(MAGIC) + DIGEST_BYTES
    content = data[start:]
    if not data.startswith(MAGIC) or hashlib.sha256(content).digest() != data[len(MAGIC) : start]:
        return None
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    return Entry(header["identity"], tuple(header["fields"]), content[end:])


def _replace(path: Path, data: bytes) -> None:
    """All of the file appears at once, or nothing."""
    number, unfinished = tempfile.mkstemp(suffix=UNFINISHED, dir=path.parent)  # mode 0600
    try:
        with open(number, "wb") as file:
            file.write(data)
        os.replace(unfinished, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
        raise


def _shrink(place: Path) -> None:
    """Remove the files used longest ago while they are too many, and what killed processes left behind."""
    kernels = []
    for path, status in _files(place):
        if path.endswith(SUFFIX):
            kernels.append((status.st_mtime, status.st_size, path))
        elif path.endswith(UNFINISHED) and time.time() - status.st_mtime > HOUR:
            _remove(path)
    size_bytes = sum(size for _, size, _ in kernels)
    for _, size, path in sorted(kernels):
        if size_bytes <= LIMIT_BYTES:
            return
        _remove(path)
        size_bytes -= size


def _files(place: Path) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(place) as found:
        for item in found:
            with contextlib.suppress(OSError):  # another process removed it
                yield item.path, item.stat(follow_symlinks=False)


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
