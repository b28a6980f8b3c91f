"""Rules for functions that work element by element, mix along some dimensions, or see everything."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convitro.anatomy.receptive.call import Call, Function, Rule, getters, spellings
from convitro.anatomy.receptive.layout import TAGS, Layout, has_tags, united, whole
from convitro.anatomy.recognise import ACTIVATION_NAMES, BATCH_NORMS

POINTWISE = """
    abs absolute neg negative positive exp exp2 expm1 log log1p log2 log10 sqrt rsqrt square sin cos tan sinh
    cosh asin acos atan tanh erf erfc sign sgn round floor ceil trunc frac reciprocal pow float_power add sub
    subtract mul multiply div divide true_divide floor_divide floordiv truediv rtruediv remainder fmod mod
    iadd maximum minimum fmax fmin where masked_fill lerp addcmul addcdiv clamp clip clamp_min clamp_max
    nan_to_num logit sigmoid relu threshold heaviside xlogy hypot atan2 logaddexp logical_not logical_and
    logical_or logical_xor bitwise_not bitwise_and bitwise_or invert and or xor eq ne lt le gt ge isnan isinf
    isfinite dropout alpha_dropout feature_dropout feature_alpha_dropout dropout1d dropout2d dropout3d rsub
    expit gelu sinc native_dropout
""".split()  # noqa: SIM905 - one per line would fill two pages
SAME = """
    clone contiguous detach to type type_as float double half bfloat16 int long bool cpu cuda requires_grad
    _to_copy alias lift_fresh real imag conj resolve_conj resolve_neg pin_memory
""".split()  # noqa: SIM905
REDUCTIONS = """
    sum mean amax amin max min prod all any std var median nanmean nansum logsumexp norm vector_norm argmax
    argmin std_mean var_mean aminmax count_nonzero mode
""".split()  # noqa: SIM905
ALONG = """
    softmax log_softmax softmin cumsum cumprod cummax cummin sort argsort normalize topk gumbel_softmax glu
""".split()  # noqa: SIM905
GLOBAL = ("multi_head_attention_forward", "scaled_dot_product_attention")
CONSTANT = """
    zeros_like ones_like empty_like full_like rand_like randn_like randint_like new_zeros new_ones new_empty
    new_full new_tensor
""".split()  # noqa: SIM905


def pointwise(call: Call) -> Layout | None:
    """Each element is made of those at its own place."""
    if "out" in call.kwargs:
        return whole(call.every(), call.shape, "a result that was written to `out`")
    return united(call.every(), call.shape)


def same(call: Call) -> Layout | None:
    """The first argument, in another dtype or memory."""
    return call.of(call.args[0] if call.args else call.kwargs.get("input"))


def channels(call: Call) -> Layout | None:
    """Only channels are exchanged or compared."""
    return call.every()[0].mixed([1])


def batch_norm(call: Call) -> Layout | None:
    """With running statistics each element is on its own; with those of the batch it sees whole maps."""
    arguments = call.bound(*BATCH_NORMS.get(call.function, BATCH_NORMS[torch.batch_norm]))
    layout = call.of(arguments["input"])
    if layout is None or len(call.every()) > 1:
        return whole(call.every(), call.shape)
    if not arguments.get("training", False) and arguments.get("running_mean") is not None:
        return layout
    return layout.mixed(dim for dim in range(len(layout.dims)) if dim != 1)


def group_norm(call: Call) -> Layout | None:
    """Every element sees all of its image: group and instance normalisation."""
    layout = call.every()[0]
    use_input = call.bound("input", "running_mean", "running_var", "weight", "bias", "use_input_stats")
    if call.function is F.instance_norm and not use_input.get("use_input_stats", True):
        return layout
    return layout.mixed(range(1, len(layout.dims)))


def layer_norm(call: Call) -> Layout | None:
    """Normalised over the last dimensions."""
    arguments = call.bound("input", "normalized_shape")
    layout = call.of(arguments["input"])
    if layout is None:
        return whole(call.every(), call.shape)
    size = arguments["normalized_shape"]
    count = len(size) if hasattr(size, "__len__") else 1
    return layout.mixed(range(len(layout.dims) - count, len(layout.dims)))


def reduction(call: Call) -> Layout | None:
    """Some dimensions, or all, become one number."""
    arguments = call.bound("input", "dim", "keepdim")
    name = getattr(call.function, "__name__", "")
    if (
        name in ("norm", "vector_norm", "logsumexp", "std", "var", "std_mean", "var_mean")
        or "axis" in arguments
    ):
        arguments = {**arguments, **norm_arguments(call, name)}
    if len(call.every()) > 1 or isinstance(arguments.get("dim"), Tensor):
        return united(call.every(), call.shape)  # max and min of two tensors
    layout, dim = call.every()[0], arguments.get("dim")
    if isinstance(dim, bool) or dim is None or dim == () or dim == []:
        return whole([layout], call.shape)
    dims = [dim] if isinstance(dim, int) else list(dim)
    mixed = layout.mixed(dims)
    if arguments.get("keepdim", False):
        for at in dims:
            mixed = mixed.mapped(at, 1)
        return mixed
    return mixed.without(dims)


def norm_arguments(call: Call, name: str) -> dict[str, Any]:
    """Dimension and keepdim of the functions that take them elsewhere, or by NumPy's words."""
    names = (
        ("input", "ord", "dim", "keepdim") if name in ("norm", "vector_norm") else ("input", "dim", "keepdim")
    )
    if name in ("std", "var", "std_mean", "var_mean"):
        names = ("input", "dim", "correction", "keepdim")
    found = call.bound(*names)
    return {
        "dim": found.get("dim", found.get("axis")),
        "keepdim": found.get("keepdim", found.get("keepdims", False)),
    }


def along(call: Call) -> Layout | None:
    """Every element sees all along one dimension, whose length may change."""
    name = getattr(call.function, "__name__", "").strip("_")
    names = {"normalize": ("input", "p", "dim"), "topk": ("input", "k", "dim")}.get(name, ("input", "dim"))
    usual = 1 if name == "normalize" else -1
    layout = call.every()[0]
    dim = call.bound(*names).get("dim", usual)
    if not isinstance(dim, int):
        return whole([layout], call.shape, f"{name} without a dimension")
    if name.startswith(("cum", "glu")) and has_tags(layout.dims[dim]):
        layout = layout.loosened(f"{name} along rows or columns")
    mixed = layout.mixed([dim])
    return mixed if mixed.shape == call.shape else mixed.mapped(dim, call.shape[dim])


def linear(call: Call) -> Layout | None:
    """A linear layer mixes the last dimension."""
    arguments = call.bound("input", "weight", "bias")
    layout = call.of(arguments["input"])
    if layout is None or len(call.every()) > 1:
        return whole(call.every(), call.shape)
    return mixing(layout, call)


def mixing(layout: Layout, call: Call) -> Layout:
    """The last dimension mixed; if it holds the channels, all of them see the same afterwards."""
    channels_last = not has_tags(layout.dims[-1]) and None not in map(layout.dim_of, TAGS)
    layout = layout.mapped(-1, call.shape[-1])
    return replace(layout, mottled=False) if channels_last else layout


def matmul(call: Call) -> Layout | None:
    """With one factor fixed, a product mixes the dimension that it sums over; with two, everything."""
    first, second = list(call.bound("input", "mat2", "out").values())[:2]
    one, two = call.of(first), call.of(second)
    rank = len(call.shape)
    if one is not None and two is None and second.ndim >= 2 and len(one.dims) == rank:
        return mixing(one, call)
    if two is not None and one is None and first.ndim >= 2 and len(two.dims) == rank:
        return two.mapped(-2, call.shape[-2])
    return whole(call.every(), call.shape)


def everything(call: Call) -> Layout | None:
    """Every element sees all."""
    return whole(call.every(), call.shape)


def nothing(call: Call) -> Layout | None:
    """Only the shape is read."""
    return None


def rules() -> dict[Function, Rule]:
    """The rules of this file by function."""
    found: dict[Function, Rule] = {}
    for names, rule in (
        (POINTWISE, pointwise),
        (ACTIVATION_NAMES, pointwise),
        (SAME, same),
        (("local_response_norm", "channel_shuffle", "native_channel_shuffle", "softmax2d"), channels),
        (REDUCTIONS, reduction),
        (ALONG, along),
        (GLOBAL, everything),
        (CONSTANT, nothing),
        (("layer_norm", "rms_norm"), layer_norm),
        (("group_norm", "instance_norm"), group_norm),
        (("linear",), linear),
        (("matmul", "mm", "bmm"), matmul),
    ):
        found |= dict.fromkeys(spellings(names), rule)
    found |= dict.fromkeys((*BATCH_NORMS, torch.ops.aten.batch_norm), batch_norm)
    return found | dict.fromkeys(getters("data", "real", "imag"), same)
