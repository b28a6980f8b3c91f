"""Compiling: once for a process, once for a machine, and never from a file that is not what was stored."""

import ctypes
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import llvmlite.ir as ir
import pytest

from convitro.engine.cpu import cache, jit
from convitro.engine.cpu.isa import NAMES, host, isa, supported
from convitro.engine.cpu.jit import Compiled, Program, compiled
from convitro.engine.cpu.vector import INDEX, Kernel
from convitro.errors import CompileError
from tests.engine.written import text

FIELDS = ("rows", "columns")
ROOT = Path(__file__).parents[2]


def storing(number: int) -> Program:
    """A kernel that stores a number."""
    kernel = Kernel(ir.Module(), "entry", ["pointer"], host())
    kernel.argument(0, INDEX).store(number)
    kernel.finish()
    return Program(kernel.module, FIELDS)


def stored(kernel: Compiled) -> int:
    place = ctypes.c_int64(0)
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(kernel.address)(ctypes.addressof(place))
    return place.value


def never() -> Program:
    raise AssertionError("the kernel was there")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache on disk."""
    monkeypatch.setenv("CONVITRO_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("CONVITRO_CACHE", raising=False)
    monkeypatch.setattr(jit, "_compiled", {})
    return tmp_path / "kernels"


@pytest.fixture
def new_process(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Forget what this process compiled."""
    return lambda: monkeypatch.setattr(jit, "_compiled", {})


def only_file(folder: Path) -> Path:
    (file,) = folder.iterdir()
    return file


def test_a_process_compiles_once(folder: Path) -> None:
    first = compiled("once", lambda: storing(7), host())
    assert compiled("once", never, host()) is first
    assert stored(first) == 7
    assert first.fields == FIELDS


def test_a_machine_compiles_once(folder: Path, new_process: Callable[[], None]) -> None:
    compiled("machine", lambda: storing(8), host())
    new_process()
    kernel = compiled("machine", never, host())
    assert stored(kernel) == 8
    assert kernel.fields == FIELDS


def test_another_process_takes_it_from_disk(folder: Path) -> None:
    compiled("other process", lambda: storing(9), host())
    code = "from tests.engine.test_jit import *; print(stored(compiled('other process', never, host())))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout == "9\n"


def test_threads_compile_once_together(folder: Path) -> None:
    calls, results = [], []

    def write() -> Program:
        calls.append(1)
        time.sleep(0.05)
        return storing(3)

    def work() -> None:
        results.append(compiled("together", write, host()))

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(calls) == 1
    assert len(set(results)) == 1


def test_processes_fill_the_cache_together(folder: Path) -> None:
    code = """if 1:
        from tests.engine.test_jit import *
        for number in range(6):
            assert stored(compiled(f"common {number}", lambda: storing(number), host())) == number
    """
    processes = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) for _ in range(3)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0]
    assert len(list(folder.iterdir())) == 6


def test_a_process_forked_while_another_thread_compiles(folder: Path) -> None:
    code = """if 1:
        import os, threading
        from tests.engine.test_jit import *
        def write():
            time.sleep(0.3)
            return storing(1)
        thread = threading.Thread(target=lambda: compiled("in the parent", write, host()))
        thread.start()
        time.sleep(0.1)
        child = os.fork()
        if child == 0:
            os._exit(stored(compiled("in the child", lambda: storing(5), host())))
        thread.join()
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 5


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data[: len(cache.MAGIC) + 3],
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: data.replace(b"rows", b"cows"),
        lambda data: b"another program's file",
        lambda data: cache._pack(cache.Entry("another kernel", (), b"code")),
        lambda data: data.replace(cache.MAGIC, b"convitro kernel 0\n"),
    ],
    ids=["empty", "short", "no header", "one bit", "fields", "foreign", "other key", "older format"],
)
def test_a_damaged_file_is_rebuilt(
    damage: Callable[[bytes], bytes], folder: Path, new_process: Callable[[], None]
) -> None:
    compiled("damaged", lambda: storing(1), host())
    file = only_file(folder)
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    new_process()
    assert stored(compiled("damaged", lambda: storing(2), host())) == 2
    new_process()
    assert stored(compiled("damaged", never, host())) == 2


def test_another_key_or_processor_or_source_is_another_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identities = {jit._identity(key, isa(name)) for key in ("a", "b") for name in NAMES}
    monkeypatch.setattr(jit, "_SOURCES", "changed")
    identities.add(jit._identity("a", host()))
    assert len(identities) == 2 * len(NAMES) + 1
    assert len({cache._file_name(identity) for identity in identities}) == len(identities)


def test_kernels_of_unknown_sources_are_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jit, "_SOURCES", "")
    assert stored(compiled("unknown", lambda: storing(6), host())) == 6
    assert not folder.exists()


@pytest.mark.parametrize(("variable", "value"), [("CONVITRO_CACHE", "0"), ("CONVITRO_CACHE_DIR", "")])
def test_the_cache_can_be_turned_off(
    variable: str, value: str, folder: Path, new_process: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    assert stored(compiled("off", lambda: storing(1), host())) == 1
    new_process()
    assert stored(compiled("off", lambda: storing(2), host())) == 2
    assert not folder.exists()


def test_where_kernels_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CONVITRO_CACHE_DIR", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "chosen"))
    assert cache.folder() == tmp_path / "chosen" / "convitro" / "kernels"
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    assert cache.folder() == tmp_path / ".cache" / "convitro" / "kernels"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache.folder() == tmp_path / "Library" / "Caches" / "convitro" / "kernels"


def test_only_the_user_may_read_it(folder: Path) -> None:
    compiled("private", lambda: storing(1), host())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(only_file(folder).stat().st_mode) == 0o600


@pytest.mark.parametrize("what", ["folder", "file"])
def test_what_others_may_write_is_not_trusted(
    what: str, folder: Path, new_process: Callable[[], None]
) -> None:
    compiled("open", lambda: storing(1), host())
    (folder if what == "folder" else only_file(folder)).chmod(0o777)
    new_process()
    assert stored(compiled("open", lambda: storing(2), host())) == 2


@pytest.mark.skipif(os.name == "nt" or os.getuid() != 0, reason="only root gives files away")
def test_what_belongs_to_others_is_not_trusted(folder: Path, new_process: Callable[[], None]) -> None:
    compiled("theirs", lambda: storing(1), host())
    os.chown(only_file(folder), 12345, 12345)
    new_process()
    assert stored(compiled("theirs", lambda: storing(2), host())) == 2
    os.chown(folder, 12345, 12345)
    new_process()
    assert stored(compiled("theirs", lambda: storing(3), host())) == 3


def test_a_place_that_cannot_be_a_folder_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CONVITRO_CACHE_DIR", str(tmp_path / "file"))
    assert stored(compiled("no folder", lambda: storing(4), host())) == 4


@pytest.mark.parametrize("call", ["tempfile.mkstemp", "os.replace"])
def test_a_full_disk_is_no_error(call: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"convitro.engine.cpu.cache.{call}", full)
    assert stored(compiled("full", lambda: storing(4), host())) == 4
    assert list(folder.iterdir()) == []


def test_the_files_used_longest_ago_go_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = bytes(1000)
    for number in range(5):
        cache.write(cache.Entry(f"kernel {number}", (), code))
        age = 100 - number if number else 50  # the first was used last
        os.utime(folder / cache._file_name(f"kernel {number}"), (time.time() - age,) * 2)
    monkeypatch.setattr(cache, "LIMIT_BYTES", 4500)
    cache.write(cache.Entry("kernel 5", (), code))
    there = [number for number in range(6) if cache.read(f"kernel {number}")]
    assert there == [0, 3, 4, 5]


def test_a_hit_counts_as_use(folder: Path) -> None:
    cache.write(cache.Entry("used", (), b"code"))
    file = only_file(folder)
    os.utime(file, (0, 0))
    assert cache.read("used") == cache.Entry("used", (), b"code")
    assert time.time() - file.stat().st_mtime < 100


def test_what_a_killed_process_left_is_removed(folder: Path) -> None:
    cache.write(cache.Entry("first", (), b"code"))
    for name, age in (("old", 7200), ("new", 60)):
        file = folder / f"{name}{cache.UNFINISHED}"
        file.write_bytes(b"half")
        os.utime(file, (time.time() - age,) * 2)
    cache.write(cache.Entry("second", (), b"code"))
    assert [file.stem for file in folder.iterdir() if file.suffix == cache.UNFINISHED] == ["new"]


def test_code_that_llvm_refuses_names_the_kernel(folder: Path) -> None:
    def write() -> Program:
        module = ir.Module()
        function = ir.Function(module, ir.FunctionType(INDEX, []), "entry")
        ir.IRBuilder(function.append_basic_block()).ret_void()  # but an index is promised
        return Program(module, ())

    with pytest.raises(CompileError, match=r"kernel 3x3 sum: LLVM refuses it(.|\n)*function result type"):
        compiled("3x3 sum", write, host())
    assert not folder.exists()


def test_a_kernel_without_an_entry_is_refused() -> None:
    with pytest.raises(CompileError, match="entry"):
        compiled("empty", lambda: Program(ir.Module(), ()), host())


def test_a_function_that_nobody_defined_is_refused(folder: Path) -> None:
    def write() -> Program:
        module = ir.Module()
        kind = ir.FunctionType(ir.VoidType(), [])
        missing = ir.Function(module, kind, "somewhere_else")
        builder = ir.IRBuilder(ir.Function(module, kind, "entry").append_basic_block())
        builder.call(missing, [])
        builder.ret_void()
        return Program(module, ())

    with pytest.raises(CompileError, match=r"calls a library(.|\n)*somewhere_else"):
        compiled("calls", write, host())


def test_a_call_that_llvm_itself_makes_is_refused(folder: Path) -> None:
    def write() -> Program:
        kernel = Kernel(ir.Module(), "entry", ["pointer"], host())
        numbers = kernel.argument(0, ir.FloatType())
        numbers.store(numbers.load() % numbers[1].load())
        kernel.finish()
        return Program(kernel.module, ())

    with pytest.raises(CompileError, match=r"calls a library(.|\n)*fmodf"):
        compiled("remainder", write, host())


def test_a_processor_that_is_not_this_one_is_refused() -> None:
    other = next(isa(name) for name in NAMES if name not in supported())
    with pytest.raises(CompileError, match="this processor cannot run it"):
        compiled("elsewhere", never, other)


def test_constants_lie_beside_the_code(folder: Path) -> None:
    def write() -> Program:
        kernel = Kernel(ir.Module(), "entry", ["pointer"], host())
        numbers = kernel.argument(0, ir.DoubleType())
        for i in range(100):
            numbers[i].store(numbers[i].load() * (1 / (3 + i)))
        kernel.finish()
        return Program(kernel.module, ())

    numbers = (ctypes.c_double * 100)(*[5.0] * 100)
    kernel = compiled("constants", write, host())
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(kernel.address)(ctypes.addressof(numbers))
    assert list(numbers) == [5.0 * (1 / (3 + i)) for i in range(100)]


@pytest.mark.parametrize("name", NAMES)
def test_filling_stays_a_loop(name: str) -> None:
    def write(kernel: Kernel) -> None:
        numbers = kernel.argument(1, ir.FloatType())
        with kernel.loop(0, kernel.argument(0)) as i:
            numbers[i].store(0.0)

    assert "memset" not in text(name, "index pointer", write)


@pytest.mark.parametrize("name", NAMES)
def test_loops_stay_as_written(name: str) -> None:
    def write(kernel: Kernel) -> None:
        numbers = kernel.argument(1, ir.FloatType())
        with kernel.loop(0, kernel.argument(0)) as i:
            numbers[i].store(numbers[i].load() * 3.0)

    code = text(name, "index pointer", write)
    lines = [line for line in code.splitlines() if "mul" in line]
    assert len(lines) == 1
    assert "mulps" not in code
