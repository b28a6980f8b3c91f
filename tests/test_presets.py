"""Every preset against its formula, written with unfold in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convitro
from convitro import PresetConv2d, presets
from convitro.errors import ArgumentError, ConvitroError, DtypeError, ShapeError, UnsupportedError

Reduce = Callable[[Tensor, Tensor], Tensor]
Formula = Callable[[Tensor, Tensor, Tensor], Tensor]
GEOMETRIES: dict[str, dict[str, Any]] = {
    "plain": {},
    "padded": {"padding": (1, 2), "stride": (2, 1)},
    "grouped": {"groups": 2, "dilation": 2, "padding": 1},
    "same": {"padding": "same"},
}
KERNELS = {"plain": (3, 2), "padded": (3, 3), "grouped": (2, 2), "same": (2, 3)}
ALL_INSIDE = torch.ones(1, 1, dtype=torch.bool)


def largest(p: Tensor, inside: Tensor) -> Tensor:
    return p.where(inside, -math.inf).amax(-2)


def smallest(p: Tensor, inside: Tensor) -> Tensor:
    return p.where(inside, math.inf).amin(-2)


def total(p: Tensor, inside: Tensor) -> Tensor:
    return p.where(inside, 0.0).sum(-2)


def softmax(beta: float) -> Reduce:
    return lambda p, inside: (torch.softmax((beta * p).where(inside, -math.inf), -2) * p).sum(-2)


def logsumexp(beta: float) -> Reduce:
    return lambda p, inside: torch.logsumexp((beta * p).where(inside, -math.inf), -2) / beta


def nested(reduce: Reduce, channels: Reduce | None = None) -> Formula:
    """x + w reduced over the window, then over the channels."""
    return lambda x, w, inside: (channels or reduce)(reduce(x + w, inside), ALL_INSIDE)


def power_sum(p: float) -> Formula:
    """sum |x - w|^p over window and channels."""
    return lambda x, w, inside: ((x - w).abs() ** p * inside).sum((-3, -2))


def inner(x: Tensor, w: Tensor) -> Tensor:
    return (x * w).sum((-3, -2))


def lengths(x: Tensor, w: Tensor, more: float) -> Tensor:
    """(|x| + more) (|w| + more); zeros around the image are pixels."""
    return (inner(x, x).sqrt() + more) * (inner(w, w).sqrt() + more)


def sharpened(x: Tensor, w: Tensor, p: float, q: float) -> Tensor:
    s = inner(x, w) / lengths(x, w, q)
    return s.sign() * s.abs() ** p


FORMULAS: dict[str, tuple[str, dict[str, Any], Formula]] = {
    "adder": ("adder", {}, lambda x, w, inside: -power_sum(1)(x, w, inside)),
    "euclid": ("euclid", {}, lambda x, w, inside: -power_sum(2)(x, w, inside) / 2),
    "linf": ("linf_distance", {}, lambda x, w, inside: largest(largest((x - w).abs(), inside), ALL_INSIDE)),
    "l8": ("linf_distance", {"p": 8}, lambda x, w, inside: power_sum(8)(x, w, inside) ** (1 / 8)),
    "dilation": ("max_plus", {}, nested(largest)),
    "dilation, summed": ("max_plus", {"aggregation": "sum"}, nested(largest, total)),
    "erosion": ("min_plus", {}, nested(smallest)),
    "smooth": ("smooth_morphology", {"beta": 2.0}, nested(softmax(2.0))),
    "smooth erosion, summed": (
        "smooth_morphology",
        {"beta": -2.0, "aggregation": "sum"},
        nested(softmax(-2.0), total),
    ),
    "smooth logsumexp": ("smooth_morphology", {"beta": 3.0, "smooth": "logsumexp"}, nested(logsumexp(3.0))),
    "polynomial": (
        "kervolution",
        {"degree": 2, "offset": 0.5},
        lambda x, w, inside: (inner(x, w) + 0.5) ** 2,
    ),
    "gaussian": (
        "kervolution",
        {"kernel": "gaussian", "gamma": 0.02},
        lambda x, w, inside: (-0.02 * power_sum(2)(x, w, inside)).exp(),
    ),
    "kernel l1": ("kervolution", {"kernel": "l1"}, power_sum(1)),
    "kernel l2": ("kervolution", {"kernel": "l2"}, lambda x, w, inside: power_sum(2)(x, w, inside).sqrt()),
    "cosine": ("cosine", {}, lambda x, w, inside: inner(x, w) / lengths(x, w, 0.0)),
    "sharpened": (
        "sharpened_cosine",
        {"p": 3.0, "q": 0.2},
        lambda x, w, inside: sharpened(x, w, 3.0, 0.2),
    ),
    "less sharp": ("sharpened_cosine", {"p": 1, "q": 0.2}, lambda x, w, inside: sharpened(x, w, 1, 0.2)),
}


def by_formula(formula: Formula, input: Tensor, weight: Tensor, bias: Tensor, **geometry: Any) -> Tensor:
    """A layer by unfolding: x (N, G, 1, C, K, L), w (1, G, O, C, K, 1), inside (K, L) -> (N, G, O, L)."""
    groups, kernel = geometry.get("groups", 1), weight.shape[2:]
    dilation, stride = geometry.get("dilation", 1), geometry.get("stride", 1)
    padding = geometry.get("padding", 0)
    if padding == "same":
        spare = [size - 1 for size in kernel]
        rows, columns = ((size // 2, size - size // 2) for size in spare)
    else:
        rows, columns = ((side, side) for side in (padding if isinstance(padding, tuple) else (padding,) * 2))
    around = (*columns, *rows)

    def unfolded(image: Tensor) -> Tensor:
        return F.unfold(F.pad(image, around), kernel, dilation, 0, stride)

    inside = unfolded(torch.ones_like(input[:1, :1]))[0] > 0
    x = unfolded(input).unflatten(1, (groups, 1, weight.shape[1], -1))
    w = weight.flatten(2).unflatten(0, (groups, -1))[None, ..., None]
    maps = formula(x, w, inside).flatten(1, 2)
    extents = [(size - 1) * dilation + 1 for size in kernel]
    height = input.shape[2] + sum(rows) - extents[0]
    return (maps + bias[:, None]).unflatten(
        2, (height // (stride if isinstance(stride, int) else stride[0]) + 1, -1)
    )


def tensors(kernel: tuple[int, int], groups: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    shapes = ((2, 2 * groups, 7, 6), (3 * groups, 2, *kernel), (3 * groups,))
    generator = torch.Generator().manual_seed(1)
    input, weight, bias = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)
    return input, weight, bias


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("name", FORMULAS)
def test_values_are_the_formulas(name: str, geometry: str) -> None:
    preset, parameters, formula = FORMULAS[name]
    settings = GEOMETRIES[geometry]
    input, weight, bias = tensors(KERNELS[geometry], settings.get("groups", 1))
    maps = getattr(presets, preset)(input, weight, bias, **settings, **parameters)
    torch.testing.assert_close(maps, by_formula(formula, input, weight, bias, **settings))


@pytest.mark.parametrize("name", FORMULAS)
def test_gradients_are_exact(name: str) -> None:
    preset, parameters, _ = FORMULAS[name]
    leaves = [tensor.requires_grad_() for tensor in tensors((2, 2), 2)]
    function = getattr(presets, preset)

    def layer(input: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        maps = function(input, weight, bias, padding=1, stride=2, groups=2, **parameters)
        assert isinstance(maps, Tensor)
        return maps

    assert torch.autograd.gradcheck(layer, leaves)


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_the_surrogate_gradient_is_the_papers(geometry: str, dtype: torch.dtype) -> None:
    settings = GEOMETRIES[geometry]
    input, weight, bias = tensors(KERNELS[geometry], settings.get("groups", 1))
    input, weight, bias = ((tensor / 2).to(dtype).requires_grad_() for tensor in (input, weight, bias))
    maps = presets.adder(input, weight, bias, **settings, gradient="adder")
    exact = presets.adder(input, weight, bias, **settings)
    torch.testing.assert_close(maps, exact)
    upstream = torch.randn_like(maps)
    found = torch.autograd.grad(maps, (input, weight, bias), upstream)
    leaves = [tensor.detach().double().requires_grad_() for tensor in (input, weight, bias)]

    def of_weight(x: Tensor, w: Tensor, inside: Tensor) -> Tensor:  # d/dw = x - w
        return -power_sum(2)(x.detach(), w, inside) / 2

    def of_input(x: Tensor, w: Tensor, inside: Tensor) -> Tensor:  # d/dx = hardtanh(w - x)
        x, w = torch.broadcast_tensors(x, w.detach())
        huber = F.huber_loss(x, w, reduction="none")
        return -(huber * inside).sum((-3, -2))

    expected = [
        torch.autograd.grad(by_formula(formula, *leaves, **settings), leaf, upstream.double())[0]
        for formula, leaf in ((of_input, leaves[0]), (of_weight, leaves[1]), (of_weight, leaves[2]))
    ]
    tolerance: dict[str, Any] = {} if dtype == torch.float64 else {"rtol": 5e-3, "atol": 5e-3}
    for own, one in zip(found, expected, strict=True):
        assert own.dtype == dtype
        torch.testing.assert_close(own.double(), one, **tolerance)


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch's, of itself
@pytest.mark.parametrize("name", ["adder", "euclid", "sharpened_cosine"])
def test_a_traced_module_trains_as_it_does_untraced(name: str) -> None:
    parameters: dict[str, Any] = {"gradient": "adder"} if name == "adder" else {}
    layer = PresetConv2d(name, 2, 3, 3, padding=1, **parameters)
    traced = torch.compile(layer, backend="aot_eager")
    input = torch.randn(1, 2, 6, 6)
    gradients = []
    for call in (layer, traced):
        leaf = input.clone().requires_grad_()
        gradients.append(torch.autograd.grad(call(leaf).square().sum(), (leaf, layer.weight)))
    for own, other in zip(*gradients, strict=True):
        torch.testing.assert_close(own, other)


def test_the_surrogate_takes_one_image() -> None:
    input, weight, _ = (tensor.float() for tensor in tensors((3, 3)))
    weight.requires_grad_()
    image = input[0].clone().requires_grad_()
    presets.adder(image, weight, padding=1, gradient="adder").square().sum().backward()
    assert image.grad is not None
    batch = input[:1].clone().requires_grad_()
    presets.adder(batch, weight, padding=1, gradient="adder").square().sum().backward()
    assert batch.grad is not None
    torch.testing.assert_close(image.grad, batch.grad[0])


@pytest.mark.parametrize("name", presets.PRESETS)
def test_the_sixteen_bit_dtypes_are_computed_in_float32(name: str) -> None:
    input, weight, bias = (tensor.bfloat16() for tensor in tensors((3, 3)))
    maps = getattr(presets, name)(input, weight, bias, padding=1)
    assert maps.dtype == torch.bfloat16
    wide = getattr(presets, name)(input.float(), weight.float(), bias.float(), padding=1)
    torch.testing.assert_close(maps.float(), wide, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("name", presets.PRESETS)
def test_one_image_and_other_padding(name: str) -> None:
    function = getattr(presets, name)
    input, weight, bias = tensors((3, 3))
    expected = function(F.pad(input, (1, 1, 1, 1), mode="reflect"), weight, bias)
    maps = function(input, weight, bias, padding=1, padding_mode="reflect")
    torch.testing.assert_close(maps, expected)
    torch.testing.assert_close(function(input[0], weight, bias), function(input, weight, bias)[0])


def test_under_autocast_nothing_cancels() -> None:
    input, weight = torch.randn(1, 16, 6, 6), torch.randn(4, 16, 3, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        maps = presets.euclid(input, weight)
    assert maps.dtype == torch.bfloat16
    expected = presets.euclid(input.bfloat16().float(), weight.bfloat16().float())
    torch.testing.assert_close(maps.float(), expected, rtol=1e-2, atol=1e-2)


def test_an_empty_window_has_finite_gradients() -> None:
    for name in ("cosine", "sharpened_cosine", "euclid", "kervolution"):
        kernels: list[dict[str, Any]] = [{"kernel": "l2"}, {"kernel": "gaussian"}]
        for parameters in kernels if name == "kervolution" else [{}]:
            input, weight = torch.zeros(1, 2, 4, 4), torch.zeros(3, 2, 3, 3)
            input, weight = input.requires_grad_(), weight.requires_grad_()
            getattr(presets, name)(input, weight, **parameters).sum().backward()
            assert input.grad is not None
            assert weight.grad is not None
            assert input.grad.isfinite().all()
            assert weight.grad.isfinite().all()


def test_smooth_morphology_tends_to_dilation_and_erosion() -> None:
    input, weight, bias = tensors((3, 3))
    for beta, limit in ((400.0, presets.max_plus), (-400.0, presets.min_plus)):
        maps = presets.smooth_morphology(input, weight, bias, beta=beta)
        torch.testing.assert_close(maps, limit(input, weight, bias), rtol=0, atol=0.02)


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "gradient": ("adder", {"gradient": "ader"}, 'did you mean "adder"'),
    "p": ("linf_distance", {"p": 0}, "`p` is out of range"),
    "smooth": ("smooth_morphology", {"smooth": "max"}, "unknown `smooth`"),
    "beta": ("smooth_morphology", {"beta": math.nan}, "`beta` is out of range"),
    "beta 0": ("smooth_morphology", {"beta": 0, "smooth": "logsumexp"}, "other than 0"),
    "kernel": ("kervolution", {"kernel": "gauss"}, 'did you mean "gaussian"'),
    "degree": ("kervolution", {"degree": 1.5}, "`degree` is out of range"),
    "gamma": ("kervolution", {"kernel": "gaussian", "gamma": -1.0}, "`gamma` is out of range"),
    "offset": ("kervolution", {"offset": "one"}, "`offset` is out of range"),
    "eps": ("cosine", {"eps": 0.0}, "`eps` is out of range"),
    "sharp p": ("sharpened_cosine", {"p": -2.0}, "`p` is out of range"),
    "sharp q": ("sharpened_cosine", {"q": None}, "`q` is out of range"),
    "aggregation": ("max_plus", {"aggregation": "maximal"}, "unknown aggregation"),
}


@pytest.mark.parametrize("name", WRONG)
def test_bad_parameters(name: str) -> None:
    preset, parameters, message = WRONG[name]
    input, weight, _ = tensors((3, 3))
    with pytest.raises(ArgumentError, match=message):
        getattr(presets, preset)(input, weight, **parameters)
    with pytest.raises(ArgumentError, match=message):
        PresetConv2d(preset, 2, 3, 3, **parameters)


@pytest.mark.parametrize("name", presets.PRESETS)
def test_tensors_that_do_not_fit_are_refused(name: str) -> None:
    function = getattr(presets, name)
    with pytest.raises(ShapeError, match="does not fit `weight`"):
        function(torch.zeros(1, 5, 8, 8), torch.zeros(4, 3, 3, 3))
    with pytest.raises(DtypeError, match="needs floating point"):
        function(torch.zeros(1, 3, 8, 8, dtype=torch.int32), torch.zeros(4, 3, 3, 3, dtype=torch.int32))


@pytest.mark.parametrize("name", presets.PRESETS)
def test_the_module_is_a_conv2d_with_that_operator(name: str) -> None:
    layer = PresetConv2d(name, 4, 6, (3, 2), 2, 1, 1, 2, padding_mode="replicate")
    assert isinstance(layer, nn.Conv2d)
    assert repr(layer).startswith(f"PresetConv2d({name}, 4, 6, kernel_size=(3, 2)")
    input = torch.randn(2, 4, 7, 7)
    sliding = ((2, 2), (1, 1), 1, 2)
    assert layer.bias is not None
    expected = getattr(presets, name)(input, layer.weight, layer.bias, *sliding, padding_mode="replicate")
    torch.testing.assert_close(layer(input), expected)
    layer(input).sum().backward()
    assert layer.weight.grad is not None
    plain = nn.Conv2d(4, 6, (3, 2), 2, 1, 1, 2)
    assert set(plain.state_dict()) == set(layer.state_dict())
    layer.load_state_dict(plain.state_dict())
    plain.load_state_dict(layer.state_dict())


def test_the_module_keeps_its_parameters_and_says_what_it_refuses() -> None:
    layer = PresetConv2d("linf_distance", 2, 3, 3, p=8.0)
    assert repr(layer).endswith("p=8.0)")
    layer.load_state_dict(layer.state_dict())
    with pytest.raises(RuntimeError, match=r"preset=linf_distance\(p=8\.0\)"):
        PresetConv2d("linf_distance", 2, 3, 3, p=9.0).load_state_dict(layer.state_dict())
    with pytest.raises(UnsupportedError, match="not one operator"):
        convitro.plan(layer, (1, 2, 8, 8))
    refused: list[tuple[tuple[Any, ...], dict[str, Any], str]] = [
        (("ader", 2, 3, 3), {}, 'did you mean "adder"'),
        (("cosine", 2, 3, 3), {"esp": 1.0}, 'did you mean "eps"'),
        (("cosine", 0, 3, 3), {}, "`in_channels` is not a positive integer"),
        (("cosine", 2, 3, 0), {}, "`kernel_size` is too small"),
    ]
    for arguments, parameters, message in refused:
        with pytest.raises(ConvitroError, match=message):
            PresetConv2d(*arguments, **parameters)
