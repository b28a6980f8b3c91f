"""An aggregation of a user's own is tried once, on a few numbers, before anything is computed with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convitro.errors import ArgumentError, ConvitroError

if TYPE_CHECKING:
    from torch import Tensor

    from convitro.aggregation.base import Aggregation

ITEMS, SAMPLES = 6, 64
CLOSE = {"rtol": 1e-6, "atol": 1e-8}


def verify(aggregation: Aggregation) -> None:
    """Check the laws in float64: the order of items does not matter, parts merge, the slope is right.

    Items of both signs are tried, and positive ones; only results that are finite are compared.

    Raises:
        ArgumentError: a law does not hold; the error says which, and for which numbers.
    """
    import torch

    if not aggregation.streams or aggregation.separate:
        return
    random = torch.Generator().manual_seed(0)
    items = torch.randn(ITEMS, SAMPLES, dtype=torch.float64, generator=random)
    for tried in (items, items.abs() + 0.1):
        try:
            for check in (_check_order, _check_merge, _check_slope):
                check(aggregation, tried)
        except ConvitroError:
            raise
        except Exception as error:
            raise ArgumentError(
                f"{aggregation.name}: its functions cannot be run on tensors.",
                expected="element-wise arithmetic; for `if`: a.where(condition, b), a.maximum(b), & and |",
                received=f"{type(error).__name__}: {error}",
            ) from error


def verify_learned(aggregation: Aggregation) -> None:
    """Check in float64, once for each class, that the result's derivative by its `learnable` is right.

    Raises:
        ArgumentError: it is not, or the functions want a Python number as their parameter.
    """
    import torch

    from convitro.aggregation.learned import WithTangent

    kind, name = type(aggregation), aggregation.learnable
    if kind in _learned or kind.__module__.startswith("convitro.aggregation"):
        return
    items = torch.randn(ITEMS, SAMPLES, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    leaf = torch.full((SAMPLES,), float(getattr(aggregation, name)), dtype=torch.float64, requires_grad=True)
    n = torch.tensor(float(ITEMS)).double()
    try:
        with torch.enable_grad():
            result = _result(aggregation.with_parameter(leaf), items)
            wanted = torch.autograd.grad(result.sum(), leaf)[0] if result.requires_grad else leaf.detach() * 0
        moving = WithTangent(aggregation, leaf.detach())
        state = _fold(moving, items)
        found = moving.extra(state, moving.finish(state, n), n)[-1]
    except ConvitroError:
        raise
    except Exception as error:
        raise ArgumentError(
            f"{aggregation.name}: its functions cannot be run with a tensor as `{name}`.",
            expected=f"element-wise arithmetic with self.{name}, without `if`",
            received=f"{type(error).__name__}: {error}",
        ) from error
    _compare(f"{aggregation.name}: the derivative by `{name}` is wrong.", items, wanted, found)
    _learned.add(kind)


_learned: set[type] = set()


def _fold(aggregation: Aggregation, items: Tensor) -> tuple[Any, ...]:
    import torch

    state = tuple(torch.full_like(items[0], number) for number in aggregation.init(len(items)))
    for item in items:
        after = aggregation.step(state, item)
        if not isinstance(after, tuple) or len(after) != len(state):
            raise ArgumentError(
                f"{aggregation.name}.step does not return a state.",
                expected=f"a tuple of {len(state)}, as `init` does",
                received=repr(type(after).__name__)
                if not isinstance(after, tuple)
                else f"{len(after)} numbers",
            )
        state = after
    return state


def _result(aggregation: Aggregation, items: Tensor) -> Tensor:
    import torch

    result: Tensor = aggregation.finish(_fold(aggregation, items), torch.tensor(float(len(items))).double())
    return result


def _check_order(aggregation: Aggregation, items: Tensor) -> None:
    mixed = items[[3, 0, 5, 1, 4, 2]]
    one, other = _result(aggregation, items), _result(aggregation, mixed)
    _compare(f"{aggregation.name}.step: the order of the items matters.", items, one, other)


def _check_merge(aggregation: Aggregation, items: Tensor) -> None:
    import torch

    if not aggregation.merges:
        return
    parts = aggregation.merge(_fold(aggregation, items[:2]), _fold(aggregation, items[2:]))
    merged = aggregation.finish(parts, torch.tensor(float(len(items))).double())
    whole = _result(aggregation, items)
    _compare(f"{aggregation.name}.merge: two parts do not make the whole.", items, whole, merged)


def _check_slope(aggregation: Aggregation, items: Tensor) -> None:
    import torch

    leaf, n = items.clone().requires_grad_(), torch.tensor(float(len(items))).double()
    with torch.enable_grad():
        state = _fold(aggregation, leaf)
        result = aggregation.finish(state, n)
        if not result.requires_grad:
            return
        (wanted,) = torch.autograd.grad(result.sum(), leaf)
    with torch.no_grad():
        extra = aggregation.extra(tuple(part.detach() for part in state), result.detach(), n)
        saved = (result.detach(), *extra)
        slopes = []
        for item in items:
            slope = aggregation.slope(item, saved, n)
            slopes.append(torch.as_tensor(slope, dtype=torch.float64).expand(SAMPLES))
    own = type(aggregation).slope is not _base().slope
    hint = "" if own else "it was derived, which needs a `step` that adds to its state: write `slope`"
    problem = f"{aggregation.name}.slope is not the derivative of the result."
    _compare(problem, items, wanted, torch.stack(slopes), hint)


def _base() -> type[Aggregation]:
    from convitro.aggregation.base import Aggregation

    return Aggregation


def _compare(problem: str, items: Tensor, wanted: Tensor, found: Tensor, hint: str = "") -> None:
    import torch

    finite = wanted.isfinite() & found.isfinite()
    wrong = finite & ~torch.isclose(found, wanted, **CLOSE)  # type: ignore[arg-type]
    if not wrong.any():
        return
    sample = int(wrong.nonzero()[0][-1])
    place = tuple(int(index) for index in wrong.nonzero()[0])
    shown = ", ".join(f"{number:.3g}" for number in items[:, sample].tolist())
    raise ArgumentError(
        problem,
        expected=f"{wanted[place].item():.6g} for the items {shown}",
        received=f"{found[place].item():.6g}",
        hint=hint,
    )
