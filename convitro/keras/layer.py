"""`Conv2D`: Keras' layer with a choice of aggregation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convitro.aggregation import Aggregation, resolve
from convitro.geometry import same_borders
from convitro.keras.backend import import_keras

if TYPE_CHECKING:
    import keras
else:
    keras = import_keras()


@keras.saving.register_keras_serializable("convitro")
class Conv2D(keras.layers.Conv2D):
    """A keras.layers.Conv2D whose way of combining the channels is an argument.

    Arguments, weights, initialisation and shapes are those of keras.layers.Conv2D; only `aggregation` is
    added. With torch under Keras it runs on Convitro's kernels, on other backends on keras.ops: one channel
    after the other, with the same exact gradient, and never with all partial maps in memory.

    Args:
        filters … bias_constraint: as for keras.layers.Conv2D, and its other keywords.
        aggregation: how the partial maps of a filter become one: a name of `convitro.aggregations()`, a spec
            such as "logsumexp(beta=5.0)", or an instance. "none" keeps every partial map: `filters` times
            channels per group outputs.

    Shape: (N, H, W, C) -> (N, H_out, W_out, filters), or channels first, as keras.layers.Conv2D.

    Raises:
        ArgumentError: an unknown aggregation.
        UnsupportedError: on another backend than torch, an aggregation of one's own whose state grows with
            the number of channels.
        LoadError: Keras is not installed.

    Accuracy: on torch as `convitro.functional.conv2d`; on keras.ops items are folded one by one. Numbers of
        16 bits are combined in float32.

    Source: own; the sum is keras.layers.Conv2D's.

    Example:
        >>> import numpy as np
        >>> picture = np.full((1, 3, 3, 3), [1.0, 100.0, 10000.0], dtype="float32")
        >>> for aggregation in ("sum", "max"):
        ...     layer = Conv2D(1, 2, kernel_initializer="ones", aggregation=aggregation)
        ...     print(layer(picture)[0, 0, 0, 0].item())
        40404.0
        40000.0
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int] = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | tuple[int, int] = (1, 1),
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        aggregation: str | Aggregation = "sum",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            strides=strides,
            padding=padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            groups=groups,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )
        self.aggregation = resolve(aggregation)

    def call(self, inputs: Any) -> Any:
        """The feature maps."""
        kernel = keras.ops.convert_to_tensor(self.kernel)
        bias = keras.ops.convert_to_tensor(self.bias) if self.use_bias else None
        compute = self._on_torch if keras.config.backend() == "torch" else self._on_keras_ops
        outputs = compute(inputs, kernel, bias)
        return outputs if self.activation is None else self.activation(outputs)

    def _on_torch(self, inputs: Any, kernel: Any, bias: Any) -> Any:
        import torch.nn.functional as F

        from convitro.functional import conv2d

        last = self.data_format == "channels_last"
        maps, padding = inputs.permute(0, 3, 1, 2) if last else inputs, (0, 0)
        if self.padding == "same":
            rows, columns = same_borders(maps.shape[2:], self.kernel_size, self.strides, self.dilation_rate)
            padding = (rows[0], columns[0])
            if (rows[1], columns[1]) != padding:
                maps, padding = F.pad(maps, (*columns, *rows)), (0, 0)
        outputs = conv2d(
            maps,
            kernel.permute(3, 2, 0, 1),
            bias,
            self.strides,
            padding,
            self.dilation_rate,
            self.groups,
            aggregation=self.aggregation,
        )
        return outputs.permute(0, 2, 3, 1) if last else outputs

    def _on_keras_ops(self, inputs: Any, kernel: Any, bias: Any) -> Any:
        from convitro.keras.folding import Geometry, convolve

        ops, first = keras.ops, self.data_format == "channels_first"
        maps = ops.transpose(inputs, (0, 2, 3, 1)) if first else inputs
        dtype = keras.backend.standardize_dtype(maps.dtype)
        short = dtype in ("float16", "bfloat16")
        if short:
            maps, kernel = ops.cast(maps, "float32"), ops.cast(kernel, "float32")
        geometry = Geometry(self.strides, self.padding, self.dilation_rate, self.groups)
        outputs = convolve(maps, kernel, geometry, self.aggregation)
        outputs = ops.cast(outputs, dtype) if short else outputs
        if bias is not None:
            each = kernel.shape[2] if self.aggregation.separate else 1
            outputs = outputs + (ops.repeat(bias, each) if each > 1 else bias)
        return ops.transpose(outputs, (0, 3, 1, 2)) if first else outputs

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """The shape of the output for one of the input; sizes may be None."""
        shape: tuple[int | None, ...] = super().compute_output_shape(input_shape)
        if not self.aggregation.separate:
            return shape
        axis = 1 if self.data_format == "channels_first" else -1
        maps = self.filters * (input_shape[axis] // self.groups)
        return (shape[0], maps, *shape[2:]) if axis == 1 else (*shape[:-1], maps)

    def get_config(self) -> dict[str, Any]:
        """All arguments, the aggregation as its spec."""
        return {**super().get_config(), "aggregation": self.aggregation.spec}
