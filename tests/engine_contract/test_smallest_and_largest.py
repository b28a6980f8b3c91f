"""Empty batches, images of one pixel, kernels as large as the image, large steps, many channels."""

from dataclasses import replace

import pytest
import torch

from tests.engine_contract.cases import Case
from tests.engine_contract.checks import check_backward, check_forward
from tests.engine_contract.families import FAMILIES


@pytest.mark.parametrize("name", ["direct", "depthwise", "grouped", "strided", "bfloat16"])
def test_an_empty_batch_has_zero_gradients(name: str) -> None:
    case = replace(FAMILIES[name], images=0, algorithm="auto")
    leaves = case.tensors().leaves()
    output = case.block(leaves)
    found = torch.autograd.grad(output.sum(), leaves.given)
    assert [gradient.shape for gradient in found] == [leaf.shape for leaf in leaves.given]
    assert not any(gradient.any() for gradient in found)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_gradient_of_zeros_gives_zeros(name: str) -> None:
    case = FAMILIES[name]
    leaves = case.tensors().leaves()
    output = case.block(leaves)
    found = torch.autograd.grad(output, leaves.given, torch.zeros_like(output))
    assert not any(gradient.any() for gradient in found)


@pytest.mark.parametrize(
    "case",
    [
        Case(channels=1, filters=1, kernel=(1, 1), images=1, size=(1, 1), padding=(0, 0)),
        Case(channels=9, filters=17, size=(1, 1)),
        Case(channels=9, filters=17, size=(1, 1), algorithm="winograd"),
        Case(
            channels=8, filters=8, kernel=(5, 5), size=(1, 1), padding=(3, 3), pool=(3, 3), pool_stride=(2, 2)
        ),
        Case(channels=5, filters=7, size=(1, 20), pool=(1, 3), pool_stride=(1, 1)),
        Case(channels=5, filters=7, size=(20, 1), pool=(3, 1), pool_stride=(2, 1)),
    ],
)
def test_images_of_one_pixel_row_or_column(case: Case) -> None:
    check_backward(case)


@pytest.mark.parametrize("size", [(5, 4), (2, 7)])
def test_the_kernel_is_as_large_as_the_image(size: tuple[int, int]) -> None:
    check_backward(Case(channels=9, filters=10, kernel=size, size=size, padding=(0, 0)))
    check_backward(Case(channels=9, filters=10, kernel=(size[0] + 2, 1), size=size, padding=(1, 0)))


def test_the_pooling_window_is_as_large_as_the_map() -> None:
    check_backward(Case(channels=3, filters=9, size=(15, 17), pool=(15, 17), activation="none"))


@pytest.mark.parametrize("stride", [(5, 7), (2, 9)])
@pytest.mark.parametrize("kernel", [(1, 1), (2, 3)])
def test_steps_are_larger_than_the_kernel(stride: tuple[int, int], kernel: tuple[int, int]) -> None:
    check_backward(Case(channels=5, filters=9, kernel=kernel, size=(13, 20), stride=stride, padding=(0, 1)))


def test_padding_is_larger_than_the_kernel() -> None:
    check_backward(Case(channels=5, filters=9, kernel=(1, 2), size=(3, 2), padding=(3, 5), pool=(2, 2)))


@pytest.mark.parametrize(
    "case",
    [
        Case(channels=513, filters=3, size=(6, 5), pool=(2, 2)),
        Case(channels=3, filters=513, size=(5, 6), activation="none"),
        Case(channels=513, filters=2, kernel=(1, 1), size=(4, 5), padding=(0, 0), input="channels_last"),
        Case(channels=1, filters=1, groups=513, size=(5, 5)),
    ],
)
def test_many_channels(case: Case) -> None:
    check_backward(case)
    check_forward(replace(case, images=1, weight="channels_last"))
