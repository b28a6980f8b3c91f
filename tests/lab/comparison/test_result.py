"""A comparison's results: read, put into words, and never saying more than the intervals do."""

import json
from pathlib import Path
from typing import Any

import pytest

from convitro.errors import ArgumentError, ExperimentError
from convitro.lab.comparison.conclusions import Statement, listed, points, scale_effects, signed
from convitro.lab.comparison.result import RESULTS, Comparison
from tests.lab.comparison.synthetic import results

ARMS = ("sum", "mean", "max", "min", "kervolution(gamma=0.1,kernel=gaussian)")


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    return results(ARMS, seeds=range(10))


@pytest.fixture(scope="module")
def comparison(content: dict[str, Any]) -> Comparison:
    return Comparison.from_dict(content)


def words(comparison: Comparison, about: str) -> str:
    return " ".join(" ".join(found.sentences) for found in comparison.conclusions if found.about == about)


def plain(values: dict[str, list[float]], regime: str = "batchnorm", **design: Any) -> Comparison:
    """A comparison of one regime with these accuracies; the first arm is the reference."""
    seeds = list(range(max(map(len, values.values()))))
    asked: dict[str, Any] = {"data": "digits", "arms": list(values), "regimes": [regime]}
    cells = [
        {"arm": arm, "regime": regime, "seed": seed, "test_accuracy": value}
        for arm, found in values.items()
        for seed, value in enumerate(found)
    ]
    asked |= {"reference": next(iter(values)), "seeds": seeds, "classes": ["a", "b"], **design}
    return Comparison.from_dict({"schema": 1, "design": asked, "chosen": [], "cells": cells})


def test_a_table_of_80_columns(comparison: Comparison) -> None:
    text = str(comparison)
    assert max(map(len, text.splitlines())) <= 80
    for regime in ("drop-in", "calibrated", "batchnorm"):
        assert f"{regime}: test accuracy on digits, mean of 10 seeds" in text
    assert repr(comparison) == text


def test_the_best_arm_stands_on_top(comparison: Comparison) -> None:
    for regime in comparison.regimes:
        means = [standing.mean for standing in comparison.ranked(regime)]
        assert means == sorted(means, reverse=True)


def test_in_a_notebook_without_script(comparison: Comparison) -> None:
    page = comparison._repr_html_()
    assert page.count("<table>") == 3
    assert "<script" not in page
    assert "loses" in page
    hostile = plain({"sum": [0.5, 0.6], "<b>": [0.5, 0.6]})._repr_html_()
    assert "<b>" not in hostile
    assert "&lt;b&gt;" in hostile


def test_to_dict_and_back(content: dict[str, Any], comparison: Comparison) -> None:
    saved = json.loads(json.dumps(comparison.to_dict(), allow_nan=False))
    again = Comparison.from_dict(saved)
    assert again.content == content
    assert str(again) == str(comparison)
    assert {each["arm"] for each in saved["statistics"]["batchnorm"]} == set(ARMS) - {"sum"}
    assert saved["conclusions"][0]["about"] == "drop-in"


def test_read_from_a_folder_or_file(tmp_path: Path, content: dict[str, Any]) -> None:
    (tmp_path / RESULTS).write_text(json.dumps(content), encoding="utf-8")
    assert str(Comparison.read(tmp_path)) == str(Comparison.read(tmp_path / RESULTS))
    with pytest.raises(ExperimentError, match="cannot be read"):
        Comparison.read(tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("change", "message"),
    [({"schema": 2}, "no results"), ({"cells": None}, "no cells"), ({"design": {"arms": []}}, "no data")],
)
def test_what_is_no_comparison(content: dict[str, Any], change: dict[str, Any], message: str) -> None:
    broken = {key: value for key, value in (content | change).items() if value is not None}
    with pytest.raises(ExperimentError, match=message):
        Comparison.from_dict(broken)


def test_a_loss_in_words() -> None:
    comparison = plain({"sum": [0.95, 0.96, 0.97], "max": [0.91, 0.93, 0.93]})
    difference = comparison.difference("max", "batchnorm")
    assert difference is not None
    assert difference.certain
    low, high = sorted((abs(difference.low or 0), abs(difference.high or 0)))
    assert words(comparison, "batchnorm") == (
        "Under BatchNorm max loses 3.7 points of test accuracy to the sum "
        f"(95 % interval {points(low)} to {points(high)})."
    )


def test_a_gain_in_words() -> None:
    assert "max gains 3.7 points of test accuracy on the sum" in words(
        plain({"sum": [0.91, 0.93, 0.93], "max": [0.95, 0.96, 0.97]}), "batchnorm"
    )


def test_no_difference_in_words() -> None:
    """Mean +0.33 points, sd 0.577, n 3: t = 4.3027 gives 0.33 ± 1.43, so nothing beyond 1.8 points."""
    comparison = plain({"sum": [0.95, 0.96, 0.97], "max": [0.96, 0.96, 0.97]}, "calibrated")
    assert words(comparison, "calibrated") == (
        "With calibrated first weights no difference to the sum is certain; "
        "the intervals exclude more than 1.8 points for max."
    )


def test_some_differences_in_words() -> None:
    arms = {"sum": [0.95, 0.96, 0.97], "max": [0.91, 0.93, 0.93], "mean": [0.96, 0.96, 0.97]}
    said = words(plain(arms), "batchnorm")
    assert "max loses" in said
    assert "no other difference to the sum is certain; the intervals exclude more than" in said
    assert "points for mean." in said


def test_exactly_equal_in_words() -> None:
    comparison = plain({"sum": [0.95, 0.96, 0.97], "mean": [0.95, 0.96, 0.97]})
    assert "mean and the sum reached exactly the same test accuracy with each of 3 seeds" in words(
        comparison, "batchnorm"
    )


def test_words_follow_the_intervals_alone(comparison: Comparison) -> None:
    for regime in comparison.regimes:
        said = words(comparison, regime)
        for each in comparison.statistics[regime].differences:
            assert (f"{each.arm} loses" in said) == (each.high is not None and each.high < 0)
            assert (f"{each.arm} gains" in said) == (each.low is not None and each.low > 0)


def test_scale_is_the_difference_of_differences(comparison: Comparison) -> None:
    effects = {each.arm: each for each in scale_effects(comparison.statistics)}
    before, after = comparison.difference("mean", "drop-in"), comparison.difference("mean", "calibrated")
    assert before is not None
    assert after is not None
    assert effects["mean"].values == pytest.approx(
        [late - early for late, early in zip(after.values, before.values, strict=True)]
    )
    assert effects["mean"].certain
    assert f"moves mean by {signed(effects['mean'].mean)} points" in words(comparison, "scale")
    assert scale_effects({"drop-in": comparison.statistics["drop-in"]}) == ()


def test_failures_are_counted_and_told(comparison: Comparison) -> None:
    standing = comparison.statistics["drop-in"].standing("min")
    assert standing.failed == (0,)
    assert standing.worst == (0, 0.1)
    assert "min loses" in (said := words(comparison, "drop-in"))
    assert "with 1 of 10 trainings failed" in said
    assert "Failed trainings count" in words(comparison, "caveats")


def test_a_training_without_a_number_counts_as_chance(content: dict[str, Any]) -> None:
    cells = [{**cell, "test_accuracy": None} for cell in content["cells"]]
    standing = Comparison.from_dict(content | {"cells": cells}).statistics["drop-in"].standing("min")
    assert set(standing.accuracies.values()) == {0.1}


def test_caveats(comparison: Comparison) -> None:
    said = words(comparison, "caveats")
    assert "One data set (digits), one network (default network of 16,698 parameters)" in said
    assert "edge of the grid for max (drop-in)" in said
    assert "few" not in said
    assert "5 seeds are few" in words(Comparison.from_dict(results()), "caveats")


def test_where_no_rate_trained_it_is_said_once_with_what_was_tried(content: dict[str, Any]) -> None:
    lost = {("max", "drop-in"), ("mean", "calibrated")}
    chosen = [
        one | {"trains": (one["arm"], one["regime"]) not in lost, "at_edge": False}
        for one in content["chosen"]
    ]
    said = words(Comparison.from_dict(content | {"chosen": chosen}), "caveats")
    assert (
        "In the search no learning rate from 0.005 to 0.5 trained max (drop-in) and mean (calibrated): "
        "the one that was taken may be an accident." in said
    )
    assert "edge of the grid" not in said
    said = words(Comparison.from_dict(content | {"chosen": chosen, "search": []}), "caveats")
    assert "no learning rate trained max (drop-in)" in said
    one_rate = [entry for entry in content["search"] if entry["learning_rate"] == 0.05]
    said = words(Comparison.from_dict(content | {"chosen": chosen, "search": one_rate}), "caveats")
    assert "no learning rate (only 0.05 was tried) trained max (drop-in)" in said
    assert "no learning rate" not in words(Comparison.from_dict(content), "caveats")


def test_the_signed_rank_test_is_heard() -> None:
    """Three seeds suffice Student, and never the signed ranks; of six, all must lie on one side."""
    said = words(plain({"sum": [0.95, 0.96, 0.97], "max": [0.91, 0.93, 0.93]}), "caveats")
    assert "With 3 seeds the signed-rank test" in said
    assert "confirm max" not in said
    six = [0.90, 0.89, 0.90, 0.89, 0.90, 0.951]
    said = words(plain({"sum": [0.95] * 6, "max": six}), "caveats")
    assert "does not confirm max (batchnorm)" in said


def test_seeds_that_differ_too_much() -> None:
    """No difference of accuracies is larger than 100 points, and a bound of 100 points says nothing."""
    comparison = plain({"sum": [0.1, 0.95, 0.1], "max": [0.95, 0.1, 0.1]})
    difference = comparison.difference("max", "batchnorm")
    assert difference is not None
    assert (difference.low, difference.high) == (-1.0, 1.0)
    assert (
        words(comparison, "batchnorm")
        == "Under BatchNorm the seeds differ too much to say anything about max."
    )


def test_arms_that_never_train(content: dict[str, Any]) -> None:
    cells = [cell | ({"failed": True} if cell["arm"] == "min" else {}) for cell in content["cells"]]
    said = words(Comparison.from_dict(content | {"cells": cells}), "batchnorm")
    assert "Under BatchNorm min failed to train with every seed." in said
    assert "min loses" not in said


def test_a_comparison_under_way(content: dict[str, Any]) -> None:
    cells = [cell for cell in content["cells"] if (cell["arm"], cell["seed"] > 3) != ("max", True)]
    cells = [cell for cell in cells if (cell["arm"], cell["regime"]) != ("mean", "batchnorm")]
    half = Comparison.from_dict(content | {"cells": cells})
    assert not half.complete
    assert ("max", "drop-in", 4) in half.unfinished
    assert ("mean", "batchnorm", 0) in half.unfinished
    assert "max*" in str(half)
    assert "* fewer than 10 seeds are finished" in str(half)
    assert "not finished" in words(half, "caveats")
    assert "too few seeds are finished to say anything about mean" in words(half, "batchnorm")
    assert half.difference("max", "drop-in").seeds == (0, 1, 2, 3)  # type: ignore[union-attr]
    nothing = Comparison.from_dict(content | {"cells": [], "chosen": []})
    assert "sum*" in str(nothing)
    assert nothing.forest().rows == ()


def test_a_picture(comparison: Comparison) -> None:
    pytest.importorskip("matplotlib")
    axes = comparison.plot("batchnorm")
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == [each.arm for each in comparison.ranked("batchnorm") if each.arm != "sum"]
    assert "max -" in str(comparison.forest("batchnorm"))
    with pytest.raises(ArgumentError, match="no regime"):
        comparison.plot("batchnrm")


def test_chosen(comparison: Comparison) -> None:
    found = comparison.chosen("max", "drop-in")
    assert found is not None
    assert found["at_edge"]
    assert comparison.chosen("max", "elsewhere") is None


def test_small_words() -> None:
    assert listed(["a"]) == "a"
    assert (points(0.5), points(0.0), points(0.0094), signed(-0.5)) == ("50.0", "0.0", "0.94", "-50.0")
    assert Statement("caveats", ()).sentences == ()
