"""The layer among PyTorch's own: compile, export, opcheck, copies, function overrides."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.overrides import TorchFunctionMode

from convitro import Conv2d, ConvBlock, LogSumExp, aggregations, functional
from convitro.errors import UnsupportedError

ALL = aggregations()


@pytest.mark.parametrize("algorithm", ["fold", "reference"])
@pytest.mark.parametrize("specs", ["max|sum|multiply", "product|max|add", "softmax(beta=2.0)|sum|multiply"])
def test_the_operator_keeps_the_rules_of_torch(specs: str, algorithm: str) -> None:
    input = torch.randn(2, 4, 5, 5, requires_grad=True)
    weight = torch.randn(2, 2, 3, 3, requires_grad=True)
    arguments = (input, weight, [1, 1], [1, 1, 1, 1], [1, 1], 2, specs, algorithm, True)
    torch.library.opcheck(torch.ops.convitro.aggregate.default, arguments)


@pytest.mark.parametrize("algorithm", ["fold", "reference"])
@pytest.mark.parametrize("name", [name for name in ALL if name != "none"])  # which is a rewrite of "sum"
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_fake_results_are_like_the_real_ones(
    name: str, algorithm: str, memory_format: torch.memory_format
) -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    input = torch.randn(2, 4, 7, 6).to(memory_format=memory_format)
    weight, aggregate = torch.randn(6, 2, 3, 2), torch.ops.convitro.aggregate
    layer = ([2, 1], [1, 1, 2, 2], [1, 1], 2, f"{name}|sum|multiply", algorithm, True)
    with FakeTensorMode() as mode:
        fakes = aggregate(mode.from_tensor(input), mode.from_tensor(weight), *layer)
    forms = [(part.shape, part.dtype, part.stride()) for part in aggregate(input, weight, *layer)]
    assert [(fake.shape, fake.dtype, fake.stride()) for fake in fakes] == forms


@pytest.mark.parametrize("name", ["sum", "max", "logsumexp(beta=5.0)", "none"])
def test_compile_without_a_graph_break(name: str) -> None:
    layer = Conv2d(4, 6, 3, padding="same", groups=2, aggregation=name)
    compiled: Callable[[Tensor], Tensor] = torch.compile(layer, fullgraph=True, backend="aot_eager")
    input = torch.randn(2, 4, 6, 6, requires_grad=True)
    torch.testing.assert_close(compiled(input), layer(input))
    ours = torch.autograd.grad(compiled(input).square().sum(), (input, layer.weight))
    torch.testing.assert_close(ours, torch.autograd.grad(layer(input).square().sum(), (input, layer.weight)))


def test_compile_with_a_name_and_parameters_in_the_call() -> None:
    def layer(input: Tensor, weight: Tensor) -> Tensor:
        return functional.conv2d(input, weight, aggregation="norm(q=3)", window="logsumexp(beta=2.5)")

    compiled: Callable[[Tensor, Tensor], Tensor] = torch.compile(layer, fullgraph=True, backend="aot_eager")
    input, weight = torch.randn(1, 3, 6, 6), torch.randn(2, 3, 3, 3)
    torch.testing.assert_close(compiled(input, weight), layer(input, weight))


@pytest.mark.parametrize("name", ["sum", "max", "none"])
def test_export_with_any_batch_size(name: str) -> None:
    block = ConvBlock(3, 4, 3, padding=1, aggregation=name).eval()
    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(block, (torch.randn(2, 3, 8, 8),), dynamic_shapes=({0: batch},))
    input = torch.randn(5, 3, 8, 8)
    torch.testing.assert_close(program.module()(input), block(input))


@pytest.mark.parametrize("name", ALL)
def test_copy_and_pickle_keep_everything(name: str) -> None:
    layer = Conv2d(4, 4, (3, 2), stride=2, padding=1, groups=2, padding_mode="circular", aggregation=name)
    input = torch.randn(1, 4, 8, 8)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert repr(twin) == repr(layer)
        assert twin.weight is not layer.weight
        torch.testing.assert_close(twin(input), layer(input), rtol=0, atol=0)


def test_state_dict_goes_both_ways_with_torch() -> None:
    ours, theirs = Conv2d(3, 8, 3, aggregation=LogSumExp(beta=5.0)), nn.Conv2d(3, 8, 3)
    theirs.load_state_dict(ours.state_dict())
    assert torch.equal(theirs.weight, ours.weight)
    nn.init.zeros_(theirs.weight)
    ours.load_state_dict(theirs.state_dict())
    assert not ours.weight.any()


def test_state_dict_keeps_the_aggregation_through_a_file(tmp_path: Any) -> None:
    saved = nn.Sequential(Conv2d(3, 8, 3, aggregation=LogSumExp(beta=5.0)))
    torch.save(saved.state_dict(), tmp_path / "weights.pt")
    state = torch.load(tmp_path / "weights.pt", weights_only=True)
    nn.Sequential(Conv2d(3, 8, 3, aggregation="logsumexp(beta=5)")).load_state_dict(state)
    other = nn.Sequential(Conv2d(3, 8, 3, aggregation="max"))
    with pytest.raises(RuntimeError, match=r"0\.aggregation=logsumexp\(beta=5\.0\) \(this layer has max\)"):
        other.load_state_dict(state)
    other.load_state_dict(state, strict=False)
    assert torch.equal(other.state_dict()["0.weight"], saved.state_dict()["0.weight"])


def test_a_function_mode_sees_the_layer_as_one_call() -> None:
    seen = []

    class Watch(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            seen.append(func)
            return func(*args, **(kwargs or {}))

    with Watch():
        Conv2d(3, 4, 3, aggregation="max")(torch.randn(1, 3, 5, 5))
    assert seen.count(functional.conv2d) == 1


@pytest.mark.parametrize("window", ["sum", "max"])
def test_one_gradient_alone_is_that_of_both(window: str) -> None:
    input, weight = torch.randn(2, 4, 5, 5, requires_grad=True), torch.randn(2, 2, 3, 3, requires_grad=True)

    def gradients(input: Tensor, weight: Tensor) -> list[Tensor]:
        output = functional.conv2d(input, weight, padding=1, groups=2, aggregation="softmax", window=window)
        wanted = [tensor for tensor in (input, weight) if tensor.requires_grad]
        return list(torch.autograd.grad(output.square().sum(), wanted))

    both = gradients(input, weight)
    torch.testing.assert_close(gradients(input, weight.detach()), both[:1])
    torch.testing.assert_close(gradients(input.detach(), weight), both[1:])


def test_gradients_only_where_they_are_asked_for() -> None:
    input, weight = torch.randn(1, 3, 5, 5), torch.randn(2, 3, 3, 3, requires_grad=True)
    functional.conv2d(input, weight, aggregation="max").sum().backward()
    assert input.grad is None
    assert weight.grad is not None
    with torch.no_grad():
        assert not functional.conv2d(input, weight, aggregation="max").requires_grad


def test_a_second_derivative_is_refused_not_wrong() -> None:
    input, weight = torch.randn(1, 3, 5, 5, requires_grad=True), torch.randn(2, 3, 3, 3, requires_grad=True)
    output = functional.conv2d(input, weight, aggregation="logsumexp")
    (gradient,) = torch.autograd.grad(output.sum(), input, create_graph=True)
    with pytest.raises(RuntimeError, match=r"no autograd formula|does not require grad"):
        gradient.sum().backward()


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")  # by torch itself
def test_forward_mode_is_refused_not_wrong() -> None:
    input, weight = torch.randn(1, 3, 5, 5), torch.randn(2, 3, 3, 3)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(weight, weight)
        with pytest.raises(UnsupportedError, match="use reverse mode"):
            functional.conv2d(input, dual, aggregation="max")
