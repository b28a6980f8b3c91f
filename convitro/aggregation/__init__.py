"""How values become one: aggregations (of channels and windows), combines (of pixel and weight), registry."""

from convitro.aggregation.base import Aggregation
from convitro.aggregation.builtin import Max, MaxAbs, Mean, Median, Min, Product, Quantile, Separate, Std, Sum
from convitro.aggregation.combine import COMBINES, Combine
from convitro.aggregation.exponentials import LogMeanExp, LogSumExp, Softmax
from convitro.aggregation.norms import Norm, PowerMean
from convitro.aggregation.operator import Operator, operator
from convitro.aggregation.registry import aggregations, register_aggregation, resolve

__all__ = [
    "COMBINES",
    "Aggregation",
    "Combine",
    "LogMeanExp",
    "LogSumExp",
    "Max",
    "MaxAbs",
    "Mean",
    "Median",
    "Min",
    "Norm",
    "Operator",
    "PowerMean",
    "Product",
    "Quantile",
    "Separate",
    "Softmax",
    "Std",
    "Sum",
    "aggregations",
    "operator",
    "register_aggregation",
    "resolve",
]
