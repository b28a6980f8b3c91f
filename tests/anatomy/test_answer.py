"""How scores become shares, and scores sums over maps: against float64 by hand."""

from __future__ import annotations

import json

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convitro.anatomy import Answer, answer
from convitro.errors import ArgumentError, UnsupportedError

CONVOLUTION = (3, 6, 3)


def net(*head: nn.Module) -> nn.Sequential:
    """A convolution with ReLU, 6 maps of 4x5, and then `head`."""
    torch.manual_seed(5)
    return nn.Sequential(nn.Conv2d(*CONVOLUTION), nn.ReLU(), *head).eval()


def picture(count: int = 1) -> Tensor:
    return torch.randn(count, 3, 6, 7, generator=torch.Generator().manual_seed(1))


def parameter(model: nn.Module, name: str) -> Tensor:
    return model.get_parameter(name).detach()


def in_float64(model: nn.Sequential, input: Tensor) -> Tensor:
    """The maps after the ReLU, (C, H, W)."""
    weight, bias = parameter(model, "0.weight").double(), parameter(model, "0.bias").double()
    return F.relu(F.conv2d(input.double(), weight, bias))[0].detach()


def check_scores(found: Answer, model: nn.Sequential, input: Tensor) -> None:
    """Shares are the softmax of the scores; parts and bias add up to each score."""
    with torch.no_grad():
        scores = model(input)[0].double()
    torch.testing.assert_close(found.scores, scores)
    torch.testing.assert_close(found.shares, torch.softmax(scores, 0))
    assert found.powers is not None
    torch.testing.assert_close(found.powers, (scores - scores.max()).exp())
    for index in range(len(scores)):
        total = float(found.contributions(index).sum()) + found.bias(index)
        assert total == pytest.approx(float(scores[index]), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("bias", [True, False])
def test_flattened_maps(bias: bool) -> None:
    model, input = net(nn.Flatten(), nn.Linear(120, 7, bias=bias)), picture()
    found = answer(model, input)
    assert (found.unit, found.ending, found.reason) == ("map", "scores", "")
    check_scores(found, model, input)
    parts = parameter(model, "3.weight")[2].double().reshape(6, 4, 5) * in_float64(model, input)
    torch.testing.assert_close(found.contributions(2), parts.sum((1, 2)).detach(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.places(2), parts.sum(0).detach(), rtol=1e-5, atol=1e-6)


class ChannelsLast(nn.Module):
    def forward(self, input: Tensor) -> Tensor:
        return input.permute(0, 2, 3, 1).flatten(1)


def test_maps_flattened_with_their_channels_last() -> None:
    model, input = net(ChannelsLast(), nn.Linear(120, 7)), picture()
    found = answer(model, input)
    assert found.linear is not None
    assert found.linear.maps is not None
    assert found.linear.maps.how == "flattened, channels last"
    check_scores(found, model, input)
    parts = parameter(model, "3.weight")[2].double().reshape(4, 5, 6).permute(2, 0, 1) * in_float64(
        model, input
    )
    torch.testing.assert_close(found.contributions(2), parts.sum((1, 2)).detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dropout", [(), (nn.Dropout(),)], ids=["plain", "dropout"])
def test_averaged_maps(dropout: tuple[nn.Module, ...]) -> None:
    model, input = net(nn.AdaptiveAvgPool2d(1), nn.Flatten(), *dropout, nn.Linear(6, 7)), picture()
    found = answer(model, input)
    check_scores(found, model, input)
    maps, weight = in_float64(model, input), parameter(model, f"{len(model) - 1}.weight")[3].double()
    torch.testing.assert_close(
        found.contributions(3), (weight * maps.mean((1, 2))).detach(), rtol=1e-5, atol=1e-6
    )
    activation_map = torch.einsum("c,chw->hw", weight, maps).detach() / 20
    torch.testing.assert_close(found.places(3), activation_map, rtol=1e-5, atol=1e-6)


def test_the_largest_value_of_each_map() -> None:
    model, input = net(nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(6, 7)), picture()
    found = answer(model, input)
    check_scores(found, model, input)
    assert found.unit == "map"
    assert found.places(0) is None
    torch.testing.assert_close(found.features, in_float64(model, input).amax((1, 2)))


def test_two_linear_layers_have_features_of_their_own() -> None:
    model, input = net(nn.Flatten(), nn.Linear(120, 9), nn.ReLU(), nn.Linear(9, 7)), picture()
    found = answer(model, input)
    assert found.unit == "feature"
    assert found.reason.startswith("The inputs of 5, the last linear layer, are features of their own")
    assert found.reason in " ".join(str(found).split())
    check_scores(found, model, input)
    assert found.places(0) is None
    hidden = F.relu(model[3](model[:3](input)))[0].double()
    torch.testing.assert_close(
        found.contributions(4), (parameter(model, "5.weight")[4].double() * hidden).detach()
    )


def test_no_linear_layer_at_all() -> None:
    model = net(nn.Conv2d(6, 7, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    found = answer(model, picture())
    assert (found.unit, found.linear) == ("", None)
    assert found.reason.startswith("No linear layer makes the scores")
    torch.testing.assert_close(found.shares, model(picture())[0].detach().double().softmax(0))
    with pytest.raises(ArgumentError, match="cannot be taken apart"):
        found.contributions(0)


class Doubled(nn.Module):
    def forward(self, input: Tensor) -> Tensor:
        return input * 2


def test_something_after_the_linear_layer() -> None:
    found = answer(net(nn.Flatten(), nn.Linear(120, 7), Doubled()), picture())
    assert found.linear is None
    assert found.reason.startswith("After the last linear layer, 3, something else is computed")


def test_a_softmax_inside_is_not_applied_again() -> None:
    model, input = net(nn.Flatten(), nn.Linear(120, 7), nn.Softmax(1)), picture()
    found = answer(model, input)
    assert found.ending == "softmax"
    torch.testing.assert_close(found.shares, model(input)[0].detach().double())
    torch.testing.assert_close(found.scores, model[:4](input)[0].detach().double())
    assert "shares already" in str(found)


def test_shares_of_which_nobody_knows_the_scores() -> None:
    model = net(nn.Conv2d(6, 7, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Softmax(1))
    found = answer(model, picture())
    assert (found.ending, found.scores, found.powers) == ("softmax", None, None)
    torch.testing.assert_close(found.shares, model(picture())[0].detach().double())
    assert "e^(score" not in str(found)


def test_a_log_softmax_inside() -> None:
    model, input = net(nn.Flatten(), nn.Linear(120, 7), nn.LogSoftmax(1)), picture()
    found = answer(model, input)
    assert found.ending == "log_softmax"
    torch.testing.assert_close(found.scores, model[:4](input)[0].detach().double())
    torch.testing.assert_close(found.shares, model(input)[0].detach().double().exp())


@pytest.mark.parametrize("classes", [1, 4])
def test_a_sigmoid_inside(classes: int) -> None:
    model, input = net(nn.Flatten(), nn.Linear(120, classes), nn.Sigmoid()), picture()
    found = answer(model, input)
    assert (found.ending, found.powers) == ("sigmoid", None)
    torch.testing.assert_close(found.shares, model(input)[0].detach().double())
    total = float(found.contributions(0).sum()) + found.bias(0)
    assert found.scores is not None
    assert total == pytest.approx(float(found.scores[0]), rel=1e-5)


def test_one_score() -> None:
    model, input = net(nn.Flatten(), nn.Linear(120, 1)), picture()
    found = answer(model, input)
    assert found.ending == "one"
    torch.testing.assert_close(found.shares, model(input)[0].detach().double().sigmoid())


class ProductThenSum(nn.Module):
    """A linear layer as some frameworks compute it: a product, then the bias."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(120, 7)), nn.Parameter(torch.randn(7))

    def forward(self, input: Tensor) -> Tensor:
        return input @ self.weight + self.bias


def test_a_bias_that_is_added_in_a_step_of_its_own() -> None:
    model, input = net(nn.Flatten(), ProductThenSum()), picture()
    found = answer(model, input)
    assert found.unit == "map"
    check_scores(found, model, input)
    assert found.bias(3) == pytest.approx(float(parameter(model, "3.bias")[3]))


def test_any_image_of_a_batch_and_the_model_stays_as_it_was() -> None:
    model, input = net(nn.Flatten(), nn.Linear(120, 7)), picture(3)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    check_scores(answer(model, input, image=2), model, input[2:])
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    with pytest.raises(ArgumentError, match="no such image"):
        answer(model, input, image=3)


def test_why_this_class_and_not_that_one() -> None:
    model, input = net(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)), picture()
    found = answer(model, input, classes=("cat", "dog", "bird"))
    table = found.why(0, against=1, strongest=2)
    assert table.title == "Sequential: cat and not dog"
    assert found.scores is not None
    added = [float(cell) for _, cell in table.rows]
    assert added[-1] == pytest.approx(float(found.scores[0] - found.scores[1]), rel=1e-4)
    assert sum(added[:-1]) == pytest.approx(added[-1], rel=1e-4, abs=1e-5)
    with pytest.raises(ArgumentError, match="no such class"):
        found.why(3)


def test_as_json_and_as_a_page() -> None:
    found = answer(net(nn.Flatten(), nn.Linear(120, 3)), picture(), classes=("<cat>", "dog", "bird"))
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["classes"] == ["<cat>", "dog", "bird"]
    assert sum(told["shares"]) == pytest.approx(1)
    assert "&lt;cat&gt;" in found._repr_html_()
    assert repr(found) == str(found)


@pytest.mark.parametrize("head", [(), (nn.Flatten(0),)], ids=["maps", "no batch"])
def test_no_scores_for_classes(head: tuple[nn.Module, ...]) -> None:
    with pytest.raises(UnsupportedError, match="no scores for classes"):
        answer(net(*head), picture())
