"""Any model, opened: an import path, a file of weights with its architecture, or a whole model.

Nothing here executes code that lies in a file. `load` gives a model; `open_network` also finds out
what the model takes, so that a picture can be shown to it.
"""

from convitro.sources.exported import from_exported
from convitro.sources.graph import Graph, Step
from convitro.sources.load import load
from convitro.sources.network import Network, open_network, parse_input_size, read_classes
from convitro.sources.onnx import compare_with_onnxruntime, from_onnx
from convitro.sources.opening import as_module

__all__ = [
    "Graph",
    "Network",
    "Step",
    "as_module",
    "compare_with_onnxruntime",
    "from_exported",
    "from_onnx",
    "load",
    "open_network",
    "parse_input_size",
    "read_classes",
]
