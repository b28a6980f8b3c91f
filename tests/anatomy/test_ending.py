"""Whether a run ends in a sigmoid: seen, not guessed from the numbers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convitro import dissect
from convitro.anatomy import answer


class Ended(nn.Module):
    """A convolution, four averaged maps, and then any function."""

    def __init__(self, end: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.conv, self.end = nn.Conv2d(3, 4, 3), end

    def forward(self, input: Tensor) -> Tensor:
        return self.end(self.conv(input).mean((2, 3)))


def picture() -> Tensor:
    return torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(1))


SIGMOIDS = {
    "function": torch.sigmoid,
    "method": lambda scores: scores.sigmoid(),
    "functional": F.sigmoid,
    "module": nn.Sigmoid(),
    "in place": lambda scores: scores.sigmoid_(),
    "special": torch.special.expit,
    "reshaped": lambda scores: torch.sigmoid(scores[:, :, None, None]).flatten(1),
    "of another": lambda scores: torch.sigmoid(2 * scores),
}
OTHERS = {
    "scores": lambda scores: scores,
    "small scores": lambda scores: scores.abs() / scores.abs().sum() / 2,
    "softmax": lambda scores: torch.softmax(scores, 1),
    "a sigmoid inside": lambda scores: scores * torch.sigmoid(scores),
    "changed afterwards": lambda scores: torch.sigmoid(scores).mul_(2),
    "averaged": lambda scores: torch.sigmoid(scores.repeat(1, 2)).reshape(1, 2, 4).mean(1),
}


@pytest.mark.parametrize("how", SIGMOIDS)
def test_a_sigmoid_at_the_end_is_seen(how: str) -> None:
    model = Ended(SIGMOIDS[how]).eval()
    assert dissect(model, picture()).ending == "sigmoid"
    found = answer(model, picture())
    assert found.ending == "sigmoid"
    torch.testing.assert_close(found.shares, model(picture())[0].detach().double())


@pytest.mark.parametrize("how", OTHERS)
def test_anything_else_is_not_taken_for_one(how: str) -> None:
    model = Ended(OTHERS[how]).eval()
    assert dissect(model, picture()).ending == ""
    assert answer(model, picture()).ending != "sigmoid"


def test_one_class_of_a_convolution() -> None:
    model = nn.Sequential(nn.Conv2d(3, 1, 6), nn.Flatten(), nn.Sigmoid()).eval()
    found = answer(model, picture())
    assert (found.ending, found.scores) == ("sigmoid", None)
    torch.testing.assert_close(found.shares, model(picture())[0].detach().double())
