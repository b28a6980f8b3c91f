"""The modules against torch.nn.Conv2d, argument by argument."""

from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

import convitro
from convitro import Conv2d, ConvBlock, LogSumExp
from convitro.errors import ArgumentError, ConvitroError

PAIR = st.tuples(st.integers(1, 3), st.integers(1, 3))


@given(
    kernel=PAIR,
    stride=PAIR,
    dilation=PAIR,
    padding=st.one_of(st.tuples(st.integers(0, 2), st.integers(0, 2)), st.sampled_from(["same", "valid"])),
    groups=st.integers(1, 3),
    mode=st.sampled_from(["zeros", "reflect", "replicate", "circular"]),
    bias=st.booleans(),
    size=st.tuples(st.integers(4, 9), st.integers(4, 9)),
)
@settings(max_examples=150, deadline=None)
def test_equals_torch(
    kernel: Any, stride: Any, dilation: Any, padding: Any, groups: int, mode: str, bias: bool, size: Any
) -> None:
    assume(padding != "same" or stride == (1, 1))
    # Torch warns there; the contract has its own test.
    assume(padding != "same" or all(k % 2 for k in kernel))
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    assume(all(r <= s for r, s in zip(reach, size, strict=True)))
    arguments: Any = (2 * groups, 3 * groups, kernel, stride, padding, dilation, groups, bias, mode)
    torch.manual_seed(1)
    theirs = nn.Conv2d(*arguments)
    torch.manual_seed(1)
    ours = Conv2d(*arguments)
    input = torch.randn(2, 2 * groups, *size)
    assert repr(ours) == repr(theirs)
    torch.testing.assert_close(ours(input), theirs(input), rtol=1e-5, atol=1e-5)
    by_steps = convitro.functional.conv2d(
        input,
        ours.weight,
        ours.bias,
        stride,
        padding,
        dilation,
        groups,
        padding_mode=mode,
        algorithm="reference",
    )
    torch.testing.assert_close(by_steps, theirs(input), rtol=1e-4, atol=1e-5)


def test_is_a_conv2d_with_device_and_dtype() -> None:
    layer = Conv2d(3, 4, 3, device="meta", dtype=torch.float16, aggregation="max")
    assert isinstance(layer, nn.Conv2d)
    assert layer.weight.is_meta
    assert layer.weight.dtype == torch.float16


def test_repr_shows_what_differs() -> None:
    layer = Conv2d(3, 4, 3, aggregation=LogSumExp(beta=5.0), window="max", combine="add")
    assert repr(layer) == (
        "Conv2d(3, 4, kernel_size=(3, 3), stride=(1, 1), "
        "aggregation=logsumexp(beta=5.0), window=max, combine=add)"
    )


def test_from_conv2d_shares_the_parameters() -> None:
    theirs = nn.Conv2d(4, 6, 3, padding=1, groups=2, padding_mode="reflect").eval()
    ours = Conv2d.from_conv2d(theirs, "max")
    assert ours.weight is theirs.weight
    assert not ours.training
    input = torch.randn(1, 4, 5, 5)
    torch.testing.assert_close(Conv2d.from_conv2d(theirs)(input), theirs(input))
    expected = Conv2d(4, 6, 3, padding=1, groups=2, padding_mode="reflect", aggregation="max")
    expected.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(ours(input), expected(input))
    again = Conv2d.from_conv2d(Conv2d(3, 4, 3, combine="add", window="max"), "mean")
    assert (again.combine, again.window.name, again.aggregation.name) == ("add", "max", "mean")
    with pytest.raises(ArgumentError, match=r"expected: a torch\.nn\.Conv2d"):
        Conv2d.from_conv2d(nn.Linear(3, 4))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 4, 3), "`in_channels` is not a positive integer"),
        ((3, -4, 3), "`out_channels` is not a positive integer"),
        ((3, 4, 0), "`kernel_size` is too small"),
        ((3, 4, (3, 3, 3)), "one or two integers"),
        ((3, 4, 3, 0), "`stride` is too small"),
        ((3, 4, 3, 1, "sam"), 'did you mean "same"'),
        ((3, 4, 3, 1, 0, 1, 2), "does not divide the input channels"),
        ((4, 3, 3, 1, 0, 1, 2), "does not divide the filters"),
        ((3, 4, 3, 1, 0, 1, 1, True, "mirror"), "unknown padding_mode"),
    ],
)
def test_bad_arguments(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ConvitroError, match=message):
        Conv2d(*arguments)


def test_block_has_real_children_that_hooks_see() -> None:
    block = ConvBlock(3, 4, 3, padding=1, aggregation="max", activation="leaky_relu", pool=3, pool_stride=2)
    seen = []
    for name, child in block.named_children():
        child.register_forward_hook(lambda *_, name=name: seen.append(name))
    input = torch.randn(1, 3, 8, 8)
    expected = convitro.functional.conv_block(
        input,
        block.conv.weight,
        block.conv.bias,
        padding=1,
        aggregation="max",
        activation="leaky_relu",
        pool=3,
        pool_stride=2,
    )
    torch.testing.assert_close(block(input), expected)
    assert seen == ["conv", "activation", "pool"]


def test_block_refuses() -> None:
    with pytest.raises(ArgumentError, match="unknown activation"):
        ConvBlock(3, 4, 3, activation="relu7")
    with pytest.raises(ArgumentError, match="`pool` is too small"):
        ConvBlock(3, 4, 3, pool=0)


def test_trains() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        ConvBlock(1, 8, 3, aggregation="logsumexp"),
        ConvBlock(8, 8, 3, aggregation="max"),
        nn.Flatten(),
        nn.Linear(8, 2),
    )
    images = torch.randn(32, 1, 10, 10)
    labels = (images.mean((1, 2, 3)) > 0).long()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    losses = []
    for _ in range(40):
        loss = nn.functional.cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]
