"""Values and gradients of every aggregation, window and combine against the definition in float64."""

from typing import Any

import pytest
import torch

from convitro import aggregations, functional
from tests import oracle
from tests.contract.checks import ALGORITHMS, GEOMETRIES, check_against_oracle, gradients, problem
from tests.profiles import crossed

ANY = pytest.mark.parametrize("algorithm", ["reference", "fold"])
WINDOWS = [name for name in oracle.REDUCTIONS if not name.startswith(("median", "quantile"))]


@pytest.mark.parametrize(("aggregation", "geometry"), crossed(oracle.REDUCTIONS, GEOMETRIES))
def test_aggregation(aggregation: str, geometry: str) -> None:
    for algorithm in ALGORITHMS:
        check_against_oracle(aggregation, aggregation, algorithm, **GEOMETRIES[geometry])


@ANY
@pytest.mark.parametrize("window", WINDOWS)
def test_window(window: str, algorithm: str) -> None:
    check_against_oracle("max", "max", algorithm, window=window, padding=(1, 2), stride=(2, 1))


@ANY
@pytest.mark.parametrize("combine", oracle.COMBINES)
@pytest.mark.parametrize("window", ["sum", "max"])
def test_combine(window: str, combine: str, algorithm: str) -> None:
    layer: dict[str, Any] = {"padding": (1, 0), "dilation": (1, 2)}
    check_against_oracle("mean", "mean", algorithm, window=window, combine=combine, **layer)


@ANY
def test_a_window_without_any_pixel_counts_as_zero(algorithm: str) -> None:
    check_against_oracle("max", "max", algorithm, window="max", combine="add", padding=(4, 3))


def test_every_built_in_aggregation_has_a_definition() -> None:
    assert {name.partition("(")[0] for name in oracle.REDUCTIONS} == {*aggregations()} - {"none"}


@pytest.mark.parametrize("algorithm", ["aten", "fold", "reference"])
@pytest.mark.parametrize("aggregation", ["sum", "mean"])
def test_plain_convolutions_by_either_algorithm(aggregation: str, algorithm: str) -> None:
    input, weight = problem(groups=2)
    bias = torch.randn(2, dtype=torch.float64, requires_grad=True)
    ours = functional.conv2d(
        input, weight, bias, padding=1, groups=2, aggregation=aggregation, algorithm=algorithm
    )
    scale = 2 if aggregation == "mean" else 1
    expected = torch.nn.functional.conv2d(input, weight / scale, bias, padding=1, groups=2)
    torch.testing.assert_close(ours, expected)
    torch.testing.assert_close(gradients(ours, input, weight, bias), gradients(expected, input, weight, bias))


def test_the_mean_is_the_sum_with_divided_weights_bit_for_bit() -> None:
    input, weight = problem(torch.float32, channels=3)
    mean = functional.conv2d(input, weight, aggregation="mean")
    assert torch.equal(mean, functional.conv2d(input, weight / 3))


@pytest.mark.parametrize("algorithm", ["aten", "reference"])
def test_none_keeps_every_partial_map_filter_by_filter(algorithm: str) -> None:
    input, weight = problem(channels=6, filters=4, groups=2)
    bias = torch.randn(4, dtype=torch.float64, requires_grad=True)
    layer: Any = {"padding": 1, "groups": 2, "aggregation": "none", "algorithm": algorithm}
    maps = functional.conv2d(input, weight, bias, **layer)
    assert maps.shape[1] == 4 * 3
    for filter_ in range(4):
        for channel in range(3):
            seen = (filter_ // 2) * 3 + channel
            alone = torch.nn.functional.conv2d(
                input[:, seen : seen + 1],
                weight[filter_, channel][None, None],
                bias[filter_ : filter_ + 1],
                padding=1,
            )
            torch.testing.assert_close(maps[:, filter_ * 3 + channel], alone[:, 0])
    apart = maps - bias.repeat_interleave(3)[:, None, None]
    torch.testing.assert_close(
        apart.unflatten(1, (4, 3)).sum(2), torch.nn.functional.conv2d(input, weight, padding=1, groups=2)
    )
    torch.testing.assert_close(
        gradients(apart.unflatten(1, (4, 3)).amax(2), input, weight),
        gradients(functional.conv2d(input, weight, padding=1, groups=2, aggregation="max"), input, weight),
    )
