"""Another way of combining channels, in ten lines: the forward pass and its exact gradient follow from them.

The contraharmonic mean weighs every partial map by itself: sum of squares over sum. It favours the strong, as
max does, but lets every channel speak.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

import convitro


@dataclass(frozen=True)
class Contraharmonic(convitro.Aggregation):
    """(sum p^2 + eps) / (sum p + eps): eps keeps it finite where all maps are zero."""

    name: ClassVar[str] = "contraharmonic"
    eps: float = 0.1

    def init(self, n: int) -> tuple[float, ...]:
        return 0.0, 0.0

    def step(self, state: Any, p: Any) -> Any:
        return state[0] + p, state[1] + p * p

    def merge(self, s: Any, t: Any) -> Any:
        return s[0] + t[0], s[1] + t[1]

    def finish(self, state: Any, n: Any) -> Any:
        return state[1] / (state[0] + self.eps)

    def extra(self, state: Any, result: Any, n: Any) -> Any:
        return (state[0],)

    def slope(self, p: Any, saved: Any, n: Any) -> Any:
        result, total = saved
        return (2 * p - result) / (total + self.eps)


convitro.register_aggregation(Contraharmonic())

torch.manual_seed(0)
layer = convitro.Conv2d(3, 8, 3, bias=False, aggregation="contraharmonic", dtype=torch.float64)
torch.nn.init.uniform_(layer.weight)  # positive weights and pictures: the sum is then never near zero
print(layer)

picture = torch.rand(1, 3, 8, 8, dtype=torch.float64)
weight = layer.weight.detach().requires_grad_()
exact = torch.autograd.gradcheck(
    lambda weight: convitro.functional.conv2d(picture, weight, aggregation="contraharmonic"), weight
)
print("The gradient is exact:", exact)

anatomy = convitro.dissect(layer, picture)["conv2d"]
for name in ("contraharmonic", "mean", "max"):
    print(f"{name:>14}: {anatomy.under(name).mean():.3f}")
