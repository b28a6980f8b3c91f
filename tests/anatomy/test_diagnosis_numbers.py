"""The numbers that a diagnosis rests on, against direct computation."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convitro.anatomy import dissect
from convitro.anatomy.batches import batches
from convitro.anatomy.diagnosis.collect import collect
from convitro.anatomy.diagnosis.dead import upper_limit
from convitro.anatomy.diagnosis.maps import MapStatistics, measure
from convitro.anatomy.diagnosis.records import answers
from convitro.anatomy.diagnosis.sample import likeness, on_grid, spread_out
from convitro.anatomy.diagnosis.tails import Tails, tails_of
from convitro.anatomy.stages import Activation

RELU = Tails(rest=0.0)


def in_parts(maps: Tensor, sizes: list[int], tails: Tails) -> MapStatistics:
    first, *rest = (measure(part, maps.shape[1], tails) for part in maps.split(sizes))
    for part in rest:
        first = first.merge(part)
    return first


@pytest.mark.parametrize("sizes", [[12], [1] * 12, [5, 7]])
def test_numbers_of_maps(sizes: list[int]) -> None:
    maps = (torch.randn(12, 3, 5, 4) + torch.tensor([0.0, 1, -9]).reshape(3, 1, 1)).relu()
    found = in_parts(maps, sizes, RELU)
    pixels, close = maps.transpose(0, 1).reshape(3, -1).double(), torch.testing.assert_close
    close(found.mean, pixels.mean(1))
    close(found.deviation, pixels.std(1, correction=0), rtol=1e-5, atol=1e-9)
    close(found.highest, pixels.amax(1))
    close(found.peak, maps.amax((2, 3)).double().mean(0))
    close(found.peak_deviation, maps.amax((2, 3)).double().std(0))
    assert found.active_pixels.tolist() == (pixels > 0).sum(1).tolist()
    assert found.active_images.tolist() == (maps > 0).any(3).any(2).sum(0).tolist()
    assert found.root_mean_square == pytest.approx(float(pixels.square().mean().sqrt()))
    assert (found.images, found.pixels, int(found.infinite_pixels.sum())) == (12, 240, 0)


def test_a_large_mean_does_not_hide_a_small_deviation() -> None:
    maps = 1e4 + torch.randn(4, 2, 32, 32)
    expected = maps.double().transpose(0, 1).reshape(2, -1).std(1, correction=0)
    torch.testing.assert_close(measure(maps, 2).deviation, expected, rtol=1e-4, atol=0)


def test_infinite_values_are_counted() -> None:
    maps = torch.zeros(2, 2, 3, 3)
    maps[0, 1, 0, 0], maps[1, 1, 0, 0], maps[1, 1, 2, 2] = torch.inf, torch.nan, -torch.inf
    assert measure(maps, 2).infinite_pixels.tolist() == [0, 3]


def test_maps_that_are_kept_apart_count_for_their_filter() -> None:
    maps = torch.randn(2, 6, 3, 3)  # 2 filters with 3 maps each
    torch.testing.assert_close(
        measure(maps, 2).mean, maps.double().reshape(2, 2, -1).mean((0, 2)), rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize(
    ("name", "arguments", "rest", "ends"),
    [
        ("relu", (), 0.0, ()),
        ("leaky_relu", (0.1,), None, ()),
        ("relu6", (), 0.0, (6.0,)),
        ("hardtanh", (), None, (-1.0, 1.0)),
        ("hardtanh", (0.0, 4.0), 0.0, (4.0,)),
        ("sigmoid", (), None, (0.0, 1.0)),
        ("hardsigmoid", (), None, (0.0, 1.0)),
        ("tanh", (), None, (-1.0, 1.0)),
        ("softsign", (), None, (-1.0, 1.0)),
        ("elu", (2.0,), -2.0, ()),
        ("gelu", (), 0.0, ()),
        ("silu", (), 0.0, ()),
        ("mish", (), 0.0, ()),
        ("softplus", (), 0.0, ()),
        ("hardswish", (), 0.0, ()),
        ("threshold", (1.0, -3.0), -3.0, ()),
        ("logsigmoid", (), None, ()),
        ("softshrink", (), None, ()),
    ],
)
def test_tails_are_those_of_the_function(
    name: str, arguments: tuple[float, ...], rest: float | None, ends: tuple[float, ...]
) -> None:
    tails = tails_of(Activation(name, getattr(F, name), arguments))
    assert (tails.rest, tails.ends) == (rest, ends)


def test_clamps_have_the_ends_that_they_were_given() -> None:
    assert tails_of(Activation("clamp", torch.clamp, (), {"min": 0})).rest == 0
    assert tails_of(Activation("clamp", torch.clamp, (), {"min": 0, "max": 2})).ends == (2,)
    assert tails_of(Activation("clamp", torch.clamp, (), {"max": 2})) == Tails()


def test_near_an_end_is_saturated_and_near_the_rest_is_not_active() -> None:
    tanh = tails_of(Activation("tanh", torch.tanh))
    assert tanh.saturated(torch.tensor([0.985, 0.97, -0.99, 0.0])).tolist() == [True, False, True, False]
    gelu = tails_of(Activation("gelu", F.gelu))
    assert gelu.active(F.gelu(torch.tensor([-9.0, -1.0, 0.1]))).tolist() == [0, 1, 1]
    relu = tails_of(Activation("relu", F.relu))
    assert relu.active(torch.tensor([0.0, 1e-30])).tolist() == [0, 1]


def test_likeness_is_the_correlation_of_the_pixels_on_the_grid() -> None:
    maps = torch.randn(7, 4, 6, 5)
    maps[:, 3] = 2 * maps[:, 0] + 1
    whole, first, second = (likeness(on_grid(part), 4, None) for part in (maps, maps[:3], maps[3:]))
    expected = torch.corrcoef(maps.transpose(0, 1).reshape(4, -1))
    for found in (whole, first.merge(second)):
        torch.testing.assert_close(found.correlation(), expected, rtol=1e-5, atol=1e-6)


def test_a_constant_map_is_like_no_other() -> None:
    maps = torch.randn(3, 2, 4, 4)
    maps[:, 1] = 0.3
    assert likeness(on_grid(maps), 2, None).correlation()[0, 1] == 0


@pytest.mark.parametrize("size", [1, 5, 6, 7, 32, 1000])
def test_the_grid_lies_evenly_inside(size: int) -> None:
    places = spread_out(size, 6).tolist()
    assert places == sorted(set(places))
    assert len(places) == min(size, 6)
    assert places[0] == size - 1 - places[-1]


def test_cancellation_is_that_of_the_partial_maps_and_its_baseline_that_of_random_signs() -> None:
    conv = nn.Conv2d(32, 5, 3, stride=2, padding=1)
    images = torch.rand(6, 32, 12, 12)
    model = nn.Sequential(conv, nn.ReLU())
    sums = collect(model, batches(images, 4), "").layers["0"].cancelled
    assert sums is not None
    layer = dissect(model, images)["0"]
    torch.testing.assert_close(sums.cancellation.float(), layer.cancellation(), rtol=1e-4, atol=1e-5)
    for filter in range(5):
        maps = layer.partial_maps(filter)
        signs = torch.randint(0, 2, (400, *maps.shape)) * 2 - 1
        drawn = 1 - (signs * maps).sum(2).abs().sum((1, 2, 3)) / maps.abs().sum()
        assert float(sums.baseline[filter]) == pytest.approx(float(drawn.mean()), abs=0.003)


def test_only_the_first_images_are_asked_however_they_are_cut() -> None:
    model = nn.Sequential(nn.Conv2d(8, 4, 3))
    images = torch.rand(20, 8, 6, 6)
    found = [collect(model, batches(images, size), "").layers["0"] for size in (3, 20)]
    for record in found:
        assert record.cancelled is not None
        assert record.cancelled.images == 8
    torch.testing.assert_close(found[0].cancelled.kept, found[1].cancelled.kept)  # type: ignore[union-attr]


@pytest.mark.parametrize(("count", "images"), [(0, 10), (0, 59), (0, 1000)])
def test_no_response_leaves_the_exact_limit(count: int, images: int) -> None:
    limit = upper_limit(count, images)
    assert (1 - limit) ** images == pytest.approx(0.05)  # so rare would it be, were the true share that high


def test_the_limit_falls_with_more_images_and_lies_above_the_share() -> None:
    limits = [upper_limit(count, 1000) for count in range(0, 60, 10)]
    assert limits == sorted(limits)
    assert all(limit > count / 1000 for limit, count in zip(limits, range(0, 60, 10), strict=True))
    assert upper_limit(2, 1000) < upper_limit(2, 100)


@pytest.mark.parametrize("form", ["scores", "probabilities", "logarithms"])
def test_the_loss_is_the_cross_entropy_in_whatever_form_the_scores_are(form: str) -> None:
    scores, labels = torch.randn(50, 7), torch.randint(0, 7, (50,))
    shown = {"scores": scores, "probabilities": scores.softmax(1), "logarithms": scores.log_softmax(1)}
    found = answers(shown[form], labels)
    assert found is not None
    assert found.loss == pytest.approx(float(F.cross_entropy(scores, labels, reduction="sum")), rel=1e-4)
    assert found.hits == int((scores.argmax(1) == labels).sum())
    assert found.guess == int(torch.bincount(labels).max()) / 50
    assert math.isclose(found.merge(found).accuracy, found.accuracy)
