"""The shape of the code: imports point one way, nothing heavy loads early, files and functions stay small."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "convitro"

# A part may import those before it, never those after it.
ORDER = """
    errors geometry aggregation reference engine ops checks progress routing functional nn presets
    keras sources plots anatomy pictures datasets
    view report explorer models lab bench cli __main__
""".split()  # noqa: SIM905 - one per line would hide the order
HEAVY = ("matplotlib", "starlette", "uvicorn", "keras", "onnx", "triton", "skimage", "PIL", "llvmlite")
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}
FILE_LINES, FUNCTION_LINES, FUNCTION_LINES_P95 = 400, 80, 30


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources() -> dict[str, Path]:
    return {module_name(file): file for file in sorted(PACKAGE.rglob("*.py"))}


def imports(name: str, file: Path, modules: set[str]) -> Iterator[str]:
    """This package's modules that `file` imports anywhere: at the top, inside functions, for types only."""
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            origin = ".".join([*parents, node.module] if node.module else parents)
            for alias in node.names:  # `from package import module` means the module, not the package
                full = f"{origin}.{alias.name}"
                if (found := full if full in modules else origin) in modules:
                    yield found


def import_graph() -> dict[str, set[str]]:
    files = sources()
    return {name: set(imports(name, file, set(files))) - {name} for name, file in files.items()}


def part(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def functions(file: Path) -> Iterator[tuple[str, int]]:
    """Name and length of every function, its docstring and decorators not counted."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            documented = ast.get_docstring(node) is not None
            docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
            yield f"{module_name(file)}.{node.name}", (node.end_lineno or 0) - node.lineno + 1 - docstring


def own_files(*suffixes: str) -> list[Path]:
    folders = [PACKAGE, *(ROOT / name for name in ("tests", "examples", "benchmarks"))]
    return [
        file
        for folder in folders
        for file in sorted(folder.rglob("*"))
        if file.suffix in suffixes and "vendor" not in file.parts
    ]


def test_every_part_has_its_place_in_the_order() -> None:
    assert {part(name) for name in sources()} - {""} <= set(ORDER)


def test_imports_point_only_to_earlier_parts() -> None:
    wrong = [
        f"{name} imports {target}"
        for name, targets in import_graph().items()
        for target in sorted(targets)
        if name != "convitro"
        and part(name) != part(target)
        and (part(target) == "" or ORDER.index(part(target)) > ORDER.index(part(name)))
    ]
    assert wrong == []


def test_there_is_no_import_cycle() -> None:
    try:
        TopologicalSorter(import_graph()).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = f"import convitro, sys; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""


def test_no_file_is_a_drawer_for_anything() -> None:
    named = [
        file for folder in ("convitro", "tests", "examples", "tools") for file in (ROOT / folder).rglob("*")
    ]
    assert [str(file) for file in named if file.stem in FORBIDDEN_NAMES] == []


def test_files_are_small() -> None:
    lengths = {
        file: len(file.read_text(encoding="utf-8").splitlines())
        for file in own_files(".py", ".js", ".mjs", ".css")
    }
    assert {str(file): lines for file, lines in lengths.items() if lines >= FILE_LINES} == {}


def test_functions_are_short() -> None:
    lengths = sorted(
        ((lines, name) for file in own_files(".py") for name, lines in functions(file)), reverse=True
    )
    assert [entry for entry in lengths if entry[0] > FUNCTION_LINES] == []
    assert lengths[len(lengths) // 20][0] <= FUNCTION_LINES_P95


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import convitro.errors", {"convitro.errors"}),
        ("def f():\n    from convitro.engine import aten", {"convitro.engine.aten"}),
        ("from convitro.errors import LoadError", {"convitro.errors"}),
        ("from . import load\nfrom ..errors import x", {"convitro.sources.load", "convitro.errors"}),
        ("import torch\nfrom pathlib import Path", set()),
    ],
)
def test_imports_are_seen_wherever_they_stand(tmp_path: Path, text: str, expected: set[str]) -> None:
    file = tmp_path / "module.py"
    file.write_text(text)
    modules = {
        "convitro.errors",
        "convitro.engine",
        "convitro.engine.aten",
        "convitro.sources",
        "convitro.sources.load",
    }
    assert set(imports("convitro.sources.module", file, modules)) == expected
