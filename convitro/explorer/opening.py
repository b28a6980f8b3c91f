"""A model file from the page: written to a private folder, opened by the safe sources, then deleted."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from urllib.parse import unquote

from anyio import open_file
from starlette.requests import Request

from convitro.errors import ArgumentError, ConvitroError
from convitro.explorer.parameters import Parameters
from convitro.explorer.problems import RequestProblem
from convitro.explorer.upload import read_chunks
from convitro.sources import Network, open_network, parse_input_size

MAX_BYTES = 512 * 2**20
WHOLE = (".onnx", ".pt2", ".keras", ".h5", ".hdf5")
WEIGHTS = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")
EXPECTED = "a file that holds a whole model: .onnx, .pt2 (torch.export), .keras or .h5"
MAX_NAME = 80


async def opened_model(
    request: Request, run: Callable[[Request, Callable[[], Network]], Awaitable[Network]]
) -> tuple[str, Network]:
    """The network in the body of a request, and its id; nothing of it stays on the disk.

    Args:
        request: a file's raw bytes, its name and what the model takes as parameters.
        run: runs a function in a lane, off the event loop.

    Raises:
        RequestProblem: 413 too large, 400 empty or broken off, 422 no model file.
        ConvitroError: what the sources say of it.
    """
    parameters = Parameters(request.query_params)
    name = file_name(parameters.text("name"))
    takes = arguments(parameters)
    with tempfile.TemporaryDirectory(prefix="convitro-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / name
        digest = hashlib.sha256(repr(sorted(takes.items())).encode() + name.encode())
        async with await open_file(path, "xb") as file:
            async for chunk in read_chunks(request, MAX_BYTES, too_large):
                digest.update(chunk)
                await file.write(chunk)
        network = await run(request, lambda: opened(path, takes))
    return f"own-{digest.hexdigest()[:16]}", network


def opened(path: Path, takes: Mapping[str, object]) -> Network:
    """The network in a file; what the sources say of it does not name the folder."""
    try:
        return open_network(path, **takes)  # type: ignore[arg-type]
    except ConvitroError as error:
        words = (error.problem, error.expected, error.received, error.hint)
        problem, expected, received, hint = (text.replace(f"{path.parent}/", "") for text in words)
        raise type(error)(problem, expected=expected, received=received, hint=hint) from error


def file_name(text: str) -> str:
    """A file's own name, without a folder and harmless, with an ending that says what is in it."""
    plain = re.sub(r"[^\w.+-]+", "_", Path(unquote(text).replace("\\", "/")).name).strip("._")
    stem, suffix = Path(plain).stem[:MAX_NAME], Path(plain).suffix.lower()
    if suffix not in WHOLE + WEIGHTS:
        hint = "convert other models to ONNX first"
        raise RequestProblem(422, "This is no model file.", hint, expected=EXPECTED)
    return (stem or "model") + suffix


def arguments(parameters: Parameters) -> dict[str, object]:
    """What a model takes, as the command line has it: `input`, `mean` and `std`; each may be left out."""
    takes: dict[str, object] = {}
    if text := parameters.text("input").replace("\N{MULTIPLICATION SIGN}", "x").replace(" ", ""):
        size = parse_input_size(text)
        if max(size) > 4096 or size[1] * size[2] > 2**22:
            raise RequestProblem(400, "This input size is too large.", "at most 4 million pixels")
        takes["input_size"] = size
    for name in ("mean", "std"):
        if text := parameters.text(name).replace(" ", ""):
            takes[name] = numbers(name, text)
    return takes


def numbers(name: str, text: str) -> tuple[float, ...]:
    """Numbers between commas."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        expected = "numbers between commas, such as 0.485,0.456,0.406"
        raise ArgumentError(f'"{text}" is no {name}.', expected=expected) from None


def too_large(max_bytes: int) -> RequestProblem:
    """What a model above the limit is answered."""
    hint = "start `convitro explore` with the file: there it may be of any size"
    return RequestProblem(413, f"The model file is larger than {max_bytes // 2**20} MB.", hint)
