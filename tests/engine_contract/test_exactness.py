"""Where arithmetic is exact, so are results: integers, batches one by one, calls twice, memory formats."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from convitro import functional
from tests.engine_contract.cases import Case, Tensors
from tests.engine_contract.checks import check_exact
from tests.engine_contract.families import FAMILIES

PIECEWISE_LINEAR = {
    name: replace(case, activation="relu" if case.activation == "relu" else "none", integers=True)
    for name, case in FAMILIES.items()
    if name != "bfloat16"
}


@pytest.mark.parametrize("name", [name for name in PIECEWISE_LINEAR if not name.startswith("winograd")])
def test_small_integers_have_no_error(name: str) -> None:
    case = PIECEWISE_LINEAR[name]
    check_exact(case if case.algorithm != "auto" else replace(case, algorithm="direct"))


def test_bfloat16_sums_are_rounded_once() -> None:
    input, weight = torch.full((1, 3, 1, 1), 85.0), torch.tensor([1.0, 2.0, 0.03125]).reshape(1, 3, 1, 1)
    result = functional.conv2d(input.bfloat16(), weight.bfloat16(), algorithm="direct")
    assert result.item() == torch.tensor(257.65625).bfloat16().item()


@pytest.mark.parametrize("algorithm", ["auto", "direct"])
def test_three_channels_are_added(algorithm: str) -> None:
    image = torch.tensor([1.0, 100.0, 10000.0]).reshape(1, 3, 1, 1).expand(1, 3, 3, 3)
    maps = functional.conv2d(image, torch.ones(1, 3, 2, 2), algorithm=algorithm)
    assert maps.tolist() == [[[[40404.0, 40404.0], [40404.0, 40404.0]]]]


def results(case: Case) -> list[Tensor]:
    leaves = case.tensors().leaves()
    output = case.block(leaves)
    return [output.detach(), *torch.autograd.grad(output, leaves.given, case.gradient(output))]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", ["direct", "winograd", "depthwise", "grouped", "strided"])
def test_the_same_bits_twice(name: str, threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        first, second = results(FAMILIES[name]), results(FAMILIES[name])
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("name", ["direct", "winograd", "depthwise", "grouped", "strided"])
def test_with_and_without_gradients_the_output_is_the_same(name: str) -> None:
    case = FAMILIES[name]
    with torch.no_grad():
        alone, switches = case.block(case.tensors().leaves(), return_switches=True)
        plain = case.block(case.tensors().leaves())
    output, winners = case.block(case.tensors().leaves(), return_switches=True)
    assert torch.equal(alone, output)
    assert torch.equal(plain, output)
    assert switches is winners is None or torch.equal(switches, winners)


@pytest.mark.parametrize("name", ["direct", "winograd", "depthwise", "grouped", "dense"])
@pytest.mark.parametrize("form", ["contiguous", "channels_last"])
def test_a_batch_is_its_images_one_by_one(name: str, form: str) -> None:
    case = replace(FAMILIES[name], images=5, input=form)
    input, weight, bias = case.tensors().all
    together = case.block(case.tensors())
    for number in range(5):
        image = input[number : number + 1]
        alone = case.block(Tensors(image, weight, bias))
        assert torch.equal(alone, together[number : number + 1])


@pytest.mark.parametrize("name", ["direct", "winograd", "depthwise", "grouped"])
def test_memory_formats_of_the_input_change_no_bit(name: str) -> None:
    case = FAMILIES[name]
    input, weight, bias = case.tensors().all
    expected = case.block(case.tensors())
    for view in (
        input.contiguous(memory_format=torch.channels_last),
        input.transpose(2, 3).contiguous().transpose(2, 3),
        torch.stack([input, input], -1)[..., 0],
    ):
        assert torch.equal(case.block(Tensors(view, weight, bias)), expected)


@pytest.mark.parametrize(
    "sizes", [(2, 4, 5, 6), (1, 4, 5, 6), (2, 1, 5, 6), (2, 4, 1, 6), (2, 4, 5, 1), (2, 4, 1, 1)]
)
@pytest.mark.parametrize("filters", [1, 8])
@pytest.mark.parametrize("input_last", [False, True])
@pytest.mark.parametrize("weight_last", [False, True])
def test_the_output_has_the_memory_format_of_pytorchs(
    sizes: tuple[int, int, int, int], filters: int, input_last: bool, weight_last: bool
) -> None:
    """As far as the order in memory matters: axes of size 1 may have any stride."""
    formats = (torch.contiguous_format, torch.channels_last)
    input = torch.randn(sizes).contiguous(memory_format=formats[input_last])
    weight = torch.randn(filters, sizes[1], 3, 3).contiguous(memory_format=formats[weight_last])
    ours, theirs = functional.conv2d(input, weight, padding=1), F.conv2d(input, weight, padding=1)
    for memory in formats:
        assert ours.is_contiguous(memory_format=memory) == theirs.is_contiguous(memory_format=memory)
