"""`torch.exp(p)` for what is no tensor: the same as `p.exp()`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class TorchFunctions:
    """Lets PyTorch's functions call the methods of the same name."""

    __slots__ = ()

    @classmethod
    def __torch_function__(
        cls, function: Any, types: Any, arguments: Sequence[Any] = (), named: Any = None
    ) -> Any:
        name = getattr(function, "__name__", str(function)).strip("_")
        if name == "where":  # its condition comes first
            condition, yes, no = arguments
            first, *others = (yes, condition, no) if isinstance(yes, cls) else (no, ~condition, yes)
            return getattr(first, name)(*others)
        first, *others = arguments
        if not isinstance(first, cls):  # of two sides the second is ours
            first, others = others[0] * 0 + first, others
        return getattr(first, name)(*others, **(named or {}))
