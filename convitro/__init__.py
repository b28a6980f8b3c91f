"""Convitro: convolution layers you can see through, steer and trust."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from convitro import functional, plots, presets
    from convitro.anatomy import (
        compare_stacks,
        deconvnet,
        diagnose,
        dissect,
        receptive_field,
        summary,
        top_patches,
    )
    from convitro.engine.plan import plan
    from convitro.nn import Conv2d, ConvBlock
    from convitro.presets import PresetConv2d
    from convitro.sources.load import load

__version__ = version("convitro")

_PACKAGES = (
    "anatomy",
    "datasets",
    "explorer",
    "functional",
    "keras",
    "lab",
    "models",
    "nn",
    "pictures",
    "plots",
    "presets",
    "report",
    "sources",
)
_ON_FIRST_USE = {
    "Conv2d": "convitro.nn",
    "ConvBlock": "convitro.nn",
    "PresetConv2d": "convitro.presets",
    "compare_stacks": "convitro.anatomy",
    "deconvnet": "convitro.anatomy",
    "diagnose": "convitro.anatomy",
    "dissect": "convitro.anatomy",
    "load": "convitro.sources",
    "plan": "convitro.engine.plan",
    "receptive_field": "convitro.anatomy",
    "summary": "convitro.anatomy",
    "top_patches": "convitro.anatomy",
}

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
    "PresetConv2d",
    "Product",
    "Softmax",
    "Std",
    "Sum",
    "aggregations",
    "compare_stacks",
    "deconvnet",
    "diagnose",
    "dissect",
    "functional",
    "load",
    "plan",
    "plots",
    "presets",
    "receptive_field",
    "register_aggregation",
    "summary",
    "top_patches",
]


def __getattr__(name: str) -> Any:
    """Import the compiler, pictures and the like only when asked for: `import convitro` stays quick."""
    if name in _ON_FIRST_USE:
        return globals().setdefault(name, getattr(import_module(_ON_FIRST_USE[name]), name))
    if name in _PACKAGES:
        return import_module(f"convitro.{name}")
    raise AttributeError(f"module 'convitro' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ON_FIRST_USE, *_PACKAGES})
