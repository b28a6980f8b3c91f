"""`convitro diagnose`: what it prints, its exit codes, the data that it takes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from convitro.models import CLASSES, small_vgg
from tests.command_line import invoke

OWN_NETWORKS = """
import torch
from torch import nn
def grey():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3))
    nn.init.constant_(model[0].bias[2], -100)
    return model
def four():
    return nn.Conv2d(4, 4, 3)
"""


FAINT = """
    with torch.no_grad():
        model[0].weight[3], model[0].bias[3] = 0.001 * model[0].weight[3].abs(), 0.1
    return model
"""


@pytest.fixture
def folder(workplace: Path) -> Iterator[Path]:
    """A working directory with networks of one's own, and pictures."""
    (workplace / "networks_of_diagnose_test.py").write_text(OWN_NETWORKS)
    images = np.random.default_rng(0).integers(0, 256, (70, 8, 8), dtype=np.uint8)
    np.savez(workplace / "grey.npz", x_train=images, y_train=np.arange(70) % 3, x_test=images[:9])
    yield workplace
    sys.modules.pop("networks_of_diagnose_test", None)


diagnose = partial(invoke, "diagnose")
GREY = ("networks_of_diagnose_test:grey", "--input", "1x8x8", "--data", "grey.npz")


def test_the_embedded_network_has_no_findings() -> None:
    code, out, err = diagnose("--images", "60", "--fail-on", "any>0")
    assert (code, err) == (0, "")
    assert out.startswith("small_vgg: no findings in 6 layers over 60 images\n")
    assert "data: details of photographs: 60 images" in out
    assert max(map(len, out.splitlines())) <= 80


def test_a_condition_that_holds_ends_with_1(folder: Path) -> None:
    code, out, err = diagnose(*GREY, "--fail-on", "dead>0", "--fail-on", "noisy > 0")
    assert code == 1
    assert "0: filter 2 is dead" in out
    assert err == "dead>0 holds: 1 found\n"


def test_a_group_that_holds_says_what_was_found(folder: Path) -> None:
    Path("faint.py").write_text(OWN_NETWORKS + "def faint():\n    model = grey()\n" + FAINT)
    code, _, err = diagnose("faint:faint", *GREY[1:], "--fail-on", "dead>0", "--fail-on", "almost-dead>0")
    assert code == 1
    assert err == "dead>0 holds: 2 found (1 dead, 1 almost dead)\nalmost dead>0 holds: 1 found\n"


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("dead==1", 1),
        ("dead>1", 0),
        ("dead >= 1", 1),
        ("dead<1", 0),
        ("dead!=1", 0),
        ("any>0", 1),
        ("almost-dead>0", 0),
        ("almost dead<=0", 1),
        ("fit>5", 0),
        ("spread==0", 1),
    ],
)
def test_conditions(folder: Path, condition: str, code: int) -> None:
    assert diagnose(*GREY, "--fail-on", condition)[0] == code


@pytest.mark.parametrize("condition", ["dead", "dead>", "dead>x", "dead=>1", ">1", "dead>-1", "dead>0.5"])
def test_what_is_no_condition_is_refused_before_anything_runs(condition: str) -> None:
    code, out, err = diagnose("no_such_network.pt", "--fail-on", condition)
    assert (code, out) == (2, "")
    assert "is no condition" in err


def test_an_unknown_kind_is_named_with_the_closest() -> None:
    code, _, err = diagnose("--fail-on", "deed>0")
    assert code == 2
    assert 'did you mean "dead"' in err


def test_json(folder: Path) -> None:
    code, out, _ = diagnose(*GREY, "--json", "--fail-on", "dead>0", "--fail-on", "noisy>0")
    read = json.loads(out)
    assert code == 1
    assert [(found["kind"], found["filter"]) for found in read["findings"] if found["layer"] == "0"] == [
        ("dead", 2)
    ]
    assert read["fail_on"] == [
        {"condition": "dead>0", "holds": True},
        {"condition": "noisy>0", "holds": False},
    ]
    assert read["data"] == "grey, train: 70 images of 3 classes"


def test_held_out_images_are_the_test_part(folder: Path) -> None:
    images = np.zeros((110, 8, 8), np.uint8)
    np.savez("parts.npz", x_train=images, y_train=np.zeros(110, int), x_test=images, y_test=np.ones(110, int))
    with torch.no_grad():
        from convitro.sources import load

        answer = int(load(GREY[0])(torch.zeros(1, 1, 8, 8)).argmax())
    code, out, _ = diagnose(*GREY[:4], "parts.npz", "--held-out", "parts.npz", "--images", "500")
    assert code == 0
    right = {0: "accuracy: 100.0%, 0.0% on held-out", 1: "accuracy: 0.0%, 100.0% on held-out"}
    assert right.get(answer, "accuracy: 0.0%, 0.0% on held-out") in out
    assert ("over-fitting" in out) is (answer == 0)


def test_the_classes_of_a_folder_are_counted_as_the_network_counts_them(tmp_path: Path) -> None:
    from PIL import Image

    from convitro.pictures import load_picture

    for name in ("cat", "bird"):
        (tmp_path / name).mkdir()
    for number in range(3):
        load_picture("cat").rotate(5 * number).save(tmp_path / "cat" / f"{number}.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "bird" / "black.png")
    code, out, err = diagnose("--data", str(tmp_path))
    assert (code, err) == (0, "")
    scores = small_vgg()(torch.stack([_pixels(path) for path in sorted(tmp_path.glob("*/*.png"))]))
    right = [CLASSES[index] for index in scores.argmax(1).tolist()]
    hits = sum(one == other for one, other in zip(right, ["bird", "cat", "cat", "cat"], strict=True))
    assert f"accuracy: {hits / 4:.1%}" in out
    (tmp_path / "cat").rename(tmp_path / "kitten")
    code, _, err = diagnose("--data", str(tmp_path))
    assert code == 2
    assert "are not those of the network" in err


def _pixels(path: Path) -> torch.Tensor:
    from convitro.pictures import load_picture, to_input

    return to_input(load_picture(path), (3, 32, 32))[0]


def test_normalisation_reaches_the_network(folder: Path) -> None:
    shifted = json.loads(diagnose(*GREY, "--json", "--mean", "0.5", "--std", "0.25")[1])
    plain = json.loads(diagnose(*GREY, "--json")[1])
    assert shifted["layers"][0]["deviation"] > 2 * plain["layers"][0]["deviation"]


def test_what_cannot_be_looked_at_is_refused(folder: Path) -> None:
    for arguments, words in (
        (("networks_of_diagnose_test:four", "--input", "4x8x8"), "no images of 4 channels"),
        ((*GREY[:3], "--data", "nothing"), 'there is no "nothing"'),
        ((*GREY, "--held-out", "nothing"), 'there is no "nothing"'),
    ):
        code, out, err = diagnose(*arguments)
        assert (code, out) == (2, "")
        assert words in err


def test_weights_in_a_file(folder: Path) -> None:
    model = small_vgg()
    torch.nn.init.constant_(model.get_parameter("conv3_1.bias")[1], -1000)
    save_file(model.state_dict(), folder / "ill.safetensors")
    model_arguments = ("ill.safetensors", "--arch", "convitro.models:small_vgg", "--input", "3x32x32")
    code, out, _ = diagnose(*model_arguments, "--fail-on", "dead>0")
    assert code == 1
    assert out.startswith("ill: ")
