"""The gradients of weight and bias, against torch's autograd in float64."""

from __future__ import annotations

import re

import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from convitro.engine.cpu.blocking import Sliding
from convitro.engine.cpu.isa import isa, supported
from convitro.engine.cpu.jit import assembly
from convitro.engine.cpu.layer import Form, accumulation, channels_last, sliding_of
from convitro.engine.cpu.multiply import Tile
from convitro.engine.cpu.parameter_gradients import ParameterGradients, ParameterRequest, Wanted
from convitro.engine.cpu.source import TensorSource
from convitro.engine.cpu.weight_gradient import WeightGradient, weight_gradient
from convitro.engine.cpu.weight_gradient_cut import Shape, best_cut, best_tile
from convitro.geometry import BlockProblem, ConvProblem
from tests.engine.backpropagated import FUNCTIONS, After, Backpropagated, backpropagated
from tests.engine.guarded import guarded_copy

DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16}
TOLERANCE = {"float32": 4e-7, "float64": 1e-15, "bfloat16": 8e-3}
"""Of a sum with all its terms positive; bfloat16 is what the saved outputs and the results are rounded to."""
WINOGRAD = 4.0
"""Its error may be so many times as large."""
RELU2, RELU3 = After("relu", (2, 2), (2, 2)), After("relu", (3, 3), (2, 2))


def inputs(conv: ConvProblem, size: tuple[int, int, int], dtype: torch.dtype, layout: str) -> Tensor:
    """Random numbers (N, C, H, W) that lie in memory as `layout` says."""
    images, height, width = size
    x = torch.randn(images, conv.in_channels, height, width).to(dtype)
    if layout == "strided":
        return torch.randn(images, height, conv.in_channels, width * 2).to(dtype).transpose(1, 2)[..., ::2]
    return x.to(memory_format=torch.channels_last) if layout == "channels_last" else x


def gradients(
    block: BlockProblem,
    tensors: tuple[Tensor, Tensor, Backpropagated],
    *,
    wanted: Wanted = Wanted(True, True),  # noqa: B008
    algorithm: str = "direct",
    team: int = 1,
    name: str = supported()[0],
) -> tuple[Tensor | None, Tensor | None]:
    """What the kernels say, with every tensor right before a forbidden page."""
    x, weight, given = guarded_copy(tensors[0]), tensors[1], tensors[2]
    form, after = Form.of(x), After(block.activation, block.pool, block.pool_stride)
    request = ParameterRequest(
        sliding_of(block, *(x.shape[axis] for axis in (0, 2, 3))),
        form,
        Form.of(weight),
        after.source(form.element, accumulation(form.element)),
        wanted,
        algorithm,
    )
    given_to = [given.gradient, given.saved, given.switches if request.source.switches else None]
    copies = [None if tensor is None else guarded_copy(tensor) for tensor in given_to]
    shape = given.gradient.shape
    image, _, row, column = channels_last(shape)
    names = ("height", "width", "image", "row", "column")
    numbers = (shape[2], shape[3], image, row, column)
    strides = {f"gradient_{name}": number for name, number in zip(names, numbers, strict=True)}
    prepared = ParameterGradients(request, strides, isa(name), team)
    return prepared(x, [0 if tensor is None else tensor.data_ptr() for tensor in copies])


def expected(conv: ConvProblem, x: Tensor, dz: Tensor) -> Tensor:
    """The weight's gradient in float64."""
    top, bottom, left, right = conv.padding
    padded = F.pad(x.double(), (left, right, top, bottom))
    weight = torch.zeros(conv.weight_shape, dtype=torch.float64, requires_grad=True)
    z = F.conv2d(padded, weight, None, conv.stride, 0, conv.dilation, conv.groups)
    return torch.autograd.grad(z, weight, dz)[0]


def check(
    found: tuple[Tensor | None, Tensor | None],
    conv: ConvProblem,
    x: Tensor,
    dz: Tensor,
    factor: float = 1.0,
) -> None:
    """Compare weight and bias, as far as there are any, with torch's gradients in float64."""
    wanted = (expected(conv, x, dz), dz.sum((0, 2, 3)))
    sizes = (expected(conv, x.abs(), dz.abs()), dz.abs().sum((0, 2, 3)))
    for gradient, sums, terms in zip(found, wanted, sizes, strict=True):
        if gradient is not None:
            assert gradient.dtype == x.dtype
            scale = TOLERANCE[str(x.dtype).removeprefix("torch.")] * factor
            torch.testing.assert_close(gradient.double(), sums, rtol=0, atol=scale * float(terms.max()))


def run(
    conv: ConvProblem,
    size: tuple[int, int, int],
    after: After = After(),  # noqa: B008
    *,
    element: str = "float32",
    layout: str = "channels_last",
    algorithm: str = "direct",
    team: int = 1,
    name: str = supported()[0],
    weight_format: torch.memory_format = torch.contiguous_format,
) -> None:
    """Check both gradients of a block on random numbers."""
    torch.manual_seed(0)
    x = inputs(conv, size, DTYPES[element], layout)
    weight = torch.randn(conv.weight_shape).to(DTYPES[element]).to(memory_format=weight_format)
    accumulation = torch.float64 if element == "float64" else torch.float32
    z = torch.randn(size[0], conv.out_channels, *conv.output_size(*size[1:]), dtype=accumulation)
    given = backpropagated(z, after, DTYPES[element])
    block = BlockProblem(conv, after.activation, after.pool, after.pool_stride)
    found = gradients(block, (x, weight, given), algorithm=algorithm, team=team, name=name)
    check(found, conv, x, given.expected, WINOGRAD if algorithm == "winograd" else 1.0)
    assert found[0] is not None
    assert found[1] is not None
    assert found[0].stride() == weight.stride()


@st.composite
def layers(draw: st.DrawFn) -> tuple[ConvProblem, tuple[int, int, int]]:
    """A convolution and the size of its input: images, rows, columns."""
    groups = draw(st.sampled_from([1, 1, 1, 2, 3, 9]))
    channels, filters = draw(st.sampled_from([1, 2, 3, 8, 17])), draw(st.sampled_from([1, 2, 5, 8, 16, 23]))
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    kernel, stride = draw(st.tuples(st.integers(1, 4), st.integers(1, 4))), draw(pair)
    conv = ConvProblem(
        channels * groups,
        filters * groups,
        kernel,
        stride,
        draw(st.tuples(*[st.integers(0, 2)] * 4)),
        draw(st.sampled_from([(1, 1), (1, 1), (2, 1), (2, 3)])),
        groups,
    )
    rows, columns = draw(st.integers(3, 9)), draw(st.integers(3, 11))  # of the output
    height = max(1, (rows - 1) * stride[0] + conv.extent[0] - sum(conv.padding[:2]) + draw(st.integers(0, 1)))
    width = max(
        1, (columns - 1) * stride[1] + conv.extent[1] - sum(conv.padding[2:]) + draw(st.integers(0, 1))
    )
    return conv, (draw(st.integers(1, 3)), height, width)


@settings(max_examples=80, deadline=None)
@given(
    layers(),
    st.sampled_from([After(), RELU2]),
    st.sampled_from(["channels_last", "contiguous"]),
    st.sampled_from([1, 2]),
)
@example((ConvProblem(64, 64, (3, 3), padding=(1, 1, 1, 1), groups=64), (2, 9, 9)), RELU2, "channels_last", 2)
@example((ConvProblem(40, 64, (3, 3), padding=(1, 1, 1, 1)), (3, 13, 17)), RELU2, "channels_last", 2)
@example((ConvProblem(4, 96, (1, 1)), (2, 3, 300)), After(), "contiguous", 2)
def test_any_layer(layer, after, layout, team) -> None:  # type: ignore[no-untyped-def]
    conv, size = layer
    run(conv, size, after, layout=layout, team=team)


CONV = ConvProblem(5, 12, (3, 3), padding=(1, 1, 1, 1))


@pytest.mark.parametrize("activation", FUNCTIONS)
@pytest.mark.parametrize(("pool", "stride"), [((1, 1), (1, 1)), ((2, 2), (2, 2)), ((3, 3), (2, 2))])
def test_every_activation_and_pooling(
    activation: str, pool: tuple[int, int], stride: tuple[int, int]
) -> None:
    run(CONV, (2, 9, 11), After(activation, pool, stride))


@pytest.mark.parametrize("element", ["float64", "bfloat16"])
@pytest.mark.parametrize("after", [RELU2, After("tanh")])
def test_other_dtypes(element: str, after: After) -> None:
    run(CONV, (2, 9, 11), after, element=element)


@pytest.mark.parametrize("name", supported())
@pytest.mark.parametrize("groups", [1, 12])
def test_every_instruction_set(name: str, groups: int) -> None:
    run(ConvProblem(12, 24 // (1 + groups // 12), (3, 3), groups=groups), (2, 9, 11), RELU3, name=name)


@pytest.mark.parametrize("channels", [8, 40])
@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "strided"])
@pytest.mark.parametrize("weight_format", [torch.contiguous_format, torch.channels_last])
def test_memory_formats_of_input_and_weight(
    channels: int, layout: str, weight_format: torch.memory_format
) -> None:
    run(ConvProblem(channels, 12, (3, 3)), (2, 9, 11), layout=layout, weight_format=weight_format)


@st.composite
def layers_of_three(draw: st.DrawFn) -> tuple[ConvProblem, tuple[int, int, int]]:
    """A 3x3 convolution with stride 1, and the size of its input."""
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    channels, filters = draw(st.sampled_from([1, 5, 8, 13, 24])), draw(st.sampled_from([1, 4, 8, 19, 40]))
    padding = draw(st.tuples(*[st.integers(0, 2)] * 4))
    conv = ConvProblem(channels * groups, filters * groups, (3, 3), padding=padding, groups=groups)
    return conv, (draw(st.integers(1, 4)), draw(st.integers(5, 14)), draw(st.integers(5, 14)))


@settings(max_examples=40, deadline=None)
@given(
    layers_of_three(),
    st.sampled_from([After(), RELU2]),
    st.sampled_from([torch.contiguous_format, torch.channels_last]),
    st.sampled_from([1, 2]),
)
@example((ConvProblem(16, 24, (3, 3)), (2, 7, 500)), After("relu"), torch.contiguous_format, 2)
@example((ConvProblem(16, 24, (3, 3)), (40, 9, 8)), RELU2, torch.contiguous_format, 2)
def test_winograd(layer, after, weight_format, team) -> None:  # type: ignore[no-untyped-def]
    conv, size = layer
    run(conv, size, after, algorithm="winograd", team=team, weight_format=weight_format)


@pytest.mark.parametrize("name", supported())
@pytest.mark.parametrize("element", ["float32", "float64", "bfloat16"])
def test_winograd_in_every_dtype_and_instruction_set(name: str, element: str) -> None:
    run(ConvProblem(12, 20, (3, 3)), (2, 9, 11), RELU3, algorithm="winograd", element=element, name=name)


def test_winograd_leaves_numbers_that_are_not_finite_where_they_are() -> None:
    torch.manual_seed(0)
    conv, block = ConvProblem(4, 4, (3, 3)), BlockProblem(ConvProblem(4, 4, (3, 3)))
    x, weight = inputs(conv, (1, 8, 8), torch.float32, "channels_last"), torch.randn(conv.weight_shape)
    x[0, 1, 0, 0] = float("inf")  # only the first tap sees it
    given = backpropagated(torch.randn(1, 4, 6, 6), After())
    of_weight, of_bias = gradients(block, (x, weight, given), algorithm="winograd")
    assert of_weight is not None
    infinite = torch.zeros_like(weight, dtype=torch.bool)
    infinite[:, 1, 0, 0] = True
    assert torch.equal(~of_weight.isfinite(), infinite)
    check((None, of_bias), conv, x, given.expected)


@pytest.mark.parametrize(
    ("channels", "images", "size", "pays"), [(64, 8, 56, True), (3, 8, 56, False), (64, 1, 8, False)]
)
def test_winograd_is_taken_where_it_pays(channels: int, images: int, size: int, pays: bool) -> None:
    conv = ConvProblem(channels, 64, (3, 3), padding=(1, 1, 1, 1))
    input = Form((images, channels, size, size), (1,) * 4, "float32")
    weight = Form(conv.weight_shape, (1,) * 4, "float32")
    sliding, source = (
        sliding_of(BlockProblem(conv), images, size, size),
        After().source("float32", "float32"),
    )
    request = ParameterRequest(sliding, input, weight, source, Wanted(True, True))
    assert request.winograd == pays


def test_an_empty_batch_has_no_gradient() -> None:
    run(CONV, (0, 8, 8), After())


@pytest.mark.parametrize("algorithm", ["direct", "winograd"])
@pytest.mark.parametrize("team", [1, 2])
def test_the_same_bits_every_time(team: int, algorithm: str) -> None:
    torch.manual_seed(0)
    conv = ConvProblem(16, 20, (3, 3), padding=(1, 1, 1, 1))
    x, weight = inputs(conv, (4, 20, 20), torch.float32, "channels_last"), torch.randn(conv.weight_shape)
    given = backpropagated(torch.randn(4, 20, 20, 20), After("relu"))
    block = BlockProblem(conv, "relu")
    first = gradients(block, (x, weight, given), team=team, algorithm=algorithm)
    for _ in range(5):
        again = gradients(block, (x, weight, given), team=team, algorithm=algorithm)
        assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))  # type: ignore[arg-type]


@pytest.mark.parametrize("weight", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_only_what_is_asked_for(weight: bool, bias: bool) -> None:
    torch.manual_seed(0)
    x, given = (
        inputs(CONV, (1, 6, 6), torch.float32, "channels_last"),
        backpropagated(torch.randn(1, 12, 6, 6), RELU2),
    )
    block = BlockProblem(CONV, "relu", (2, 2), (2, 2))
    weights = torch.randn(CONV.weight_shape)
    of_weight, of_bias = gradients(block, (x, weights, given), wanted=Wanted(weight, bias))
    assert (of_weight is not None) == weight
    assert (of_bias is not None) == bias
    check((of_weight, of_bias), CONV, x, given.expected)


def test_numbers_that_no_window_sees_do_not_matter() -> None:
    torch.manual_seed(0)
    conv = ConvProblem(3, 4, (2, 2), (3, 3))
    x = inputs(conv, (1, 12, 12), torch.float32, "channels_last")
    seen = torch.zeros(12, 12, dtype=torch.bool)
    for y in range(4):
        for column in range(4):
            seen[3 * y : 3 * y + 2, 3 * column : 3 * column + 2] = True
    given = backpropagated(torch.randn(1, 4, 4, 4), After())
    clean = gradients(BlockProblem(conv), (x, torch.randn(conv.weight_shape), given))
    dirty = gradients(
        BlockProblem(conv), (x.masked_fill(~seen, float("nan")), torch.randn(conv.weight_shape), given)
    )
    torch.testing.assert_close(clean, dirty)


def shape(images: int, channels: int, filters: int, size: int, groups: int = 1) -> Shape:
    """A 3x3 layer in the words of the kernel."""
    host = isa(supported()[0])
    sliding = Sliding(images, size, size, channels, filters, groups, (3, 3), (1, 1), (1, 1), 1, 1, size, size)
    tile = best_tile(sliding, host, 8, depthwise=False)
    return Shape(sliding, tile, 8, 4, False, (9 * channels, 9, 3, 1))


def test_large_weights_are_cut_rather_than_summed_twice() -> None:
    assert best_cut(shape(8, 512, 512, 7), 2).splits == 1
    cut = best_cut(shape(8, 64, 64, 56), 2)
    assert cut.splits * cut.filter_chunks * cut.channel_chunks % 2 == 0


def test_a_tile_of_few_products_wastes_few_rows() -> None:
    host = isa(supported()[0])
    sliding = Sliding(1, 8, 8, 3, 32, 1, (3, 3), (1, 1), (1, 1), 1, 1, 8, 8)
    tile = best_tile(sliding, host, 8, depthwise=False)
    assert -27 % tile.rows <= 1


@pytest.mark.parametrize("name", ["avx512", "avx2", "x86-64", "neon"])
@pytest.mark.parametrize("winograd", [False, True])
def test_machine_code_for_every_processor(name: str, winograd: bool) -> None:
    source = RELU2.source("float32", "float32", tensor="gradient", prefix="dz_", clean=False)
    kernel = WeightGradient(
        "float32", TensorSource("float32", "channels"), source, Tile(4, 2), False, "float32", None, winograd
    )
    text = assembly(weight_gradient(kernel, isa(name)), isa(name))
    assert re.search(
        {"avx512": r"vfmadd231ps\s.*zmm", "avx2": "vfmadd231ps", "neon": "fmla"}.get(name, "mulps"), text
    )
