"""`from_exported`: a program of torch.export as a torch module, node by node."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from convitro.errors import ConvitroError, LoadError, ShapeError
from convitro.sources.exported.archive import Archive
from convitro.sources.exported.reader import Reader
from convitro.sources.graph import Graph


class Program(Graph):
    """A graph that checks the sizes that it was exported for.

    Args:
        sizes: of each argument: a number where it is fixed, None where it is free.
    """

    def __init__(self, *args: Any, sizes: Mapping[str, tuple[int | None, ...]], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.sizes = dict(sizes)
        self.batch = next((size[0] for size in self.sizes.values() if len(size) == 4), None)

    def _bound(self, arguments: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
        given = super()._bound(arguments, named)
        for name, sizes in self.sizes.items():
            value = given[name]
            shape = tuple(value.shape) if isinstance(value, Tensor) else ()
            fits = len(shape) == len(sizes) and all(
                size in (None, extent) for size, extent in zip(sizes, shape, strict=True)
            )
            if not fits:
                raise ShapeError(
                    f"{self.own_name}: `{name}` is not of the size that the program was exported for.",
                    expected="x".join("any" if size is None else str(size) for size in sizes),
                    received="x".join(map(str, shape)),
                    hint="torch.export.export(..., dynamic_shapes=...) leaves sizes free",
                )
        return given


def from_exported(path: str | Path) -> Program:
    """A program that `torch.export.save` wrote as a torch module.

    The file is read as what it is: lists of names, numbers and tensors. `torch.export.load` would unpickle
    some of it and evaluate expressions; here nothing in the file is executed. A program may call PyTorch's
    own operators on tensors only. Layers have the names of the original model.

    Args:
        path: of the .pt2 file.

    Returns:
        The network as it was exported, in evaluation or training mode. It gives a tensor or a flat tuple.

    Raises:
        LoadError: the file is damaged, or holds pickles that are no plain tensors.
        UnsupportedError: the program has control flow, or operators that are not PyTorch's own.

    Source: own; the format is that of torch.export, schema version 8.

    Example:
        >>> import tempfile, torch
        >>> layer = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()).eval()
        >>> program = torch.export.export(layer, (torch.zeros(1, 3, 8, 8),))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     torch.export.save(program, folder + "/layer.pt2")
        ...     loaded = from_exported(folder + "/layer.pt2")
        >>> loaded.steps, loaded.input_size
        ((Call('0', Conv2d), Call('1', ReLU)), (3, 8, 8))
    """
    archive = Archive(Path(path))
    stored = archive.program()
    try:
        return program(Path(path).stem, Reader(archive, stored))
    except ConvitroError:
        raise
    except (KeyError, TypeError, AttributeError, IndexError, ValueError, RecursionError) as error:
        raise archive.damaged(f"{type(error).__name__}: {error}") from error


def program(name: str, reader: Reader) -> Program:
    """The graph of what was read."""
    arguments, outputs = reader.arguments, reader.outputs()
    if not outputs or not arguments:
        raise LoadError("load: the program takes or gives no tensor.")
    kept = {output: reader.tensors[output][1] for output in outputs if output in reader.tensors}
    sizes = {argument: reader.sizes(argument) for argument in arguments if reader.is_tensor(argument)}
    steps = reader.steps()
    known = {"", *arguments, *kept}
    for step in steps:
        check_known(step.inputs, known)
        known.update(step.outputs)
    check_known(outputs, known)
    return Program(name, arguments, steps, outputs, kept, reader.input_size(), sizes=sizes).eval()


def check_known(names: Iterable[str], known: Collection[str]) -> None:
    """A LoadError for a value that nothing has given before."""
    unknown = [name for name in names if name not in known]
    if unknown:
        raise LoadError(f'load: nothing in the program gives the value "{unknown[0]}" before it is read.')
