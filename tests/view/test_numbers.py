"""The page's own arithmetic, run by node: every test of the *.test.mjs here must pass there."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import playwright
import pytest

from convitro.view import Document

HERE = Path(__file__).resolve().parent
VIEW = HERE.parents[1] / "convitro" / "view"


@pytest.fixture(scope="module")
def node() -> str:
    brought_by_playwright = Path(playwright.__file__).parent / "driver" / "node"
    return shutil.which("node") or str(brought_by_playwright)


def test_the_modules_of_numbers(node: str) -> None:
    files = [str(file) for file in sorted(HERE.glob("*.test.mjs"))]
    command = [node, "--test", "--test-reporter=spec", *files]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_page_reads_what_python_writes(node: str, tmp_path: Path) -> None:
    maps = np.array([[[1.5, -2.25], [1e-30, np.inf]], [[0, 4], [5, 6]]], np.float32)
    data = Document({"name": "é"}, {"flags": np.array([7], np.uint8), "maps": maps}).to_bytes()
    (tmp_path / "document.bin").write_bytes(data)
    script = f"""
        import {{ readFileSync }} from "node:fs";
        import {{ readDocument, mapOf }} from {json.dumps((VIEW / "data" / "document.js").as_uri())};
        const file = readFileSync({json.dumps(str(tmp_path / "document.bin"))});
        const buffer = file.buffer.slice(file.byteOffset, file.byteOffset + file.length);
        const {{ name, arrays }} = readDocument(buffer);
        const [flag, first] = [arrays.flags.values[0], arrays.maps.values[1]];
        console.log(JSON.stringify({{ name, flag, first, second: Array.from(mapOf(arrays.maps, 1)) }}));
    """
    command = [node, "--input-type=module", "--eval", script]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == {"name": "é", "flag": 7, "first": -2.25, "second": [0, 4, 5, 6]}
