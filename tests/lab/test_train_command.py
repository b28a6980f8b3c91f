"""`convitro train`: its table, its folder, its help, and one plain message for what it refuses."""

import json
from functools import partial

import pytest

from tests.command_line import invoke

pytestmark = pytest.mark.usefixtures("workplace")
train = partial(invoke, "train")
QUICK = ("--images", "200", "--epochs", "2")


def test_a_training_and_its_resumption() -> None:
    code, out, err = train(*QUICK, "-o", "run", "--aggregation", "mean")
    assert (code, err) == (0, "")
    assert out.startswith("default network on digits: aggregation mean, seed 0, 16,698 parameters\n")
    assert out.endswith("Written to run.\n")
    assert max(map(len, out.splitlines())) <= 80
    again = train(*QUICK, "-o", "run", "--aggregation", "mean", "--resume")
    assert again == (0, out, "")
    code, out, err = train(*QUICK, "-o", "run", "--aggregation", "mean")
    assert (code, out) == (2, "")
    assert err.startswith('ExperimentError: train: the folder "run" holds a training already.')


def test_json() -> None:
    code, out, _ = train(*QUICK, "--json", "--seed", "3", "--no-calibrate", "--optimizer", "adamw")
    result = json.loads(out)
    assert code == 0
    assert result["recipe"]["seed"] == 3
    assert result["recipe"]["calibrate"] is False
    assert len(result["epochs"]) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--data", "nowhere"), 'LoadError: open_dataset: there is no "nowhere".'),
        (("--aggregation", "maen"), "ArgumentError: unknown aggregation."),
        (("--devices", "two"), "ArgumentError: --devices: not a number."),
        (("--resume",), "ArgumentError: train: nowhere to write."),
        (("--epochs", "0"), "ArgumentError: train: `epochs` is not a whole number"),
        (("convitro.models:nothing",), "LoadError"),
        (("convitro.models:small_vgg",), "ShapeError: train: the network does not run on pictures of 1x8x8."),
        (("--accelerator", "tpu"), "ArgumentError: train: this machine cannot run it so."),
    ],
)
def test_what_it_refuses(arguments: tuple[str, ...], message: str) -> None:
    code, out, err = train(*QUICK, *arguments)
    assert (code, out) == (2, "")
    assert message in err


def test_help() -> None:
    code, out, _ = train("--help")
    assert code == 0
    assert "torchrun --nproc-per-node 2 -m convitro train" in out
    assert max(map(len, out.splitlines())) <= 80
