"""PyTorch's own samples of conv2d and max_pool2d through ours: values, gradients, and what is refused."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from convitro import functional
from convitro.errors import ConvitroError

ROOT = Path(__file__).parents[2]
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 2e-2}
Sample = tuple[Tensor, tuple[Any, ...], dict[str, Any]]


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Any:
    file = tmp_path_factory.mktemp("samples") / "samples.pt"
    command = [sys.executable, "-m", "tests.engine_contract.pytorch_samples", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return torch.load(file, weights_only=True)


def check_equal(ours: Any, theirs: Any, leaves: list[Tensor]) -> None:
    """Outputs and gradients of a fixed weighing."""
    tolerance = TOLERANCE[theirs.dtype]
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=10 * tolerance)
    given = torch.linspace(-1, 2, theirs.numel()).to(theirs.dtype).view(theirs.shape)
    found, expected = (torch.autograd.grad(output, leaves, given) for output in (ours, theirs))
    for gradient, other in zip(found, expected, strict=True):
        torch.testing.assert_close(gradient, other, rtol=tolerance, atol=20 * tolerance)


@pytest.mark.filterwarnings(
    "ignore:Using padding='same' with even kernel:UserWarning"
)  # torch's, of its own layer
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_conv2d(samples: Any, dtype: torch.dtype) -> None:
    good: list[Sample] = samples["nn.functional.conv2d"]["good"]
    assert len(good) >= 30
    for input, others, keywords in good:
        tensors: Any = [None if t is None else t.to(dtype).requires_grad_() for t in (input, *others)]
        ours, theirs = functional.conv2d(*tensors, **keywords), F.conv2d(*tensors, **keywords)
        check_equal(ours, theirs, [t for t in tensors if t is not None])


def test_conv2d_refuses_what_pytorch_refuses(samples: Any) -> None:
    wrong: list[Sample] = samples["nn.functional.conv2d"]["wrong"]
    assert len(wrong) >= 10
    for input, others, keywords in wrong:
        with pytest.raises(RuntimeError, match=r"."):
            F.conv2d(input, *others, **keywords)
        with pytest.raises((ConvitroError, RuntimeError), match=r"conv2d: .*\n|should be the same"):
            functional.conv2d(input, *others, **keywords)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_max_pool2d(samples: Any, dtype: torch.dtype) -> None:
    """As the pooling of a block whose kernel is one pixel of one; padding and holes a block does not have."""
    done = 0
    for input, _, keywords in samples["nn.functional.max_pool2d"]["good"]:
        plain = not keywords["ceil_mode"] and keywords["padding"] in (0, (0, 0)) and keywords["dilation"] == 1
        if not plain or input.shape[-3] == 0:
            continue
        done += 1
        leaf = input.to(dtype).requires_grad_()
        size, step, channels = keywords["kernel_size"], keywords["stride"], input.shape[-3]
        ours, switches = functional.conv_block(
            leaf,
            torch.ones(channels, 1, 1, 1, dtype=dtype),
            groups=channels,
            activation="none",
            pool=size,
            pool_stride=step,
            return_switches=True,
        )
        assert switches is not None
        theirs, indices = F.max_pool2d(leaf, size, step, return_indices=True)
        check_equal(ours, theirs, [leaf])
        height, width = (size, size) if isinstance(size, int) else size
        down, right = (height, width) if step is None else (step, step) if isinstance(step, int) else step
        rows, columns = (torch.arange(count) for count in indices.shape[-2:])
        row = (rows * down)[:, None] + switches.long() // width
        assert torch.equal(row * input.shape[-1] + columns * right + switches.long() % width, indices)
    assert done >= 40
