"""Which functions a program may call: PyTorch's own operators on tensors, by name, from a list.

A program is a list of names and numbers. It is not evaluated: a name that is not on the list is refused.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convitro.errors import LoadError, UnsupportedError

Function = Callable[..., Any]
ATEN = re.compile(r"torch\.ops\.aten\.(\w+)\.(\w+)")
CHECKS = {"_assert_scalar", "_assert_async", "_assert_tensor_metadata", "sym_constrain_range_for_size"}
CHECKS |= {"sym_constrain_range"}

# Operators whose names begin with an underscore are PyTorch's inner parts, and not all check what they get.
INNER = {"_softmax", "_log_softmax", "_to_copy", "_unsafe_view", "_adaptive_avg_pool2d", "_reshape_alias"}
INNER |= {"_adaptive_avg_pool3d", "_native_batch_norm_legit_no_training", "_native_batch_norm_legit"}
INNER |= {
    "_scaled_dot_product_flash_attention_for_cpu",
    "_prelu_kernel",
    "_weight_norm",
    "_batch_norm_with_update",
}
# Arguments of text that say how something is computed; others (names of files) are not passed on.
TEXT = {
    "padding",
    "mode",
    "approximate",
    "rounding_mode",
    "reduce",
    "equation",
    "indexing",
    "UPLO",
    "side",
    "ord",
}

LARGEST_NUMBER = 2**63


def on_numbers(function: Function) -> Function:
    """The same function on single numbers only, with results that a tensor could have as a size."""

    def limited(*numbers: Any) -> Any:
        if not all(isinstance(number, (bool, int, float, Tensor)) for number in numbers):
            raise TypeError(f"numbers expected, not {', '.join(type(number).__name__ for number in numbers)}")
        result = function(*numbers)
        if isinstance(result, int) and abs(result) > LARGEST_NUMBER:
            raise OverflowError("a size beyond 64 bits")
        return result

    return limited


ON_NUMBERS: dict[str, Function] = {
    "_operator.add": operator.add,
    "_operator.sub": operator.sub,
    "_operator.mul": operator.mul,
    "_operator.floordiv": operator.floordiv,
    "_operator.truediv": operator.truediv,
    "_operator.mod": operator.mod,
    "_operator.neg": operator.neg,
    "_operator.eq": operator.eq,
    "_operator.ne": operator.ne,
    "_operator.lt": operator.lt,
    "_operator.le": operator.le,
    "_operator.gt": operator.gt,
    "_operator.ge": operator.ge,
    "_operator.and_": operator.and_,
    "_operator.or_": operator.or_,
    "math.ceil": lambda value: -int(-value // 1),
    "math.floor": lambda value: int(value // 1),
    "math.trunc": int,
    "torch.sym_float": float,
    "torch.sym_int": int,
    "torch.sym_max": max,
    "torch.sym_min": min,
    "torch.sym_not": operator.not_,
}
ARITHMETIC = {name: on_numbers(function) for name, function in ON_NUMBERS.items()}
ARITHMETIC["_operator.getitem"] = operator.getitem

# The same operators as the functions that people write; observing a run knows these best.
IN_TORCH = """
    conv1d conv2d conv3d conv_transpose1d conv_transpose3d batch_norm layer_norm group_norm instance_norm
    relu relu_ sigmoid sigmoid_ tanh tanh_ add sub mul div cat stack chunk split flatten squeeze unsqueeze
    permute transpose mean sum softmax log_softmax clamp clamp_ clamp_min clamp_max matmul mm bmm dropout exp
    sqrt rsqrt abs neg pow
""".split()  # noqa: SIM905 - one per line would hide that they are many
IN_FUNCTIONAL = """
    max_pool2d avg_pool2d adaptive_avg_pool2d linear gelu silu mish hardswish hardsigmoid
    hardtanh hardtanh_ leaky_relu leaky_relu_ selu celu relu6 softplus logsigmoid prelu pad
""".split()  # noqa: SIM905
WITH_PLACES: dict[str, Function] = {
    "max_pool2d_with_indices": F.max_pool2d_with_indices,
    "adaptive_max_pool2d": F.adaptive_max_pool2d_with_indices,
}
OF_TENSORS = ("view", "reshape", "expand", "contiguous", "clone", "detach", "add_", "mul_", "sub_", "div_")


def function_for(target: Any) -> tuple[Function, Mapping[str, bool]] | None:
    """What a node calls, and its arguments: name -> whether it is passed by name.

    Returns:
        None for a node that only checks something.

    Raises:
        LoadError: a name that stands for no operator of PyTorch.
        UnsupportedError: one that is not on the list.
    """
    if target in ARITHMETIC:
        return ARITHMETIC[target], {}
    match = ATEN.fullmatch(target) if isinstance(target, str) else None
    if match is None:
        raise refused(target, "it is no operator of PyTorch's own on tensors")
    name, overload = match.groups()
    if name in CHECKS:
        return None
    packet = getattr(torch.ops.aten, name, None)
    found = getattr(packet, overload, None)
    if not isinstance(found, torch._ops.OpOverload):
        raise LoadError(
            f'load: this version of torch has no operator "{target}".',
            hint="a damaged file, or one of a newer version of torch",
        )
    if name.startswith("_") and name not in INNER:
        raise refused(target, "it is an inner part of PyTorch")
    arguments = found._schema.arguments
    texts = {entry.name for entry in arguments if "str" in str(entry.type)}
    if not texts <= TEXT:
        raise refused(target, f"it takes text as `{', '.join(sorted(texts - TEXT))}`")
    by_name = {entry.name: bool(entry.kwarg_only) for entry in arguments}
    return plain(name, overload, found), by_name


def plain(name: str, overload: str, found: Function) -> Function:
    """The function that people write for an operator; the operator itself where there is none."""
    if overload == "out":
        raise refused(f"{name}.{overload}", "it writes into another tensor")
    if name in IN_TORCH:
        return getattr(torch, name)
    if name in IN_FUNCTIONAL:
        return getattr(F, name)
    return getattr(Tensor, name) if name in OF_TENSORS else WITH_PLACES.get(name, found)


def refused(target: Any, reason: str) -> UnsupportedError:
    """The error for a target that is not called."""
    return UnsupportedError(
        f'load: the program calls "{str(target)[:80]}", which is not computed.',
        expected="PyTorch's own operators on tensors; no control flow, no operators of other packages",
        received=reason,
    )
