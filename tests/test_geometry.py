"""The arithmetic of a layer against torch's own shapes."""

import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from convitro.geometry import conv_problem

PAIR = st.tuples(st.integers(1, 4), st.integers(1, 4))


@given(
    kernel=PAIR,
    stride=PAIR,
    dilation=PAIR,
    padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    groups=st.integers(1, 2),
)
@settings(max_examples=200, deadline=None)
def test_output_size_parameters_and_macs(
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    padding: tuple[int, int],
    groups: int,
) -> None:
    layer = torch.nn.Conv2d(2 * groups, 4 * groups, kernel, stride, padding, dilation, groups, device="meta")
    problem = conv_problem(layer.weight.shape, stride, padding, dilation, groups)
    assume(problem.extent[0] <= 11 + 2 * padding[0])
    assume(problem.extent[1] <= 9 + 2 * padding[1])
    output = layer(torch.zeros(3, 2 * groups, 11, 9, device="meta"))
    assert problem.output_size(11, 9) == tuple(output.shape[-2:])
    assert problem.parameters(bias=True) == sum(p.numel() for p in layer.parameters())
    assert problem.macs(3, 11, 9) == output.numel() * 2 * kernel[0] * kernel[1]
    assert problem.weight_shape == tuple(layer.weight.shape)
    assert problem.in_channels == 2 * groups


def test_the_layer_of_the_three_channel_example_has_thirteen_parameters() -> None:
    assert conv_problem((1, 3, 2, 2)).parameters(bias=True) == 13
