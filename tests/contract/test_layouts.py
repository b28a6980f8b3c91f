"""Memory formats, views, dtypes, batches, devices of tensors: none of them may change a number."""

import pytest
import torch
import torch.nn.functional as F

from convitro import aggregations, functional

ALL = aggregations()


@pytest.mark.parametrize("name", ALL)
def test_any_memory_format_and_view(name: str) -> None:
    input, weight = torch.randn(2, 4, 6, 7), torch.randn(6, 4, 3, 3)
    expected = functional.conv2d(input, weight, padding=1, aggregation=name)
    views = [
        input.contiguous(memory_format=torch.channels_last),
        input.permute(3, 0, 1, 2).contiguous().permute(1, 2, 3, 0),
        torch.cat([input, input], dim=3)[..., :7],
        input.flip(2).flip(2),
    ]
    for view in views:
        torch.testing.assert_close(functional.conv2d(view, weight, padding=1, aggregation=name), expected)
    swapped = weight.transpose(2, 3).contiguous().transpose(2, 3)
    torch.testing.assert_close(functional.conv2d(input, swapped, padding=1, aggregation=name), expected)


@pytest.mark.parametrize("name", ALL)
def test_expanded_and_overlapping_input(name: str) -> None:
    weight = torch.randn(2, 3, 2, 2)
    expanded = torch.randn(1, 1, 5, 5).expand(2, 3, 5, 5)
    overlapping = torch.randn(40).as_strided((1, 3, 5, 5), (40, 2, 5, 1))
    for input in (expanded, overlapping):
        torch.testing.assert_close(
            functional.conv2d(input, weight, aggregation=name),
            functional.conv2d(input.clone(), weight, aggregation=name),
        )


@pytest.mark.parametrize("name", ALL)
def test_unbatched_and_empty_and_split_batches(name: str) -> None:
    input, weight, bias = torch.randn(3, 4, 6, 5), torch.randn(2, 4, 3, 3), torch.randn(2)
    whole = functional.conv2d(input, weight, bias, aggregation=name)
    torch.testing.assert_close(functional.conv2d(input[1], weight, bias, aggregation=name), whole[1])
    empty = functional.conv2d(input[:0], weight, bias, aggregation=name)
    assert empty.shape == (0, *whole.shape[1:])
    parts = [functional.conv2d(part, weight, bias, aggregation=name) for part in input.split(2)]
    torch.testing.assert_close(torch.cat(parts), whole)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_dtypes(name: str, dtype: torch.dtype) -> None:
    input = torch.randn(2, 4, 5, 5, dtype=dtype, requires_grad=True)
    weight = torch.randn(2, 4, 3, 3, dtype=dtype, requires_grad=True)
    bias = torch.randn(2, dtype=dtype)
    output = functional.conv2d(input, weight, bias, aggregation=name)
    exact = functional.conv2d(input.double(), weight.double(), bias.double(), aggregation=name)
    tolerance = {torch.float16: 3e-3, torch.bfloat16: 3e-2, torch.float32: 1e-5, torch.float64: 1e-12}[dtype]
    assert output.dtype == dtype
    torch.testing.assert_close(
        output.double(), exact, rtol=tolerance, atol=tolerance * exact.detach().abs().max().item()
    )
    output.sum().backward()
    assert input.grad is not None
    assert weight.grad is not None
    assert input.grad.dtype == weight.grad.dtype == dtype
    assert input.grad.isfinite().all()


@pytest.mark.parametrize("name", ["sum", "max", "logsumexp", "none"])
def test_autocast_takes_float32_and_gives_bfloat16(name: str) -> None:
    input, weight, bias = torch.randn(1, 4, 5, 5), torch.randn(2, 4, 3, 3), torch.randn(2)
    with torch.autocast("cpu", torch.bfloat16):
        output = functional.conv2d(input, weight, bias, aggregation=name)
    assert output.dtype == torch.bfloat16
    exact = functional.conv2d(input, weight, bias, aggregation=name)
    torch.testing.assert_close(output.float(), exact, rtol=0.05, atol=0.2)


@pytest.mark.parametrize("name", ALL)
def test_shapes_without_data(name: str) -> None:
    input, weight = torch.randn(2, 4, 5, 6), torch.randn(2, 4, 3, 3)
    expected = functional.conv2d(input, weight, stride=2, padding=1, aggregation=name)
    abstract = functional.conv2d(input.to("meta"), weight.to("meta"), stride=2, padding=1, aggregation=name)
    assert (abstract.shape, abstract.dtype) == (expected.shape, expected.dtype)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("name", ["sum", "max"])
def test_padding_modes_pad_first(name: str, mode: str) -> None:
    input, weight = torch.randn(2, 4, 6, 5), torch.randn(2, 4, 3, 3)
    ours = functional.conv2d(input, weight, padding=(2, 1), aggregation=name, padding_mode=mode)
    padded = F.pad(input, (1, 1, 2, 2), mode=mode)
    torch.testing.assert_close(ours, functional.conv2d(padded, weight, aggregation=name))


@pytest.mark.filterwarnings(
    "ignore:Using padding='same' with even kernel:UserWarning"
)  # torch's, of its own layer
@pytest.mark.parametrize("kernel", [(1, 1), (2, 2), (3, 4), (5, 2)])
@pytest.mark.parametrize("name", ["sum", "mean", "max"])
def test_same_padding_is_asymmetric_for_even_kernels_as_in_pytorch(
    name: str, kernel: tuple[int, int]
) -> None:
    input, weight = torch.randn(2, 3, 7, 6), torch.randn(4, 3, *kernel)
    kept = functional.conv2d(input, weight, padding="same", dilation=(1, 2), aggregation="none")
    by_torch = F.conv2d(
        input, weight.transpose(0, 1).reshape(12, 1, *kernel), padding="same", dilation=(1, 2), groups=3
    )
    expected = by_torch.unflatten(1, (3, 4)).transpose(1, 2)  # (N, C_out, C_in, H, W)
    torch.testing.assert_close(kept, expected.flatten(1, 2))
    reduce = {"sum": expected.sum(2), "mean": expected.mean(2), "max": expected.amax(2)}[name]
    torch.testing.assert_close(
        functional.conv2d(input, weight, padding="same", dilation=(1, 2), aggregation=name), reduce
    )


def test_the_blocks_of_the_reference_meet_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    from convitro import reference

    input = torch.randn(2, 6, 9, 8, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 3, 3, 2, dtype=torch.float64, requires_grad=True)
    for name, window in (("max", "sum"), ("softmax", "max"), ("median", "sum"), ("std", "logsumexp")):
        results = []
        for scratch in (2**30, 2**17, 2**14, 1):
            monkeypatch.setattr(reference, "SCRATCH_BYTES", scratch)
            output = functional.conv2d(
                input,
                weight,
                stride=(2, 1),
                padding=(2, 1),
                dilation=(1, 2),
                groups=2,
                aggregation=name,
                window=window,
            )
            results.append((output, *torch.autograd.grad(output.square().sum(), (input, weight))))
        for result in results[1:]:
            torch.testing.assert_close(result, results[0])
