"""From a written kernel to its address: LLVM compiles it once for a process, and once for a machine."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import llvmlite.ir as ir

import convitro.engine.cpu.cache as cache
from convitro.engine.cpu.isa import Isa, supported
from convitro.errors import CompileError

ENTRY = "entry"
PASSES_LEVEL, CODE_LEVEL = 1, 2
"""Of LLVM's optimizations. More passes take up to four times as long and did not make a kernel faster."""


@dataclass(frozen=True)
class Program:
    """A kernel that was written, not yet compiled.

    Attributes:
        module: contains a function called "entry".
        fields: names of the int64 numbers that `entry` reads from its first argument, in order.
    """

    module: ir.Module
    fields: tuple[str, ...]


@dataclass(frozen=True)
class Compiled:
    """A kernel that can be called for as long as the process lives.

    Attributes:
        address: of "entry".
        fields: names of the int64 numbers that it reads from its first argument, in order.
    """

    address: int
    fields: tuple[str, ...]


_compiled: dict[tuple[str, Isa], Compiled] = {}
_engines: list[Any] = []  # they own the machine code
_lock = threading.RLock()  # LLVM serves one thread at a time anyway


def compiled(key: str, write: Callable[[], Program], isa: Isa) -> Compiled:
    """The kernel of that name, compiled at the first call of the process or taken from disk.

    Args:
        key: decides, together with the source code of this folder, what `write` returns.
        write: writes the kernel; called only where it is found neither in memory nor on disk.
        isa: one that runs on this processor.

    Raises:
        CompileError: LLVM refuses the kernel, or this processor cannot run it.
    """
    known = _compiled.get((key, isa))
    if known is not None:
        return known
    with _lock:
        if (key, isa) not in _compiled:
            _compiled[key, isa] = _found_or_made(key, write, isa)
        return _compiled[key, isa]


def assembly(program: Program, isa: Isa) -> str:
    """The text of the machine code, also for processors other than this one."""
    with _lock:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
        machine = _machine(isa)
        return str(machine.emit_assembly(_optimized(program.module, machine, "assembly")))


def _found_or_made(key: str, write: Callable[[], Program], isa: Isa) -> Compiled:
    if isa.name not in supported():
        raise CompileError(
            f"kernel {key}: this processor cannot run it.",
            expected=" or ".join(supported()),
            received=isa.name,
        )
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    identity = _identity(key, isa)
    entry = cache.read(identity) if identity else None
    if entry is None:
        program, machine = write(), _machine(isa)
        code = machine.emit_object(_optimized(program.module, machine, key))
        _check_calls(code, program.module, key)
        entry = cache.Entry(identity, program.fields, code)
        if identity:
            cache.write(entry)
    return Compiled(_load(entry.code, isa), entry.fields)


def _identity(key: str, isa: Isa) -> str:
    """All that decides the machine code; empty where that is not known."""
    versions = (llvmlite.__version__, llvm.llvm_version_info)
    return json.dumps([key, _SOURCES, astuple(isa), versions]) if _SOURCES else ""


def _sources() -> str:
    """A digest of the code that writes kernels; empty where it cannot be read."""
    package = Path(__file__).parents[2]
    folders = (package / "engine" / "cpu", package / "engine" / "fold", package / "aggregation")
    digest, files = hashlib.sha256(), sorted(file for folder in folders for file in folder.glob("*.py"))
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest() if files else ""


_SOURCES = _sources()  # now, for while the process runs the files may change


def _machine(isa: Isa) -> Any:
    # constants will lie beside the code (see `_load`), within reach of the small model's short addresses
    model = "jitdefault" if os.name == "nt" else "small"  # LLVM loads no objects of Windows' own format
    return llvm.Target.from_triple(isa.triple).create_target_machine(
        cpu=isa.cpu, features=isa.features, opt=CODE_LEVEL, reloc="pic", codemodel=model, jit=True
    )


def _optimized(module: ir.Module, machine: Any, key: str) -> Any:
    """LLVM's own form of the module, its functions simplified one by one.

    Loops stay as written, for kernels are vectorized and unrolled by hand, and nothing is inlined.
    """
    text = str(module).replace("\n{", ' nounwind "no-builtins"\n{')  # and no loop becomes a call of memset
    try:
        parsed = llvm.parse_assembly(text)
        parsed.triple = machine.triple
        parsed.data_layout = str(machine.target_data)
        parsed.verify()
        parsed.get_function(ENTRY)
    except (RuntimeError, NameError) as error:
        raise CompileError(f"kernel {key}: LLVM refuses it.", received=str(error).strip()) from error
    tuning = llvm.create_pipeline_tuning_options(speed_level=PASSES_LEVEL)
    tuning.loop_vectorization = tuning.slp_vectorization = False
    tuning.loop_unrolling = tuning.loop_interleaving = False
    builder = llvm.create_pass_builder(machine, tuning)
    passes = builder.getFunctionPassManager()
    for function in parsed.functions:
        if not function.is_declaration:
            passes.run(function, builder)
    return parsed


def _check_calls(code: bytes, module: ir.Module, key: str) -> None:
    """A kernel calls by address only: LLVM would end the process over a name that it cannot find or reach."""
    names: set[bytes] = set()
    for section in llvm.object_file.ObjectFileRef.from_data(code).sections():
        if section.name() == b".strtab":
            names.update(section.data().split(b"\0"))
    defined = [value for value in module.global_values if not getattr(value, "is_declaration", False)]
    own = {b"", b"<string>", *(value.name.encode() for value in defined)}
    # the names of sections begin with a dot; LLVM's copies of a function have its name, a dot and more
    foreign = sorted(name.decode() for name in names - own if name.split(b".")[0] not in own)
    if foreign:
        raise CompileError(
            f"kernel {key}: it calls a library.",
            expected="only functions of the kernel",
            received=", ".join(foreign),
        )


def _load(code: bytes, isa: Isa) -> int:
    """Place machine code in memory and return the address of its entry."""
    in_one_block = True  # constants beside the code
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine(isa), use_lmm=in_one_block)
    engine.add_object_file(llvm.object_file.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _engines.append(engine)
    return int(engine.get_function_address(ENTRY))


def _unlock_in_child() -> None:
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):  # a child must not inherit LLVM in the middle of its work
    os.register_at_fork(
        before=lambda: _lock.acquire(),
        after_in_parent=lambda: _lock.release(),
        after_in_child=_unlock_in_child,
    )
