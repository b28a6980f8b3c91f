"""The gradients of weight and bias, against torch's autograd in float64."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from convitro.engine.cpu.backward import Backward, Gradients, Needs
from convitro.engine.cpu.blocking import Sliding
from convitro.engine.cpu.isa import isa, supported
from convitro.engine.cpu.layer import Form
from convitro.engine.cpu.multiply import Tile
from convitro.engine.cpu.weight_gradient_layout import Cut, Shape, best_cut, best_tile
from convitro.geometry import BlockProblem, ConvProblem
from tests.engine.backpropagated import FUNCTIONS, After, Backpropagated, backpropagated
from tests.engine.guarded import guarded_copy

DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16}
TOLERANCE = {"float32": 2e-6, "float64": 1e-14, "bfloat16": 1e-2}
"""Of the largest number of a gradient; bfloat16 is what the saved outputs and the results are rounded to."""
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
    needs: Needs = Needs(False, True, True),  # noqa: B008
    team: int = 1,
    name: str = supported()[0],
) -> Gradients:
    """What the kernels say, with every tensor right before a forbidden page."""
    x, weight, given = (guarded_copy(tensors[0]), tensors[1], tensors[2])
    forms = (Form.of(x), Form.of(weight), {v: k for k, v in DTYPES.items()}[given.gradient.dtype])
    saved = [None if tensor is None else guarded_copy(tensor) for tensor in (given.saved, given.switches)]
    backward = Backward(block, forms, needs, "direct", isa(name), team)
    return backward(guarded_copy(given.gradient), x, weight, (*saved, None))


def expected(conv: ConvProblem, x: Tensor, dz: Tensor) -> Tensor:
    """The weight's gradient in float64."""
    top, bottom, left, right = conv.padding
    padded = F.pad(x.double(), (left, right, top, bottom))
    weight = torch.zeros(conv.weight_shape, dtype=torch.float64, requires_grad=True)
    z = F.conv2d(padded, weight, None, conv.stride, 0, conv.dilation, conv.groups)
    return torch.autograd.grad(z, weight, dz)[0]


def check(found: Tensor | None, wanted: Tensor, element: str) -> None:
    assert found is not None
    assert found.dtype == DTYPES[element]
    scale = max(float(wanted.abs().max()), 1e-3) if wanted.numel() else 1.0
    torch.testing.assert_close(found.double(), wanted, rtol=0, atol=TOLERANCE[element] * scale)


def run(
    conv: ConvProblem,
    size: tuple[int, int, int],
    after: After = After(),  # noqa: B008
    *,
    element: str = "float32",
    layout: str = "channels_last",
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
    _, of_weight, of_bias = gradients(block, (x, weight, given), team=team, name=name)
    check(of_weight, expected(conv, x, given.expected), element)
    check(of_bias, given.expected.sum((0, 2, 3)), element)
    assert of_weight is not None
    assert of_weight.stride() == weight.stride()


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


def test_an_empty_batch_has_no_gradient() -> None:
    run(CONV, (0, 8, 8), After())


@pytest.mark.parametrize("team", [1, 2])
def test_the_same_bits_every_time(team: int) -> None:
    torch.manual_seed(0)
    conv = ConvProblem(16, 20, (3, 3), padding=(1, 1, 1, 1))
    x, weight = inputs(conv, (4, 20, 20), torch.float32, "channels_last"), torch.randn(conv.weight_shape)
    given = backpropagated(torch.randn(4, 20, 20, 20), After("relu"))
    block = BlockProblem(conv, "relu")
    first = gradients(block, (x, weight, given), team=team)
    for _ in range(5):
        again = gradients(block, (x, weight, given), team=team)
        assert all(torch.equal(a, b) for a, b in zip(first[1:], again[1:], strict=True))  # type: ignore[arg-type]


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
    none, of_weight, of_bias = gradients(block, (x, weights, given), needs=Needs(False, weight, bias))
    assert none is None
    assert (of_weight is not None) == weight
    assert (of_bias is not None) == bias
    if of_weight is not None:
        check(of_weight, expected(CONV, x, given.expected), "float32")
    if of_bias is not None:
        check(of_bias, given.expected.sum((0, 2, 3)), "float32")


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
    assert 27 % tile.rows in (0, *range(tile.rows - 3, tile.rows))
    assert isinstance(best_cut(shape(1, 3, 32, 8), 1), Cut)
    assert isinstance(tile, Tile)
