"""Convitro: convolution layers you can see through, steer and trust."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from convitro import functional
from convitro.aggregation import (
    Aggregation,
    LogMeanExp,
    LogSumExp,
    Max,
    MaxAbs,
    Mean,
    Median,
    Min,
    Norm,
    PowerMean,
    Product,
    Softmax,
    Std,
    Sum,
    aggregations,
    register_aggregation,
)
from convitro.nn import Conv2d, ConvBlock

if TYPE_CHECKING:
    from convitro.anatomy import dissect, summary
    from convitro.sources import load

__version__ = version("convitro")

_PACKAGES = ("anatomy", "explorer", "models", "pictures", "sources")
_ON_FIRST_USE = {"dissect": "convitro.anatomy", "load": "convitro.sources", "summary": "convitro.anatomy"}

__all__ = [
    "Aggregation",
    "Conv2d",
    "ConvBlock",
    "LogMeanExp",
    "LogSumExp",
    "Max",
    "MaxAbs",
    "Mean",
    "Median",
    "Min",
    "Norm",
    "PowerMean",
    "Product",
    "Softmax",
    "Std",
    "Sum",
    "aggregations",
    "dissect",
    "functional",
    "load",
    "register_aggregation",
    "summary",
]


def __getattr__(name: str) -> Any:
    """Import what no layer needs only where it is asked for, so that `import convitro` stays quick."""
    if name in _ON_FIRST_USE:
        return getattr(import_module(_ON_FIRST_USE[name]), name)
    if name in _PACKAGES:
        return import_module(f"convitro.{name}")
    raise AttributeError(f"module 'convitro' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ON_FIRST_USE, *_PACKAGES})
