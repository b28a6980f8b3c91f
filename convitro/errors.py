"""Every error that Convitro raises on purpose.

    ConvitroError
    ├── ShapeError(ValueError)                tensors that do not fit each other
    ├── ArgumentError(ValueError)             an argument outside what it may be
    │   └── UnknownLayerError(KeyError)       a layer name that a network does not have
    ├── DtypeError(TypeError)                 a dtype that cannot be served
    ├── UnsupportedError(NotImplementedError) well formed, but nothing here can do it
    ├── CompileError(RuntimeError)            a kernel that could not be built
    ├── LoadError(RuntimeError)               a model, picture or file that cannot be read
    └── ExperimentError(RuntimeError)         a training or comparison that cannot go on

All share one form: what is wrong, then what was expected, what was received, and a hint.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ConvitroError(Exception):
    """Base of all errors below; catch it to catch everything that Convitro refuses.

    Args:
        problem: one sentence that starts with the place ("conv2d: `input` does not fit `weight`.").
        expected, received, hint: one line each; empty ones are left out.

    Example:
        >>> print(ShapeError("conv2d: `bias` does not fit.", expected="(8,)", received="(4,)"))
        conv2d: `bias` does not fit.
          expected: (8,)
          received: (4,)
    """

    def __init__(self, problem: str, *, expected: str = "", received: str = "", hint: str = "") -> None:
        self.problem, self.expected, self.received, self.hint = problem, expected, received, hint
        super().__init__(problem)

    def __str__(self) -> str:
        lines = [self.problem]
        for label, text in (("expected", self.expected), ("received", self.received), ("hint", self.hint)):
            if text:
                lines.append(f"  {label + ':':<9} {text}")
        return "\n".join(lines)


class ShapeError(ConvitroError, ValueError):
    """Tensors whose shapes do not fit each other or the layer."""


class ArgumentError(ConvitroError, ValueError):
    """An argument outside what it may be."""


class UnknownLayerError(ArgumentError, KeyError):
    """A layer name that a network does not have; also a KeyError, as mappings promise."""


class DtypeError(ConvitroError, TypeError):
    """A dtype that cannot be served, or dtypes that differ."""


class UnsupportedError(ConvitroError, NotImplementedError):
    """A well-formed request that nothing here can serve."""


class CompileError(ConvitroError, RuntimeError):
    """A kernel that could not be built."""


class LoadError(ConvitroError, RuntimeError):
    """A model, picture or file that cannot be read."""


class ExperimentError(ConvitroError, RuntimeError):
    """A training or a comparison that cannot go on."""


def missing_call(value: object) -> str:
    """A hint for a class that was given where an instance is wanted; empty for anything else.

    Example:
        >>> missing_call(int)
        'an instance, not its class: add ()'
    """
    return "an instance, not its class: add ()" if isinstance(value, type) else ""


def first_line(error: BaseException) -> str:
    """What another library's error says, in one line; its class where it says nothing.

    Example:
        >>> first_line(ValueError("no such axis\\nsee the manual")), first_line(KeyError())
        ('no such axis', 'KeyError')
    """
    return str(error).strip().partition("\n")[0] or type(error).__name__


def closest(word: str, choices: Iterable[str]) -> str:
    """A hint that names the choices most like `word`, for the `hint` of an error.

    Example:
        >>> closest("maen", ["sum", "mean", "std"])
        'did you mean "mean"?'
    """
    matches = difflib.get_close_matches(word, list(choices), n=3, cutoff=0.5)
    return "did you mean " + " or ".join(f'"{match}"' for match in matches) + "?" if matches else ""
