"""Whether what a model returns are sigmoids: seen while it runs, since the numbers alone cannot tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from convitro.anatomy.observe import version_of
from convitro.anatomy.recognise import ACTIVATIONS, COPIES

aten = torch.ops.aten
LOGISTIC = {function for function, name in ACTIVATIONS.items() if name == "sigmoid"} | {torch.special.expit}
SHAPES = COPIES | {
    torch.flatten,
    Tensor.flatten,
    torch.reshape,
    Tensor.reshape,
    Tensor.view,
    torch.squeeze,
    Tensor.squeeze,
    torch.unsqueeze,
    Tensor.unsqueeze,
    Tensor.float,
    Tensor.to,
    aten.view.default,
    aten.reshape.default,
    aten.squeeze.dim,
    aten.squeeze.dims,
    aten.unsqueeze.default,
}  # the same numbers, laid out otherwise


class Sigmoids:
    """Follows which tensors of a run are sigmoids, until something else is made of them."""

    def __init__(self) -> None:
        self._versions = WeakIdKeyDictionary()  # of a sigmoid, as it was made

    def follow(self, func: Callable[..., Any], given: Any, result: Any) -> None:
        """A function made `result` of `given`, its first argument."""
        if isinstance(result, Tensor) and (func in LOGISTIC or (func in SHAPES and self.holds(given))):
            self._versions[result] = version_of(result)

    def holds(self, item: Any) -> bool:
        """Whether the numbers of a tensor are sigmoids, each of a number of its own."""
        return isinstance(item, Tensor) and self._versions.get(item) == version_of(item)
