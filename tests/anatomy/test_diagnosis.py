"""`diagnose` on networks whose state is known: healthy ones, real ones with known faults, planted faults."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convitro import diagnose
from convitro.anatomy import Diagnosis
from convitro.errors import ArgumentError
from convitro.models import small_vgg
from convitro.pictures import bundled, load_picture, to_input


@pytest.fixture(scope="module")
def photographs() -> Tensor:
    """Pieces of the bundled photographs, 32x32: 60 images."""
    generator = torch.Generator().manual_seed(0)
    pieces = []
    for name in bundled():
        picture = to_input(load_picture(name), (3, 96, 96))[0]
        for _ in range(4):
            y, x = torch.randint(0, 64, (2,), generator=generator).tolist()
            pieces.append(picture[:, y : y + 32, x : x + 32])
    return torch.stack(pieces)


def conv(model: nn.Module, name: str) -> nn.Conv2d:
    layer = model.get_submodule(name)
    assert isinstance(layer, nn.Conv2d)
    return layer


def places(found: tuple[Any, ...]) -> list[tuple[str, int | None]]:
    return [(finding.layer, finding.filter) for finding in found]


def test_the_embedded_network_is_healthy(photographs: Tensor) -> None:
    diagnosis = diagnose(small_vgg(), photographs)
    assert (diagnosis.findings, diagnosis.notes, diagnosis.images) == ((), (), 60)
    assert [state.name for state in diagnosis.layers][:2] == ["conv1_1", "conv1_2"]


def test_a_filter_that_its_bias_kills_is_dead(photographs: Tensor) -> None:
    model = small_vgg()
    nn.init.constant_(conv(model, "conv2_1").bias[5], -100)  # type: ignore[index]
    diagnosis = diagnose(model, photographs)
    assert places(diagnosis.findings) == places(diagnosis.dead) == [("conv2_1", 5)]
    found = diagnosis.dead[0]
    assert (found.kind, found.value) == ("dead", 0)
    assert "At none of 15,360 pixels of 60 images" in found.evidence
    assert "its bias of -100" in found.evidence


@pytest.mark.parametrize(("images", "dead"), [(4, 0), (8, 1)])
def test_few_images_show_death_only_far_below_zero(photographs: Tensor, images: int, dead: int) -> None:
    model = small_vgg()
    nn.init.constant_(conv(model, "conv2_1").bias[5], -100)  # type: ignore[index]
    diagnosis = diagnose(model, photographs[:images])
    assert len(diagnosis.dead) == dead
    assert any("59 can" in note for note in diagnosis.notes) is not bool(dead)


def test_negative_weights_are_named_as_the_cause(photographs: Tensor) -> None:
    model = small_vgg()
    with torch.no_grad():
        conv(model, "conv2_1").weight[3].abs_().neg_()
        conv(model, "conv2_1").bias[3] = 0  # type: ignore[index]
        conv(model, "conv3_1").weight[8] = 0
        conv(model, "conv3_1").bias[8] = -1  # type: ignore[index]
    weights, nothing = diagnose(model, photographs).dead
    assert "The cause is its weights" in weights.evidence
    assert "as good as zero" in nothing.evidence


def test_a_filter_of_white_noise_is_noisy(photographs: Tensor) -> None:
    model = small_vgg()
    with torch.no_grad():
        weight = conv(model, "conv2_2").weight
        weight[7] = torch.randn_like(weight[7]) * weight[7].std()
    diagnosis = diagnose(model, photographs)
    assert places(diagnosis.findings) == places(diagnosis.noisy) == [("conv2_2", 7)]


def test_copies_are_redundant_whatever_their_size_and_opposites_are_not(photographs: Tensor) -> None:
    model = small_vgg()
    with torch.no_grad():
        layer = conv(model, "conv2_2")
        assert layer.bias is not None
        for index, factor in ((9, 1.0), (20, 0.5), (31, -1.0)):
            layer.weight[index], layer.bias[index] = factor * layer.weight[4], factor * layer.bias[4]
    diagnosis = diagnose(model, photographs)
    assert places(diagnosis.findings) == places(diagnosis.redundant) == [("conv2_2", 9), ("conv2_2", 20)]
    assert [found.partner for found in diagnosis.redundant] == [4, 4]
    assert "0.5 times as large" in diagnosis.redundant[1].evidence
    assert diagnosis.redundant[0].value == pytest.approx(1)


def test_maps_that_are_alike_are_redundant_though_the_weights_differ(photographs: Tensor) -> None:
    model = nn.Sequential(nn.Conv2d(6, 2, 3), nn.ReLU())
    with torch.no_grad():
        layer = conv(model, "0")
        assert layer.bias is not None
        layer.weight[1] = layer.weight[0].roll(3, 0)  # channels are given twice, so the maps are equal
        layer.bias[1] = layer.bias[0]
    found = diagnose(model, photographs.repeat(1, 2, 1, 1)).redundant
    assert places(found) == [("0", 1)]
    assert found[0].measure == "correlation of the maps"
    assert found[0].value == pytest.approx(1)


def test_an_untrained_network_shows_it(photographs: Tensor) -> None:
    diagnosis = diagnose(small_vgg(pretrained=False), photographs)
    untrained = diagnosis.of("untrained")
    assert [found.layer for found in untrained] == ["conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2"]
    assert diagnosis.noisy == ()


def test_cancelling_channels_are_found(photographs: Tensor) -> None:
    model = nn.Sequential(nn.Conv2d(12, 4, 3), nn.ReLU())
    with torch.no_grad():
        layer = conv(model, "0")
        layer.weight[2, 6:] = -0.9 * layer.weight[2, :6]  # channels come four times, so these undo it
        nn.init.ones_(layer.bias[2])  # type: ignore[index]
    found = diagnose(model, photographs.repeat(1, 4, 1, 1)).cancelled
    assert places(found) == [("0", 2)]
    assert found[0].value > found[0].threshold > 0.8


@pytest.mark.parametrize(
    ("activation", "end"), [(nn.Tanh(), "-1 or 1"), (nn.Sigmoid(), "0 or 1"), (nn.ReLU6(), "6")]
)
def test_saturated_activations_are_found(photographs: Tensor, activation: nn.Module, end: str) -> None:
    model = nn.Sequential(nn.Conv2d(3, 6, 3), activation)
    nn.init.constant_(model[0].bias[1], 20)  # type: ignore[index]
    found = diagnose(model, photographs).saturated
    assert places(found) == [("0", 1)]
    assert found[0].value == 1
    assert f"lie at {end};" in found[0].evidence


@pytest.mark.parametrize(
    ("factor", "kind"), [(1e-4, "vanishing"), (1e5, "exploding"), (torch.nan, "not finite")]
)
def test_values_out_of_range_are_found_where_they_begin(
    photographs: Tensor, factor: float, kind: str
) -> None:
    model = small_vgg()
    with torch.no_grad():
        conv(model, "conv2_1").weight.mul_(factor)
        conv(model, "conv2_1").bias.mul_(factor)  # type: ignore[union-attr]
    found = diagnose(model, photographs).of("vanishing", "exploding", "not finite")
    assert [(finding.kind, finding.layer) for finding in found] == [(kind, "conv2_1")]


def test_a_filter_that_drowns_the_others_is_outsized(photographs: Tensor) -> None:
    model = small_vgg()
    with torch.no_grad():
        conv(model, "conv2_1").weight[5].mul_(100)
    assert ("conv2_1", 5) in places(diagnose(model, photographs).of("outsized"))


class Labelled(nn.Module):
    """Answers what the first two pixels of an image say: right where the first one tells so."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 1)

    def forward(self, input: Tensor) -> Tensor:
        self.conv(input)
        return 9 * F.one_hot(input[:, 0, 0, 0].long(), 4).float()


def answered(right: int, of: int, classes: int = 4) -> tuple[Tensor, Tensor]:
    """Labelled images of which `Labelled` knows so many."""
    labels = torch.arange(of) % classes
    said = torch.where(torch.arange(of) < right, labels, (labels + 1) % classes)
    return said.float().reshape(-1, 1, 1, 1).expand(-1, 1, 4, 4).contiguous(), labels


@pytest.mark.parametrize(
    ("data", "held_out", "kinds"),
    [
        ((990, 1000), (800, 1000), ["over-fitting"]),
        ((990, 1000), (950, 1000), []),
        ((990, 1000), (90, 110), ["over-fitting"]),
        ((990, 1000), (60, 70), []),
        ((300, 1000), (290, 1000), ["under-fitting"]),
        ((50, 90), (50, 90), []),
    ],
)
def test_fit_is_judged_by_labels(data: tuple[int, int], held_out: tuple[int, int], kinds: list[str]) -> None:
    diagnosis = diagnose(Labelled(), answered(*data), held_out=answered(*held_out))
    assert [found.kind for found in diagnosis.fit] == kinds
    assert diagnosis.accuracy == data[0] / data[1]
    assert diagnosis.held_out_accuracy == held_out[0] / held_out[1]


def test_labels_that_are_no_classes_are_left_alone() -> None:
    images, _ = answered(10, 120)
    for labels in (torch.rand(120), torch.full((120,), 7), torch.zeros(120, 3, dtype=torch.long)):
        diagnosis = diagnose(Labelled(), (images, labels), held_out=(images, labels))
        assert (diagnosis.accuracy, diagnosis.fit) == (None, ())
        assert "nothing was compared" in diagnosis.notes[-1]


def numbers(diagnosis: Diagnosis) -> list[float]:
    return [
        value for state in diagnosis.layers for value in vars(state).values() if isinstance(value, float)
    ] + [found.value for found in diagnosis.findings]


def test_nothing_depends_on_how_the_data_are_cut(photographs: Tensor) -> None:
    model = small_vgg(pretrained=False)
    whole = diagnose(model, photographs, batch_size=60)
    for size in (1, 7, 32):
        other = diagnose(model, photographs, batch_size=size)
        assert places(other.findings) == places(whole.findings)
        torch.testing.assert_close(
            torch.tensor(numbers(other)), torch.tensor(numbers(whole)), rtol=1e-4, atol=1e-6
        )
    assert diagnose(model, photographs, batch_size=60).to_dict() == whole.to_dict()


def test_the_model_is_unchanged_and_run_in_evaluation_mode(photographs: Tensor) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5))
    model.train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    diagnose(model, photographs, held_out=photographs)
    assert all(module.training for module in model.modules())
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)


def test_one_batch_is_in_memory_at_a_time() -> None:
    seen: list[weakref.ref[Tensor]] = []

    def stream() -> Iterator[Tensor]:
        for _ in range(6):
            gc.collect()
            assert sum(reference() is not None for reference in seen) <= 1
            batch = torch.rand(4, 3, 8, 8)
            seen.append(weakref.ref(batch))
            yield batch
            del batch

    diagnosis = diagnose(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), stream())
    assert diagnosis.images == 24


def test_no_data_and_no_model_are_refused() -> None:
    with pytest.raises(ArgumentError, match="holds no image"):
        diagnose(small_vgg(), torch.zeros(0, 3, 32, 32))
    with pytest.raises(ArgumentError, match=r"not a torch\.nn\.Module"):
        diagnose("weights.pt", torch.zeros(1, 3, 32, 32))  # type: ignore[arg-type]


def test_a_model_without_convolutions_has_nothing_to_judge() -> None:
    diagnosis = diagnose(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), torch.rand(3, 3, 2, 2))
    assert "nothing to judge" in diagnosis.notes[0]
    assert max(map(len, str(diagnosis).splitlines())) <= 80
