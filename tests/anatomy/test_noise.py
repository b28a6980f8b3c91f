"""The scores that tell filters from noise: their closed forms, and what they say of real filters."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from convitro.anatomy.diagnosis.noise import (
    Excess,
    layer_scores,
    resemblance,
    sharing,
    smoothness,
    structure,
)
from convitro.models import small_vgg
from tests.networks_shared import captum_cifar, mnist8


def all_signs(count: int) -> Tensor:
    return torch.tensor(list(itertools.product((-1.0, 1.0), repeat=count)), dtype=torch.float64)


def of_one_filter(score: Callable[[Tensor], Excess], weight: Tensor) -> tuple[Tensor, float]:
    """The totals of a filter under every choice of signs, and the deviation that is claimed for them."""
    signs = all_signs(weight.numel()).reshape(-1, *weight.shape)
    return score(signs * weight).total, float(score(weight[None]).deviation[0])


def test_smoothness_has_the_mean_and_deviation_of_random_signs() -> None:
    totals, deviation = of_one_filter(smoothness, torch.randn(2, 2, 3, dtype=torch.float64))
    torch.testing.assert_close(totals.mean(), torch.zeros((), dtype=torch.float64), atol=1e-10, rtol=0)
    assert float(totals.square().mean().sqrt()) == pytest.approx(deviation)


def test_sharing_has_the_mean_and_deviation_of_random_signs() -> None:
    totals, deviation = of_one_filter(sharing, torch.randn(3, 4, dtype=torch.float64))
    torch.testing.assert_close(totals.mean(), torch.zeros((), dtype=torch.float64), atol=1e-10, rtol=0)
    assert float(totals.square().mean().sqrt()) == pytest.approx(deviation)


def test_resemblance_has_the_mean_and_deviation_of_random_signs() -> None:
    own, others = torch.randn(2, 2, 2, dtype=torch.float64), torch.randn(3, 2, 2, 2, dtype=torch.float64)
    flipped = [signs.reshape(own.shape) * own for signs in all_signs(8)]
    totals = torch.stack([resemblance(torch.stack([one, *others])).total[0] for one in flipped])
    deviation = float(resemblance(torch.stack([own, *others])).deviation[0])
    torch.testing.assert_close(totals.mean(), torch.zeros((), dtype=torch.float64), atol=1e-10, rtol=0)
    assert float(totals.square().mean().sqrt()) == pytest.approx(deviation)


def test_smoothness_is_a_moment_of_the_power_spectrum() -> None:
    weight = torch.randn(1, 4, 3, 5, dtype=torch.float64)
    power = torch.fft.fft2(weight, s=(6, 10)).abs().square()
    rows, columns = (torch.cos(2 * torch.pi * torch.fft.fftfreq(n, dtype=torch.float64)) for n in (6, 10))
    moment = ((rows[:, None] + columns) * power).mean((-1, -2)).sum()
    torch.testing.assert_close(smoothness(weight).total[0], moment)


def test_sharing_is_the_same_for_rows_and_columns() -> None:
    matrix = torch.randn(5, 9, dtype=torch.float64)
    for one, other in zip(sharing(matrix), sharing(matrix.T), strict=True):
        torch.testing.assert_close(one, other)


def test_blobs_are_smooth_and_checkerboards_are_the_opposite() -> None:
    checkerboard = torch.tensor([[1.0, -1, 1], [-1, 1, -1], [1, -1, 1]])
    scores = smoothness(torch.stack([torch.ones(3, 3), checkerboard])[:, None]).score
    assert scores.tolist() == pytest.approx([12**0.5, -(12**0.5)])  # 12 pairs of neighbours


def test_zero_weights_have_no_score() -> None:
    assert structure(torch.zeros(4, 3, 3, 3)).tolist() == [0, 0, 0, 0]
    assert layer_scores(torch.zeros(4, 3, 3, 3)) == (0, 0, 0)


@pytest.mark.parametrize("draw", [torch.randn, lambda *size: torch.rand(*size) - 0.5])
def test_random_filters_stay_near_zero(draw: Callable[..., Tensor]) -> None:
    scores = structure(draw(400, 16, 3, 3))
    assert float((scores < 2).float().mean()) > 0.85
    assert max(layer_scores(draw(64, 16, 3, 3))) < 4


def test_the_scale_of_single_channels_makes_no_noise_look_ordered() -> None:
    scales = torch.logspace(-3, 0, 16).reshape(1, 16, 1, 1)
    assert float((structure(torch.randn(400, 16, 3, 3) * scales) < 2).float().mean()) > 0.85


def test_every_filter_of_a_trained_network_is_far_from_noise() -> None:
    convolutions = [module for module in small_vgg() if isinstance(module, nn.Conv2d)]
    for convolution in convolutions[1:]:
        assert float(structure(convolution.weight.detach()).min()) > 2
        assert max(layer_scores(convolution.weight.detach())) > 30


def test_every_filter_of_networks_by_others_is_far_from_noise(shared: Path) -> None:
    for network in (mnist8(shared), captum_cifar(shared)):
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                assert float(structure(module.weight.detach()).min()) > 2
