"""Any model, opened: an import path, or a file of weights plus the architecture they belong to.

Nothing here executes code that lies in a file of weights. `load` gives a model; `open_network` also finds out
what the model takes, so that a picture can be shown to it.
"""

from convitro.sources.graph import Graph, Step
from convitro.sources.load import load
from convitro.sources.network import Network, open_network, parse_input_size, read_classes
from convitro.sources.opening import as_module

__all__ = [
    "Graph",
    "Network",
    "Step",
    "as_module",
    "load",
    "open_network",
    "parse_input_size",
    "read_classes",
]
