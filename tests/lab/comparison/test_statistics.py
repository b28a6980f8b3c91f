"""Intervals and tests of paired differences: closed forms, tables in books, SciPy, and what seeds can do."""

import math
import random
from itertools import product

import pytest
from scipy import stats

from convitro.errors import ArgumentError
from convitro.lab.comparison.statistics import (
    Difference,
    RegimeStatistics,
    Standing,
    differences,
    holm,
    paired,
    t_interval,
    t_test,
    wilcoxon,
)


def drawn(count: int, mean: float = 0.0, seed: int = 0) -> list[float]:
    generator = random.Random(seed)
    return [generator.gauss(mean, 0.01) for _ in range(count)]


def test_student_s_interval_in_closed_form() -> None:
    """Two values have t = tan(0.95 π / 2) = 12.7062, and a standard error of half their distance."""
    low, high = t_interval([1.0, 3.0], 0.95) or (0, 0)
    assert (low, high) == pytest.approx((2 - math.tan(0.475 * math.pi), 2 + math.tan(0.475 * math.pi)))


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.999])
def test_intervals_and_tests_are_scipy_s(confidence: float) -> None:
    values = drawn(10, mean=0.004)
    expected = stats.ttest_1samp(values, 0)
    assert t_interval(values, confidence) == pytest.approx(tuple(expected.confidence_interval(confidence)))
    assert t_test(values) == pytest.approx(expected.pvalue)


@pytest.mark.parametrize(("value", "p"), [(0.0, 1.0), (0.02, 0.0), (0.1 + 0.2 - 0.3, 1.0)])
def test_values_that_are_all_alike(value: float, p: float) -> None:
    assert t_interval([value] * 4, 0.95) == pytest.approx((value, value))
    assert t_test([value] * 4) == p


def test_one_value_has_no_interval() -> None:
    assert t_interval([0.5], 0.95) is None
    (found,) = differences({"max": {0: 0.5}}, {0: 0.6, 1: 0.7})
    assert (found.seeds, found.low, found.p, found.holm, found.wilcoxon) == ((0,), None, None, None, None)
    assert not found.certain
    assert found.largest is None


def test_holm_by_hand() -> None:
    """0.005 * 4, then 0.011 * 3, then 0.02 * 2, then 0.04: none may fall below the one before."""
    assert holm([0.04, 0.005, 0.02, 0.011]) == pytest.approx([0.04, 0.02, 0.04, 0.033])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


def test_tests_that_were_not_made_still_count() -> None:
    assert holm([0.01, 0.02], family=4) == pytest.approx([0.04, 0.06])
    with pytest.raises(ArgumentError, match="smaller than its tests"):
        holm([0.1, 0.2], family=1)


def test_holm_keeps_its_promise() -> None:
    """Six arms without any difference: in at most 5 % of many families is one told apart (2.5 sigma)."""
    rounds = 400
    wrong = sum(
        min(holm([t_test(drawn(6, seed=round * 6 + arm)) for arm in range(6)])) <= 0.05
        for round in range(rounds)
    )
    assert wrong / rounds <= 0.05 + 2.5 * math.sqrt(0.05 * 0.95 / rounds)


def test_all_intervals_hold_together() -> None:
    """Arms that share their reference: all true means lie inside in at least 95 % of the families."""
    rounds, missed = 300, 0
    for round in range(rounds):
        seeds = range(8)
        reference = dict(zip(seeds, drawn(8, 0.9, seed=7 * round), strict=True))
        arms = {
            str(arm): dict(zip(seeds, drawn(8, 0.9 - 0.01 * arm, seed=7 * round + arm), strict=True))
            for arm in range(1, 6)
        }
        found = differences(arms, reference)
        missed += any(
            each.low is None or each.high is None or not each.low <= -0.01 * int(each.arm) <= each.high
            for each in found
        )
    assert missed / rounds <= 0.05 + 2.5 * math.sqrt(0.05 * 0.95 / rounds)


@pytest.mark.parametrize("count", [6, 10])
def test_wilcoxon_in_closed_form(count: int) -> None:
    assert wilcoxon([0.01 * (index + 1) for index in range(count)]) == pytest.approx(2 / 2**count)
    assert wilcoxon([-0.01 * (index + 1) for index in range(count)]) == pytest.approx(2 / 2**count)


def test_wilcoxon_leaves_zeros_out_and_knows_ties() -> None:
    assert wilcoxon([0.0, 0.0, 0.0]) == 1.0
    assert wilcoxon([0.0, *(0.01 * index for index in range(1, 7))]) == pytest.approx(2 / 2**6)
    assert wilcoxon([0.1 + 0.2 - 0.3, 0.01, -0.01]) == 1.0


@pytest.mark.parametrize("mean", [0.0, 0.005, -0.01])
def test_wilcoxon_is_scipy_s(mean: float) -> None:
    """Without ties its exact method; with ties, counted by all 2^n signs."""
    values = drawn(12, mean)
    assert wilcoxon(values) == pytest.approx(stats.wilcoxon(values, method="exact").pvalue)
    tied = [value for value in (round(value, 2) for value in values) if value]
    ranks, signs = stats.rankdata([abs(value) for value in tied]), list(product((0, 1), repeat=len(tied)))
    sums = [sum(rank for rank, sign in zip(ranks, chosen, strict=True) if sign) for chosen in signs]
    found = sum(rank for rank, value in zip(ranks, tied, strict=True) if value > 0)
    tails = sum(each <= found for each in sums), sum(each >= found for each in sums)
    assert wilcoxon(tied) == pytest.approx(min(1, 2 * min(tails) / len(sums)))


def test_pairs_are_the_common_seeds() -> None:
    assert paired({2: 0.5, 0: 0.9, 1: 0.7}, {0: 0.8, 2: 0.75, 5: 0.1}) == ((0, 2), (0.9 - 0.8, 0.5 - 0.75))


def test_the_family_is_all_arms_of_a_regime() -> None:
    """Bonferroni's level for three arms is 1 - 0.05 / 3, whichever of them have been trained."""
    reference = dict(enumerate(drawn(5, 0.9)))
    maxima = dict(enumerate(drawn(5, 0.88, seed=1)))
    found = differences({"max": maxima, "mean": {}, "min": {0: 0.5}}, reference)
    values = paired(maxima, reference)[1]
    assert (found[0].low, found[0].high) == t_interval(values, 1 - 0.05 / 3)
    assert found[0].holm == pytest.approx(min(1, 3 * t_test(values)))
    assert [each.arm for each in found] == ["max", "mean", "min"]
    assert math.isnan(found[1].mean)
    assert found[1].to_dict()["mean"] is None


def test_no_interval_excludes_zero_unless_holm_tells_it_apart() -> None:
    """Bonferroni is the wider choice: its decisions are among Holm's."""
    for seed in range(40):
        reference = dict(enumerate(drawn(7, 0.9, seed=10 * seed)))
        arms = {
            str(arm): dict(enumerate(drawn(7, 0.9 + 0.004 * arm, 10 * seed + arm))) for arm in range(1, 8)
        }
        for each in differences(arms, reference):
            assert each.holm is not None
            assert not each.certain or each.holm <= 0.05


def test_a_regime() -> None:
    sums = Standing("sum", {0: 0.9, 1: 0.8})
    failed = Standing("max", {0: 0.1, 1: 0.8}, failed=(0,))
    regime = RegimeStatistics("batchnorm", "sum", (sums, failed))
    assert regime.standing("max").worst == (0, 0.1)
    assert sums.worst == (1, 0.8)
    assert sums.mean == pytest.approx(0.85)
    (found,) = regime.differences
    assert found.values == (0.1 - 0.9, 0.0)  # a failed training counts as it was measured
    assert found.largest == pytest.approx(max(abs(found.low or 0), abs(found.high or 0)))
    assert Standing("min", {}).worst is None
    assert math.isnan(Standing("min", {}).mean)


def test_identical_is_exactly_equal() -> None:
    alike = differences({"mean": {0: 0.5, 1: 0.6}}, {0: 0.5, 1: 0.6})[0]
    assert alike.identical
    assert (alike.low, alike.high, alike.p) == (0.0, 0.0, 1.0)
    assert not alike.certain
    assert not Difference("none", (), (), None, None, None, None, None).identical
