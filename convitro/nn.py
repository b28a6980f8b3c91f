"""Convolution layers as modules: thin, all work is in `convitro.functional`."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.modules.module as modules
from torch import Tensor, nn
from torch.overrides import has_torch_function

from convitro.aggregation import Aggregation, Operator, operator
from convitro.errors import ArgumentError
from convitro.functional import ACTIVATIONS, conv2d, conv_block
from convitro.geometry import BlockProblem, check_choice, conv_problem, integer_pair
from convitro.routing import checked_block

GLOBAL_HOOKS = (
    modules._global_forward_hooks,
    modules._global_forward_pre_hooks,
    modules._global_backward_hooks,
    modules._global_backward_pre_hooks,
)
"""Those that torch calls for every module."""


class Conv2d(nn.Conv2d):
    """A torch.nn.Conv2d whose way of combining the channels is an argument.

    Arguments, weight, bias, initialisation, state_dict and repr are torch.nn.Conv2d's; only keywords are
    added. The state dict has the same entries, so weights go both ways between the two; the aggregation
    travels in its metadata, and loading weights that were trained under another one is refused unless
    `strict=False`.

    Args:
        in_channels … dtype: as for torch.nn.Conv2d.
        aggregation: how the partial maps of a filter become one: a name of `convitro.aggregations()`, a spec
            such as "logsumexp(beta=5.0)", or an instance.
        window, combine: as for `convitro.functional.conv2d`.
        learn: "layer" or "filter" makes the aggregation's parameter (beta of logsumexp, logmeanexp and
            softmax, q of powermean and norm) an nn.Parameter, `aggregation_parameter`: one number, or one for
            each filter. It begins with the aggregation's own value. None keeps it fixed.

    Shape: (N, C_in, H_in, W_in) -> (N, C_out, H_out, W_out), formulas as torch.nn.Conv2d; for "none" C_out *
        C_in/groups maps. N may be missing.

    Raises:
        ArgumentError: a name or number is not among what it may be.
        ShapeError: `groups` does not divide both channel counts.

    Source: own.

    Example:
        >>> layer = Conv2d(3, 8, kernel_size=3, padding=1, aggregation="max")
        >>> layer(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 8, 32, 32])
        >>> layer
        Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), aggregation=max)

        Between mean and maximum, wherever learning takes it:

        >>> layer = Conv2d(3, 2, kernel_size=3, aggregation="softmax(beta=0.5)", learn="filter")
        >>> layer.aggregation_parameter
        Parameter containing:
        tensor([0.5000, 0.5000], requires_grad=True)
    """

    aggregation_parameter: nn.Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: torch.dtype | None = None,
        *,
        aggregation: str | Aggregation = "sum",
        window: str | Aggregation = "sum",
        combine: str = "multiply",
        learn: str | None = None,
    ) -> None:
        check_channels(in_channels, out_channels, groups)
        kernel = integer_pair(kernel_size, "Conv2d: `kernel_size`", least=1)
        conv_problem(
            (out_channels, in_channels // groups, *kernel),
            stride,
            padding,
            dilation,
            groups,
            padding_mode=padding_mode,
            caller="Conv2d",
        )
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            padding_mode,  # type: ignore[arg-type]
            device,
            dtype,
        )
        self._adopt(aggregation, window, combine, learn)

    @classmethod
    def from_conv2d(
        cls, conv: nn.Conv2d, aggregation: str | Aggregation = "sum", *, learn: str | None = None
    ) -> Conv2d:
        """The same layer under another aggregation. It shares the parameters, it does not copy them.

        Args:
            conv: any torch.nn.Conv2d.
            aggregation, learn: as for the constructor.

        Example:
            >>> torch_layer = nn.Conv2d(3, 8, 3)
            >>> Conv2d.from_conv2d(torch_layer, "mean").weight is torch_layer.weight
            True
        """
        if not isinstance(conv, nn.Conv2d):
            raise ArgumentError(
                "Conv2d.from_conv2d: not a 2-D convolution.",
                expected="a torch.nn.Conv2d",
                received=type(conv).__name__,
            )
        layer = cls.__new__(cls)
        nn.Module.__init__(layer)
        skipped = ("_parameters", "_buffers", "_modules")
        layer.__dict__.update({key: value for key, value in conv.__dict__.items() if key not in skipped})
        layer._parameters = dict(conv._parameters)
        layer._adopt(aggregation, getattr(conv, "window", "sum"), getattr(conv, "combine", "multiply"), learn)
        return layer

    def _adopt(self, aggregation: Any, window: Any, combine: Any, learn: str | None) -> None:
        chosen = operator(aggregation, window, combine)
        self.aggregation, self.window = chosen.aggregation.settled(), chosen.window.settled()
        self.combine = chosen.combine.name
        self.register_parameter("aggregation_parameter", None)
        if learn is not None:
            check_choice(learn, ("layer", "filter"), "Conv2d: unknown `learn`.")
            value = getattr(chosen.aggregation, chosen.aggregation.learnable)
            shape = () if learn == "layer" else (self.out_channels,)
            self.aggregation_parameter = nn.Parameter(self.weight.new_full(shape, value))

    def reset_parameters(self) -> None:
        """Weight and bias as torch.nn.Conv2d's; a learned parameter becomes the aggregation's own value."""
        super().reset_parameters()
        learned: nn.Parameter | None = getattr(self, "aggregation_parameter", None)
        if learned is not None:
            nn.init.constant_(learned, getattr(self.aggregation, self.aggregation.learnable))

    def forward(self, input: Tensor) -> Tensor:
        """The layer's maps, see the class."""
        return conv2d(
            input,
            self.weight,
            self.bias,
            self.stride,  # type: ignore[arg-type]
            self.padding,  # type: ignore[arg-type]
            self.dilation,  # type: ignore[arg-type]
            self.groups,
            aggregation=self.aggregation,
            window=self.window,
            combine=self.combine,
            padding_mode=self.padding_mode,
            aggregation_parameter=self.aggregation_parameter,
        )

    def described(self) -> tuple[BlockProblem, Operator]:
        """What the layer computes, apart from its weights; `convitro.plan` asks for it."""
        problem = conv_problem(
            self.weight.shape,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
            padding_mode=self.padding_mode,
        )
        return BlockProblem(problem), operator(self.aggregation, self.window, self.combine)

    def extra_repr(self) -> str:
        """torch.nn.Conv2d's, and what differs from it."""
        named = {"aggregation": (self.aggregation.spec, "sum"), "window": (self.window.spec, "sum")}
        named["combine"] = (self.combine, "multiply")
        named["learn"] = (str(self.learn), "None")
        return super().extra_repr() + "".join(
            f", {name}={value}" for name, (value, usual) in named.items() if value != usual
        )

    @property
    def learn(self) -> str | None:
        """Whether the aggregation's parameter is learned: "layer", "filter" or None."""
        learned = self.aggregation_parameter
        return None if learned is None else "filter" if learned.dim() else "layer"

    def _choices(self) -> dict[str, str]:
        """What torch.nn.Conv2d does not have, as it stands in the metadata of a state dict."""
        aggregation = self.aggregation
        if self.learn:  # its value is among the parameters
            aggregation = aggregation.with_parameter("learned")
        return {"aggregation": aggregation.spec, "window": self.window.spec, "combine": self.combine}

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        metadata = getattr(destination, "_metadata", {})
        metadata.setdefault(prefix[:-1], {}).update(self._choices())

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        for name, own in self._choices().items():
            saved = local_metadata.get(name, own)
            if saved != own:  # a key that is refused by strict=True and reported by strict=False
                unexpected_keys.append(f"{prefix}{name}={saved} (this layer has {own})")
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


class ConvBlock(nn.Module):
    """Convolution, bias, activation and max-pool. Its children are real modules, so tools and hooks see them.

    Args:
        in_channels … bias, aggregation, learn: as for `Conv2d`.
        activation: relu, leaky_relu, silu, gelu, sigmoid, tanh or none.
        pool: size of the pooling window, None for no pooling.
        pool_stride: step of the pooling window; its size if None.

    Shape: (N, C_in, H_in, W_in) -> (N, C_out, H_pool, W_pool), as `convitro.functional.conv_block`.

    Raises:
        ArgumentError, ShapeError: as `Conv2d`, or an unknown activation or a pooling window that is not
        positive.

    Source: own.

    Example:
        >>> ConvBlock(3, 8, 3, padding="same")(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 8, 16, 16])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        aggregation: str | Aggregation = "sum",
        activation: str = "relu",
        pool: int | tuple[int, int] | None = 2,
        pool_stride: int | tuple[int, int] | None = None,
        learn: str | None = None,
    ) -> None:
        check_choice(activation, tuple(ACTIVATIONS), "ConvBlock: unknown activation.")
        super().__init__()
        self.conv = Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            aggregation=aggregation,
            learn=learn,
        )
        self.activation = ACTIVATIONS[activation]()
        self._name, self._activation = activation, repr(self.activation)
        self.pool: nn.Module = nn.Identity()
        if pool is not None:
            window = integer_pair(pool, "ConvBlock: `pool`", least=1)
            step = integer_pair(
                pool if pool_stride is None else pool_stride, "ConvBlock: `pool_stride`", least=1
            )
            self.pool = nn.MaxPool2d(window, step)

    @classmethod
    def from_modules(
        cls, conv: Conv2d, activation: nn.Module, pool: nn.MaxPool2d | None = None
    ) -> ConvBlock | None:
        """A block whose children are these very modules; None where they are not what a block is made of."""
        named = {repr(kind()): name for name, kind in ACTIVATIONS.items()}
        name = named.get(repr(activation).replace("inplace=True", "").replace(", )", ")"))
        if name is None or type(conv) is not Conv2d or (pool is not None and not _pools_plainly(pool)):
            return None
        block = cls.__new__(cls)
        nn.Module.__init__(block)
        block.conv, block.activation, block.pool = conv, activation, pool or nn.Identity()
        block._name, block._activation = name, repr(activation)
        return block

    def forward(self, input: Tensor) -> Tensor:
        """The block's maps, see the class."""
        if has_torch_function((input,)) or not self._fuses():
            return self.pool(self.activation(self.conv(input)))
        conv, pool = self.conv, self.pool
        return conv_block(  # type: ignore[return-value]
            input,
            conv.weight,
            conv.bias,
            conv.stride,  # type: ignore[arg-type]
            conv.padding,  # type: ignore[arg-type]
            conv.dilation,  # type: ignore[arg-type]
            conv.groups,
            aggregation=conv.aggregation,
            activation=self._name,
            pool=pool.kernel_size if isinstance(pool, nn.MaxPool2d) else None,
            pool_stride=pool.stride if isinstance(pool, nn.MaxPool2d) else None,
            aggregation_parameter=conv.aggregation_parameter,
        )

    def described(self) -> tuple[BlockProblem, Operator]:
        """What the block computes, apart from its weights; `convitro.plan` asks for it."""
        conv, chosen = self.conv.described()
        pools = isinstance(self.pool, nn.MaxPool2d)
        pool, step = (self.pool.kernel_size, self.pool.stride) if pools else (1, 1)
        return checked_block(conv.conv, self._name, pool, step), chosen

    def _fuses(self) -> bool:
        """Whether one pass does what the children would do: none was exchanged, and nobody watches them."""
        conv, activation, pool = self.conv, self.activation, self.pool
        return (
            type(conv) is Conv2d
            and conv.padding_mode == "zeros"
            and conv.window.spec == "sum"
            and conv.combine == "multiply"
            and repr(activation) == self._activation
            and (type(pool) is nn.Identity or _pools_plainly(pool))
            and not any(map(_watched, (conv, activation, pool)))
            and not any(GLOBAL_HOOKS)
        )


def _pools_plainly(pool: nn.Module) -> bool:
    """Whether it is a max-pool without padding, dilation and the like."""
    if type(pool) is not nn.MaxPool2d:
        return False
    return pool.padding == 0 and pool.dilation == 1 and not pool.ceil_mode and not pool.return_indices


def _watched(module: nn.Module) -> bool:
    """Whether a hook, or a parametrization, wants the module to run."""
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        or "forward" in module.__dict__
    )


def check_channels(in_channels: int, out_channels: int, groups: int) -> None:
    """Raise unless all three are positive and `groups` divides the input channels."""
    for name, value in (("in_channels", in_channels), ("out_channels", out_channels), ("groups", groups)):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ArgumentError(
                f"Conv2d: `{name}` is not a positive integer.", expected="at least 1", received=repr(value)
            )
    if in_channels % groups:
        raise ArgumentError(
            "Conv2d: `groups` does not divide the input channels.",
            expected=f"in_channels a multiple of groups={groups}",
            received=f"in_channels={in_channels}",
        )
