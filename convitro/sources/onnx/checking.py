"""Whether a file is an ONNX model at all, and one that does not contradict itself."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from convitro.errors import LoadError, UnsupportedError, first_line
from convitro.sources.onnx.packages import onnx_package, wanted

LARGEST_FILE = 2**31 - 1  # what protobuf can hold


def parse(path: Path) -> Any:
    """The ModelProto in a file.

    Raises:
        LoadError: no ONNX model, damaged, or out of reach.
    """
    onnx = onnx_package()
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise LoadError(
                f'load: "{path}" is too large for one ONNX file.',
                expected=f"at most {LARGEST_FILE:,} bytes; more numbers lie in files of their own",
                received=f"{size:,} bytes",
            )
        content = path.read_bytes()
    except OSError as error:
        raise LoadError(f'load: "{path}" cannot be read.', received=str(error)) from error
    try:
        model = onnx.ModelProto.FromString(content)
    except Exception as error:  # protobuf has its errors in a package of its own
        raise no_model(path, content) from error
    if not model.HasField("graph") or not model.graph.node:
        raise no_model(path, content)
    return model


def no_model(path: Path, content: bytes) -> LoadError:
    """The error for a file that holds no graph."""
    return LoadError(
        f'load: "{path}" cannot be read as an ONNX model.',
        received=f"{len(content):,} bytes" + (f" that begin with {content[:8]!r}" if content else ""),
        hint="a damaged or incomplete file: save or download it again",
    )


def checked(model: Any) -> Any:
    """The model with its own functions written out, if it is sound.

    The numbers of the initializers are no part of this: they are checked where they are read.

    Raises:
        LoadError: nodes that read what nothing gives, a circle, an attribute that is missing or wrong; or the
            model is newer than the package onnx.
        UnsupportedError: sparse weights.
    """
    onnx = onnx_package()
    check_version(model)
    check_names(model.graph)
    check_calls(model.functions)
    try:
        onnx.checker.check_model(without_numbers(model))
        return wanted("onnx.inliner").inline_local_functions(model) if model.functions else model
    except Exception as error:  # the checker's own, and protobuf's
        raise LoadError(
            "load: the ONNX model contradicts itself.",
            received=first_line(error),
            hint="save it again, or look for a newer version of the package onnx",
        ) from error


def without_numbers(model: Any) -> Any:
    """A copy with the initializers as arguments, so that large ones need not be copied."""
    onnx = onnx_package()
    copy = onnx.ModelProto()
    copy.ir_version, copy.producer_name = model.ir_version, model.producer_name
    copy.opset_import.extend(model.opset_import)
    copy.functions.extend(model.functions)
    graph = copy.graph
    graph.name = model.graph.name or "graph"
    graph.node.extend(model.graph.node)
    graph.output.extend(model.graph.output)
    graph.input.extend(model.graph.input)
    known = {value.name for value in model.graph.input}
    graph.input.extend(
        onnx.helper.make_tensor_value_info(stored.name, stored.data_type, None)
        for stored in model.graph.initializer
        if stored.name not in known
    )
    for value in (*graph.input, *graph.output):
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.shape.SetInParent()  # sizes may be left out; the checker wants the field
    return copy


def check_version(model: Any) -> None:
    """A LoadError for a model whose operations the installed package does not know yet."""
    newest = onnx_package().defs.onnx_opset_version()
    for entry in model.opset_import:
        if entry.domain in ("", "ai.onnx") and entry.version > newest:
            raise LoadError(
                "load: the ONNX model is newer than the package onnx.",
                expected=f"operations up to version {newest}",
                received=f"version {entry.version}",
                hint="pip install --upgrade onnx onnxruntime",
            )


def check_names(graph: Any) -> None:
    """Names that a checker without numbers would not look at."""
    names = [stored.name for stored in graph.initializer]
    twice = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
    if twice or "" in names:
        raise LoadError(
            "load: the ONNX model contradicts itself.",
            expected="one initializer for each name",
            received=", ".join(sorted(map(repr, twice or {""}))),
        )
    if graph.sparse_initializer:
        raise UnsupportedError("load: sparse initializers cannot be read.", expected="dense ones")


def check_calls(functions: Iterable[Any]) -> None:
    """A LoadError where the functions of a model call each other in a circle."""
    bodies = {(function.domain, function.name): function for function in functions}
    finished: set[tuple[str, str]] = set()

    def follow(key: tuple[str, str], callers: tuple[tuple[str, str], ...]) -> None:
        if key in callers:
            raise LoadError(
                "load: the ONNX model contradicts itself.",
                received="functions that call each other: " + ", ".join(name for _, name in callers),
            )
        if key in finished or key not in bodies:
            return
        if len(callers) > 100:
            raise LoadError(
                "load: functions of the ONNX model are nested too deeply.", expected="at most 100"
            )
        for node in bodies[key].node:
            follow((node.domain, node.op_type), (*callers, key))
        finished.add(key)

    for key in bodies:
        follow(key, ())
