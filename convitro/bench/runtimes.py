"""Peers outside PyTorch: onnxruntime, OpenVINO and JAX, each as its own manual says to run it fastest."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convitro.bench.contenders import Case, Contender, not_installed


class OnnxPeer(Contender):
    """A peer that is handed the layer as an ONNX model."""

    def missing(self) -> str:
        """It needs its own package and the one that writes the model."""
        return super().missing() or not_installed("onnx")


class OnnxRuntime(OnnxPeer):
    """onnxruntime with all graph optimisations; tensors stay OrtValues, so nothing is copied for Python."""

    name = "onnxruntime"
    package = "onnxruntime"

    def prepare(self, case: Case) -> Callable[[], Any]:
        """A session over the layer as an ONNX graph."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = case.threads, 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(onnx_graph(case), options, providers=["CPUExecutionProvider"])
        feed = {"input": onnxruntime.OrtValue.ortvalue_from_numpy(case.input.numpy())}
        return lambda: session.run_with_ort_values(["output"], feed)

    def output(self, result: Any) -> Tensor:
        """The only output."""
        return torch.from_numpy(result[0].numpy())


class OpenVino(OnnxPeer):
    """OpenVINO on the processor; its request keeps one output buffer, so it never pays for an allocation."""

    name = "openvino"
    package = "openvino"

    def prepare(self, case: Case) -> Callable[[], Any]:
        """A request over the layer as an ONNX graph, with channels last outside as its kernels have them."""
        import openvino
        from openvino.preprocess import PrePostProcessor

        core = openvino.Core()
        steps = PrePostProcessor(core.read_model(onnx_graph(case)))
        for port in (steps.input(), steps.output()):
            port.tensor().set_layout(openvino.Layout("NHWC"))
            port.model().set_layout(openvino.Layout("NCHW"))
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": case.threads,
            "INFERENCE_PRECISION_HINT": "f32",
        }
        request = core.compile_model(steps.build(), "CPU", settings).create_infer_request()
        input = channels_last(case.input)
        return lambda: request.infer([input], share_inputs=True, share_outputs=True)

    def output(self, result: Any) -> Tensor:
        """The only output, its channels first again."""
        return torch.from_numpy(np.array(result[0])).permute(0, 3, 1, 2)


class Jax(Contender):
    """JAX: one jitted function over channels-last arrays, weights as constants."""

    name = "jax"
    package = "jax"

    def prepare(self, case: Case) -> Callable[[], Any]:
        """XLA reads the number of threads once per process, when it starts."""
        os.environ.setdefault("JAX_PLATFORMS", "cpu")
        os.environ.setdefault("PJRT_NPROC", str(case.threads))
        import jax
        import jax.numpy as jnp
        from jax import lax

        layer = case.layer
        kernels = jnp.asarray(case.weight.permute(2, 3, 1, 0).contiguous().numpy())
        bias = jnp.asarray(case.bias.numpy())

        def layer_of(images: Any) -> Any:
            maps = lax.conv_general_dilated(
                images,
                kernels,
                window_strides=(layer.stride, layer.stride),
                padding=[(layer.padding, layer.padding)] * 2,
                rhs_dilation=(layer.dilation, layer.dilation),
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
                feature_group_count=layer.groups,
            )
            maps = jnp.maximum(maps + bias, 0)
            window, step = (1, layer.pool, layer.pool, 1), (1, layer.pool_stride, layer.pool_stride, 1)
            return lax.reduce_window(maps, -jnp.inf, lax.max, window, step, "VALID") if layer.pool else maps

        input, compiled = jnp.asarray(channels_last(case.input)), jax.jit(layer_of)
        return lambda: compiled(input).block_until_ready()

    def output(self, result: Any) -> Tensor:
        """Its channels first again."""
        return torch.from_numpy(np.array(result)).permute(0, 3, 1, 2)


def channels_last(images: Tensor) -> Any:
    """(N, C, H, W) as a contiguous array (N, H, W, C)."""
    return images.permute(0, 2, 3, 1).contiguous().numpy()


def onnx_graph(case: Case) -> bytes:
    """The layer as an ONNX model: Conv, Relu and MaxPool."""
    import onnx

    helper: Any = onnx.helper
    layer = case.layer
    strides = {"kernel_shape": [layer.kernel] * 2, "strides": [layer.stride] * 2, "group": layer.groups}
    edges = {"pads": [layer.padding] * 4, "dilations": [layer.dilation] * 2}
    activated = "activated" if layer.pool else "output"
    nodes = [
        helper.make_node("Conv", ["input", "weight", "bias"], ["maps"], **strides, **edges),
        helper.make_node("Relu", ["maps"], [activated]),
    ]
    if layer.pool:
        window = {"kernel_shape": [layer.pool] * 2, "strides": [layer.pool_stride] * 2}
        nodes.append(helper.make_node("MaxPool", [activated], ["output"], **window))
    sizes = (layer.batch, *layer.image), (layer.batch, layer.out_channels, *layer.output_size())
    inputs, outputs = (
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, size)]
        for name, size in zip(("input", "output"), sizes, strict=True)
    )
    numbers = {"weight": case.weight, "bias": case.bias}
    constants = [onnx.numpy_helper.from_array(tensor.numpy(), name) for name, tensor in numbers.items()]
    graph = helper.make_graph(nodes, "layer", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())
