"""The document format, and the files of the page."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

from convitro.view import Document, page_files, read_document

VIEW = Path(__file__).resolve().parents[2] / "convitro" / "view"


def test_a_document_comes_back_as_it_went() -> None:
    arrays = {
        "maps": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        "bytes": np.array([[1, 2, 255]], np.uint8),
        "one": np.float32(3.5).reshape(()),
        "none": np.zeros((0, 4), np.float32),
    }
    back = read_document(Document({"name": "Überraschung", "sizes": [1, 2]}, arrays).to_bytes())
    assert back.manifest == {"name": "Überraschung", "sizes": [1, 2]}
    for name, array in arrays.items():
        assert back.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(back.arrays[name], array)


@pytest.mark.parametrize("text", ["", "a", "ab", "ü" * 7])
def test_arrays_start_where_a_browser_can_read_them(text: str) -> None:
    data = Document({"text": text}, {"a": np.ones(1, np.uint8), "b": np.ones(3, np.float32)}).to_bytes()
    assert (4 + int.from_bytes(data[:4], "little")) % 8 == 0
    assert len(data) % 8 == 0


def test_a_manifest_holds_no_numbers_that_json_lacks() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        Document({"limit": float("nan")}, {}).to_bytes()


def test_vendored_files_are_those_that_the_table_lists() -> None:
    table = (VIEW / "vendor" / "README.md").read_text()
    rows = dict(re.findall(r"^\| (\S+\.mjs) .* ([0-9a-f]{64}) \|$", table, re.MULTILINE))
    files = {file.name: file for file in (VIEW / "vendor").glob("*.mjs")}
    assert set(rows) == set(files)
    for name, file in files.items():
        assert hashlib.sha256(file.read_bytes()).hexdigest() == rows[name], name
    for licence in set(re.findall(r"\S+\.LICENSE", table)):
        assert (VIEW / "vendor" / licence).stat().st_size > 900


def test_every_import_of_the_page_is_one_of_its_files() -> None:
    files = page_files()
    bare = set(re.findall(r'"([^"]+)": "./view/vendor/', files["index.html"].content.decode()))
    for name, file in files.items():
        if not name.endswith(".js"):
            continue
        for target in re.findall(r'^(?:import|\} from)[^"\n]*"([^"]+)"', file.content.decode(), re.MULTILINE):
            if target.startswith("."):
                resolved = (Path("/") / Path(name).parent / target).as_posix()
                parts: list[str] = []
                for part in resolved.strip("/").split("/"):
                    parts = parts[:-1] if part == ".." else parts if part == "." else [*parts, part]
                assert "/".join(parts) in files, f"{name} imports {target}"
            else:
                assert target in bare, f"{name} imports {target}"


NAMESPACES = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xhtml"}  # names, which nobody fetches


def test_nothing_of_the_page_comes_from_elsewhere() -> None:
    for name, file in page_files().items():
        if name.startswith("vendor/"):
            continue
        addresses = re.findall(r"https?://[^\s\"')]+", file.content.decode())
        assert set(addresses) <= NAMESPACES, name


def test_modules_are_small() -> None:
    lengths = {
        name: file.content.count(b"\n")
        for name, file in page_files().items()
        if name.endswith(".js") and not name.startswith("vendor/")
    }
    assert max(lengths.values()) < 300, max(lengths, key=lambda name: lengths[name])
