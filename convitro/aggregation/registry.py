"""Names to aggregations: the built-in ones, and whatever users register."""

from __future__ import annotations

from typing import Any

from convitro.aggregation.base import Aggregation
from convitro.aggregation.builtin import BUILT_IN
from convitro.aggregation.verify import verify
from convitro.errors import ArgumentError, closest, missing_call

_named: dict[str, Aggregation] = {aggregation.name: aggregation for aggregation in BUILT_IN}
_by_spec: dict[str, Aggregation] = {aggregation.settled().spec: aggregation for aggregation in BUILT_IN}


def aggregations() -> tuple[str, ...]:
    """The names of all aggregations, built-in ones first, then registered ones.

    Example:
        >>> aggregations()[:4]
        ('sum', 'mean', 'max', 'min')
    """
    return tuple(_named)


def register_aggregation(aggregation: Aggregation) -> Aggregation:
    """Give an aggregation of one's own a name that every layer, tool and page knows.

    Registering the same class again (a notebook cell run twice) replaces it; built-in names cannot be taken.

    Args:
        aggregation: an instance; its parameters become the defaults of the name.

    Returns:
        The same instance.

    Raises:
        ArgumentError: not an instance of Aggregation, no proper name, the name of another class, or a law of
            aggregations does not hold (see `verify`).

    Source: own.

    Example:
        >>> from convitro.aggregation import Norm
        >>> class Manhattan(Norm):
        ...     name = "manhattan"
        >>> register_aggregation(Manhattan(q=1.0)).spec
        'manhattan(q=1.0)'
    """
    _check_instance(aggregation)
    owner = _named.get(aggregation.name)
    if owner is not None and not _same_class(type(owner), type(aggregation)):
        raise ArgumentError(
            f'register_aggregation: the name "{aggregation.name}" is taken.',
            expected="a name of its own",
            received=f"{type(aggregation).__qualname__}, while {type(owner).__qualname__} has that name",
        )
    verify(aggregation)
    for spec in [spec for spec, known in _by_spec.items() if known.name == aggregation.name]:
        del _by_spec[spec]
    _named[aggregation.name] = _by_spec[aggregation.settled().spec] = aggregation
    return aggregation


def resolve(aggregation: str | Aggregation, *, argument: str = "aggregation") -> Aggregation:
    """The aggregation that a name, a spec such as "logsumexp(beta=5.0)" or an instance stands for.

    Args:
        aggregation: what a user gave.
        argument: the argument's name, for the error.

    Raises:
        ArgumentError: unknown name (the closest is named), or parameters that do not fit.

    Example:
        >>> resolve("logsumexp(beta=5)").beta
        5.0
    """
    if isinstance(aggregation, Aggregation):
        return _remembered(aggregation)
    if not isinstance(aggregation, str):
        raise ArgumentError(
            f"`{argument}` is neither a name nor an instance.",
            expected="a name or an instance of Aggregation",
            received=repr(aggregation),
            hint=missing_call(aggregation),
        )
    found = _by_spec.get(aggregation) or _named.get(aggregation)
    return found if found is not None else _parsed(aggregation, argument)


def _remembered(aggregation: Aggregation) -> Aggregation:
    """The instance, kept under its spec: compiled graphs carry the spec and find the instance again."""
    known = _by_spec.get(aggregation.spec)
    if known is not None and not _same_class(type(known), type(aggregation)):
        raise ArgumentError(
            f'aggregation: two classes call themselves "{aggregation.name}".',
            expected="a name of its own",
            received=f"{type(aggregation).__qualname__}, while {type(known).__qualname__} has that name",
        )
    if known is None or type(known) is not type(aggregation):
        _check_instance(aggregation)
        if type(aggregation) not in {type(built_in) for built_in in BUILT_IN}:
            verify(aggregation)
        _by_spec[aggregation.spec] = aggregation
    return aggregation


def _parsed(spec: str, argument: str) -> Aggregation:
    """An instance from "name" or "name(parameter=number, …)"; nothing in it is executed."""
    name, _, rest = spec.partition("(")
    owner = _named.get(name.strip())
    if owner is None:
        raise ArgumentError(
            f"unknown {argument}.",
            expected=", ".join(f'"{known}"' for known in _named),
            received=repr(spec),
            hint=closest(name.strip(), _named) or "register_aggregation adds one of your own",
        )
    try:
        inside, closing, after = rest.rpartition(")")
        if closing != ")" or after.strip():
            raise ValueError
        pairs = [pair.partition("=") for pair in inside.split(",")]
        return type(owner)(**{key.strip(): _number(text) for key, _, text in pairs})
    except (ValueError, TypeError) as error:
        if isinstance(error, ArgumentError):
            raise
        raise ArgumentError(
            f"the parameters of this {argument} cannot be read.",
            expected=f"numbers, as in {owner.spec}",
            received=repr(spec),
        ) from None


def _number(text: str) -> float:
    """An integer where it is written as one, so that a parameter that counts stays whole."""
    return int(text) if text.strip().lstrip("+-").isdigit() else float(text)


def _check_instance(aggregation: Any) -> None:
    if not isinstance(aggregation, Aggregation):
        raise ArgumentError(
            "register_aggregation: not an aggregation.",
            expected="an instance of a subclass of convitro.Aggregation",
            received=repr(aggregation),
            hint=missing_call(aggregation),
        )
    name = getattr(aggregation, "name", None)
    if not isinstance(name, str) or not name.isidentifier():
        raise ArgumentError(
            "register_aggregation: the class has no proper `name`.",
            expected='a class attribute such as name = "contraharmonic"',
            received=repr(name),
        )
    parameters = getattr(aggregation, "__dataclass_params__", None)
    if parameters is not None and not parameters.frozen:
        raise ArgumentError(
            f"register_aggregation: the parameters of {type(aggregation).__name__} may change.",
            expected="@dataclass(frozen=True)",
            received="@dataclass",
            hint="layers, kernels and files know an aggregation by its parameters",
        )


def _same_class(one: type, other: type) -> bool:
    """The same class, or a later definition of it (a notebook cell that ran again)."""
    return one is other or (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)
