"""Which convolutions are found, under which names, and with which input, weight and geometry."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.testing import assert_close

import convitro
from convitro.anatomy import dissect
from convitro.errors import ArgumentError, UnsupportedError


class Model(nn.Module):
    """A module whose forward is a function given to it; keyword arguments become attributes."""

    def __init__(self, forward: Any, **attributes: Any) -> None:
        super().__init__()
        self._forward = forward
        for name, value in attributes.items():
            setattr(self, name, value)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self._forward(self, *args, **kwargs)


def test_modules_are_known_by_their_dotted_names_in_execution_order() -> None:
    inner = nn.Sequential(nn.Conv2d(4, 4, 1), nn.Sequential(nn.ReLU(), nn.Conv2d(4, 2, 3)))
    model = Model(lambda self, x: self.last(self.first(x)), last=inner, first=nn.Conv2d(3, 4, 3))
    anatomy = dissect(model, torch.randn(1, 3, 8, 8))
    assert list(anatomy) == ["first", "last.0", "last.1.1"]
    assert len(anatomy) == 3
    assert "last.0" in anatomy
    assert "last.1" not in anatomy


def test_function_calls_are_known_by_the_module_around_them(functional_model: nn.Module) -> None:
    image = torch.randn(1, 3, 8, 8)
    model = nn.Sequential(functional_model)
    anatomy = dissect(model, image)
    assert list(anatomy) == ["0.conv2d", "0.conv2d#2"]
    assert list(dissect(functional_model, image)) == ["conv2d", "conv2d#2"]
    first, second = anatomy.values()
    assert (first.problem.padding, second.problem.stride) == ((1, 1, 1, 1), (2, 1))
    assert_close(second.activated, model(image))


def test_a_layer_that_runs_twice_is_listed_twice() -> None:
    model = Model(lambda self, x: self.conv(self.conv(x)), conv=nn.Conv2d(3, 3, 3, padding=1))
    anatomy = dissect(model, torch.randn(1, 3, 5, 5))
    assert list(anatomy) == ["conv", "conv#2"]
    assert_close(anatomy["conv#2"].input, anatomy["conv"].output)
    assert anatomy["conv"].weight is anatomy["conv#2"].weight  # one copy serves both


def test_a_convolution_as_the_whole_model_has_a_name_too() -> None:
    assert list(dissect(nn.Conv2d(3, 2, 1), torch.randn(1, 3, 4, 4))) == ["conv2d"]


def test_a_layer_in_a_plain_list_is_named_after_the_module_that_calls_it() -> None:
    model = nn.Sequential(Model(lambda self, x: self.hidden[0](x), hidden=[nn.Conv2d(3, 2, 1)]))
    assert list(dissect(model, torch.randn(1, 3, 4, 4))) == ["0.conv2d"]


@pytest.mark.parametrize("keywords", [{}, {"aggregation": "max"}, {"window": "mean", "combine": "subtract"}])
def test_our_own_layers_keep_their_operator(keywords: dict[str, Any]) -> None:
    layer = convitro.Conv2d(4, 6, 3, padding=1, groups=2, padding_mode="reflect", **keywords)
    image = torch.randn(2, 4, 6, 6)
    found = dissect(nn.Sequential(layer), image)["0"]
    assert (found.aggregation, found.window, found.combine) == (
        layer.aggregation,
        layer.window,
        layer.combine,
    )
    assert found.problem.padding_mode == "reflect"
    assert_close(found.input, image)
    assert_close(found.output, layer(image))


def test_blocks_and_functions_of_ours_are_followed_through_their_parts() -> None:
    block = convitro.ConvBlock(3, 4, 3, aggregation="max", activation="tanh")
    anatomy = dissect(nn.Sequential(block), torch.randn(1, 3, 8, 8))
    assert list(anatomy) == ["0.conv"]
    assert anatomy["0.conv"].activation == "tanh"
    assert_close(anatomy["0.conv"].pooled, anatomy.output)

    def forward(self: Any, x: Tensor) -> Any:
        return convitro.functional.conv_block(x, self.weight, aggregation="max")

    model = Model(forward, weight=nn.Parameter(torch.randn(2, 3, 3, 3)))
    anatomy = dissect(model, torch.randn(1, 3, 8, 8))
    assert_close(anatomy["conv2d"].pooled, anatomy.output)


@pytest.mark.parametrize("padding_mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("padding", ["same", "valid", 1, (2, 1)])
def test_a_layer_shows_its_own_input_not_the_padded_one(padding: Any, padding_mode: Any) -> None:
    conv = nn.Conv2d(2, 3, (3, 5), padding=padding, padding_mode=padding_mode)
    image = torch.randn(1, 2, 7, 6)
    anatomy = dissect(nn.Sequential(conv), image)
    layer = anatomy["0"]
    assert_close(layer.input, image, rtol=0, atol=0)
    assert_close(layer.output, anatomy.output)
    assert layer.problem.padding_mode == padding_mode


def test_padding_after_another_layer() -> None:
    first, second = nn.Conv2d(2, 3, 3), nn.Conv2d(3, 2, 3, padding=1, padding_mode="circular")
    for between in (nn.Identity(), nn.ReLU(), nn.ReLU(inplace=True), nn.MaxPool2d(2)):
        anatomy = dissect(nn.Sequential(first, between, second), torch.randn(1, 2, 8, 8))
        before = anatomy["0"].pooled if anatomy["0"].pool else anatomy["0"].activated
        assert_close(anatomy["2"].input, before)
        assert anatomy["2"].problem.padding_mode == "circular"


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
@pytest.mark.parametrize(
    "arguments",
    [
        {"kernel_size": 2, "padding": "same"},
        {"kernel_size": (4, 3), "padding": "same", "dilation": (1, 2)},
        {"kernel_size": 2, "padding": "same", "padding_mode": "circular"},
        {"kernel_size": 3, "stride": (2, 3), "dilation": 2, "padding": 2},
        {"kernel_size": 3, "groups": 2},
        {"kernel_size": 3, "groups": 4, "bias": False},
        {"kernel_size": 1, "stride": 3},
    ],
    ids=str,
)
def test_any_geometry(arguments: dict[str, Any]) -> None:
    model = nn.Sequential(nn.Conv2d(4, 8, **arguments))
    anatomy = dissect(model, torch.randn(2, 4, 11, 9))
    assert_close(anatomy["0"].output, anatomy.output)
    for index in (0, 7):
        assert_close(anatomy["0"].filter(index).output, anatomy.output[:, index])


def test_depthwise_filters_see_one_channel_each() -> None:
    layer = dissect(nn.Conv2d(4, 8, 3, groups=4), torch.randn(1, 4, 5, 5))["conv2d"]
    assert [list(layer.filter(index).channels) for index in range(8)] == [[i // 2] for i in range(8)]
    assert layer.filter(5).inputs.shape == (1, 1, 5, 5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_dtypes(dtype: torch.dtype) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)).to(dtype).eval()
    anatomy = dissect(model, torch.randn(1, 3, 8, 8, dtype=dtype))
    layer = anatomy["0"]
    assert layer.output.dtype == dtype
    assert_close(layer.pooled, anatomy.output)
    assert_close(torch.tensor(layer.pixel(1, 2, 3).output).to(dtype), layer.output[0, 1, 2, 3])


def test_under_autocast_the_layer_shows_the_numbers_that_were_used() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        anatomy = dissect(model, torch.randn(1, 3, 8, 8))
    assert anatomy["0"].input.dtype == torch.bfloat16
    assert_close(anatomy["0"].activated, anatomy.output)
    exact = dissect(model, torch.randn(1, 3, 8, 8))
    with torch.autocast("cpu", dtype=torch.bfloat16):  # what is looked at later is not cast
        assert_close(exact["0"].activated, exact.output)


def test_channels_last_and_unbatched_inputs() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), nn.ReLU(), nn.MaxPool2d(2))
    anatomy = dissect(model, torch.randn(2, 3, 8, 8).to(memory_format=torch.channels_last))
    assert anatomy["0"].input.is_contiguous(memory_format=torch.channels_last)
    assert_close(anatomy["0"].pooled, anatomy.output)
    anatomy = dissect(model, torch.randn(3, 8, 8))
    assert anatomy["0"].input.shape == (1, 3, 8, 8)
    assert_close(anatomy["0"].pooled, anatomy.output[None])


def test_several_inputs_by_position_and_by_name() -> None:
    def forward(self: Any, left: Tensor, right: Tensor, *, scale: float = 1.0) -> dict[str, Tensor]:
        return {"sum": self.a(left) + self.b(right) * scale}

    model = Model(forward, a=nn.Conv2d(3, 2, 1), b=nn.Conv2d(1, 2, 1))
    left, right = torch.randn(1, 3, 4, 4), torch.randn(1, 1, 4, 4)
    expected = model(left, right, scale=2.0)["sum"]
    assert_close(dissect(model, {"left": left, "right": right, "scale": 2.0}).output["sum"], expected)
    anatomy = dissect(model, (left, right))
    assert_close(anatomy["b"].input, right)
    stacked = Model(lambda self, images: self.conv(torch.cat(images)), conv=nn.Conv2d(3, 2, 1))
    assert dissect(stacked, ([left, left],))["conv"].input.shape == (2, 3, 4, 4)
    assert dissect(stacked, [left, left])["conv"].input.shape == (2, 3, 4, 4)  # a list is one argument
    assert not anatomy.output["sum"].requires_grad


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated:FutureWarning")
def test_computed_weights() -> None:
    layers = [
        parametrizations.weight_norm(nn.Conv2d(3, 3, 3)),
        parametrizations.spectral_norm(nn.Conv2d(3, 3, 1)),
        nn.utils.weight_norm(nn.Conv2d(3, 3, 1)),
    ]
    model = nn.Sequential(*layers)
    anatomy = dissect(model, torch.randn(1, 3, 6, 6))
    assert list(anatomy) == ["0", "1", "2"]
    assert_close(anatomy["0"].weight, layers[0].weight.detach())
    assert_close(anatomy["2"].output, anatomy.output)


def test_other_convolutions_are_left_alone() -> None:
    layers = [nn.Conv1d(8, 8, 1), nn.Unflatten(2, (1, 8)), nn.ConvTranspose2d(8, 2, 2)]
    model = nn.Sequential(*layers, nn.Unflatten(1, (1, 2)), nn.Conv3d(1, 1, 1))
    anatomy = dissect(model, torch.randn(1, 8, 8))
    assert len(anatomy) == 0
    assert "no 2-D convolution ran" in str(anatomy)
    with pytest.raises(KeyError, match="nothing: no 2-D convolution ran"):
        anatomy["conv"]
    assert anatomy.get("conv") is None


def test_exported_and_compiled_models() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)).eval()
    image = torch.randn(1, 3, 8, 8)
    expected = dissect(model, image)
    exported = dissect(torch.export.export(model, (image,)).module(), image)
    assert [str(stage) for stage in exported["conv2d"].chain.stages] == ["batch_norm", "relu", "max pool 2x2"]
    assert_close(exported["conv2d"].pooled, expected.output)
    compiled_model: Any = torch.compile(model, backend="eager")
    compiled = dissect(compiled_model, image)
    assert list(compiled) == ["0"]
    assert_close(compiled["0"].pooled, expected.output)
    partly: Any = nn.Sequential(compiled_model, nn.ReLU())
    partly(image)  # compiles
    assert [layer.activation for layer in dissect(partly, image).values()] == ["relu"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("function", ["dissect", "receptive_field", "deconvnet", "top_patches", "diagnose"])
def test_torchscript_is_refused_with_a_reason(function: str) -> None:
    scripted = nn.Sequential(torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3))))
    images, more = torch.randn(1, 3, 8, 8), {"deconvnet": ("0", 1), "top_patches": ("0",)}.get(function, ())
    given = (3, 8, 8) if function == "receptive_field" else images
    with pytest.raises(UnsupportedError, match=f"{function}: a TorchScript model hides its convolutions"):
        getattr(convitro, function)(scripted, given, *more)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_summary_says_what_it_cannot_count() -> None:
    inner = nn.Sequential(nn.Conv2d(4, 4, 3), nn.Sequential(nn.Conv2d(4, 4, 3)))
    found = convitro.summary(nn.Sequential(nn.Conv2d(3, 4, 3), torch.jit.script(inner)), (3, 8, 8), verbose=0)
    assert found.macs == 6 * 6 * 4 * 27
    assert "not counted: what runs inside of TorchScript (1)\n" in str(found) + "\n"
    assert found.to_dict()["warnings"] == ["not counted: what runs inside of TorchScript (1)"]
    whole = convitro.summary(torch.jit.script(inner), (4, 8, 8), verbose=0)
    assert "not counted: what runs inside of TorchScript (RecursiveScriptModule)" in str(whole)


def test_convolutions_that_are_not_taken_apart_are_named() -> None:
    up = nn.Sequential(nn.ConvTranspose2d(4, 5, 4, 2, 1), nn.ReLU(), nn.Conv2d(5, 3, 1))
    found = dissect(nn.Sequential(nn.Conv2d(3, 4, 3), up), torch.randn(1, 3, 8, 8))
    assert list(found) == ["0", "1.2"]
    assert found.others == ("1.0 (ConvTranspose2d)",)
    assert str(found).endswith("\nnot taken apart: 1.0 (ConvTranspose2d)")
    line = dissect(nn.Sequential(nn.Conv1d(2, 3, 3), nn.Conv1d(3, 3, 1)), torch.randn(1, 2, 8))
    assert line.others == ("0 (Conv1d)", "1 (Conv1d)")
    assert str(line).endswith("nothing to take apart\nnot taken apart: 0 (Conv1d), 1 (Conv1d)")
    assert dissect(up[2], torch.randn(1, 5, 4, 4)).others == ()


def test_layers_keeps_only_what_is_asked_for() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3))
    assert list(dissect(model, torch.randn(1, 3, 9, 9), layers=["2", "0"])) == ["0", "2"]
    assert list(dissect(model, torch.randn(1, 3, 9, 9), layers="1")) == ["1"]


def test_later_changes_do_not_reach_the_anatomy() -> None:
    conv = nn.Conv2d(3, 4, 3)

    def forward(self: Any, x: Tensor) -> Tensor:
        y = self.conv(x)
        x.zero_()
        return y

    image = torch.randn(1, 3, 6, 6)
    anatomy = dissect(Model(forward, conv=conv), image)
    with torch.no_grad():
        conv.weight.zero_()
    assert image.abs().sum() > 0  # the model worked on a copy
    assert_close(anatomy["conv"].output, anatomy.output)


def test_other_threads_are_not_recorded() -> None:
    other = nn.Conv2d(3, 4, 1)

    def forward(self: Any, x: Tensor) -> Tensor:
        worker = threading.Thread(target=other, args=(x,))
        worker.start()
        worker.join()
        return self.conv(F.conv2d(x, torch.ones(3, 3, 1, 1)))

    anatomy = dissect(Model(forward, conv=nn.Conv2d(3, 2, 1), other=other), torch.randn(1, 3, 4, 4))
    assert list(anatomy) == ["conv2d", "conv"]


@pytest.mark.parametrize(
    ("model", "input", "message"),
    [
        (
            nn.Conv2d,
            torch.zeros(1),
            "`model` is not a torch.nn.Module(.|\n)*the class Conv2d(.|\n)*add \\(\\)",
        ),
        (F.relu, torch.zeros(1), "`model` is not a torch.nn.Module(.|\n)*received: function"),
        (nn.Conv2d(1, 1, 1), [[1.0]], "`input` holds no tensor(.|\n)*received: list"),
        (nn.Conv2d(1, 1, 1), None, "`input` holds no tensor"),
        (nn.LazyConv2d(1, 1), torch.zeros(1, 1, 2, 2), "lazy parameters(.|\n)*weight, bias"),
    ],
    ids=["class", "function", "list", "none", "lazy"],
)
@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature:UserWarning")
def test_wrong_arguments(model: Any, input: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        dissect(model, input)


def test_an_unknown_layer_lists_the_closest() -> None:
    model = nn.Sequential()
    for name in ("conv1_1", "conv1_2", "other"):
        model.add_module(name, nn.Conv2d(1, 1, 1))
    image = torch.zeros(1, 1, 2, 2)
    with pytest.raises(ArgumentError, match=r'no layer .conv1.(.|\n)*did you mean "conv1_2" or "conv1_1"'):
        dissect(model, image, layers=["other", "conv1"])
    with pytest.raises(KeyError, match="expected: conv1_1, conv1_2, other"):
        dissect(model, image)["conv9_1"]
