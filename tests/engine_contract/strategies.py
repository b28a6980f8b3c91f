"""Layers for hypothesis: any at all, and those of a few kernels whose sizes are given at run time."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.engine_contract.cases import Case, Pair
from tests.engine_contract.exact import ACTIVATIONS
from tests.engine_contract.forms import BIASES, FORMS, WEIGHT_FORMS

EDGES = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 23, 24, 25, 31, 32, 33, 47, 48, 49, 63, 64, 65, 67)
"""Channels and filters around whole vectors and whole tiles of all instruction sets."""
COUNTS = st.one_of(st.sampled_from(EDGES), st.integers(1, 67))
POOLS: tuple[tuple[Pair | None, Pair | None], ...] = (
    (None, None),
    ((2, 2), None),
    ((3, 3), (2, 2)),
    ((3, 3), (1, 1)),
    ((2, 3), (1, 2)),
    ((1, 2), (3, 1)),
    ((2, 1), (2, 3)),
)
PAIRS = st.tuples(st.integers(1, 2), st.integers(1, 3)) | st.just((1, 1))


@st.composite
def groupings(draw: st.DrawFn) -> dict[str, int]:
    """Channels and filters of a group, and how many groups: few, many of few channels, or depthwise."""
    kind = draw(st.sampled_from(("one", "one", "several", "few", "depthwise", "multiplier")))
    if kind == "one":
        return {"channels": draw(COUNTS), "filters": draw(COUNTS), "groups": 1}
    if kind == "several":
        counts = st.sampled_from((1, 3, 8, 9, 17))
        return {"channels": draw(counts), "filters": draw(counts), "groups": draw(st.integers(2, 3))}
    groups = draw(COUNTS)
    if kind == "few":
        return {"channels": draw(st.integers(1, 4)), "filters": draw(st.integers(1, 4)), "groups": groups}
    return {"channels": 1, "filters": 1 if kind == "depthwise" else draw(st.integers(2, 3)), "groups": groups}


@st.composite
def geometries(draw: st.DrawFn, kernel: Pair, pool: Pair | None, step: Pair | None) -> dict[str, Any]:
    """Sizes into which kernel and pooling window fit, at least once."""
    stride, dilation = draw(PAIRS), draw(st.sampled_from(((1, 1), (1, 1), (2, 1), (1, 2), (2, 2))))
    padding: Any = draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    if draw(st.integers(0, 5)) == 0:
        padding, stride = "same", (1, 1)
    size = []
    for axis in range(2):
        extent = dilation[axis] * (kernel[axis] - 1) + 1
        around = extent - 1 if padding == "same" else 2 * padding[axis]
        least = extent + stride[axis] * (pool[axis] - 1 if pool else 0) - around
        size.append(max(1, least) + draw(st.integers(0, 5) | st.integers(0, 15)))
    images = draw(st.sampled_from((1, 1, 2, 3, 0)))
    return {"stride": stride, "dilation": dilation, "padding": padding, "size": tuple(size), "images": images}


@st.composite
def any_layers(draw: st.DrawFn) -> Case:
    """Every choice is free: most of these need kernels that nobody compiled before."""
    kernel = draw(
        st.tuples(st.integers(1, 5), st.integers(1, 5)) | st.sampled_from(((2, 2), (3, 3), (4, 4), (5, 5)))
    )
    pool, step = draw(st.sampled_from(POOLS))
    return _case(
        draw,
        draw(groupings())
        | {"kernel": kernel, "pool": pool, "pool_stride": step}
        | {"activation": draw(st.sampled_from(sorted(ACTIVATIONS)))}
        | {"bias": draw(st.sampled_from(("", *BIASES))), "input": draw(st.sampled_from(sorted(FORMS)))}
        | {"dtype": draw(st.sampled_from(("float32", "float32", "float64", "bfloat16")))},
    )


KERNELS: tuple[dict[str, Any], ...] = (
    {"channels": 3, "filters": 17, "activation": "relu", "pool": (2, 2)},
    {"channels": 16, "filters": 9, "activation": "silu", "input": "channels_last"},
    {
        "channels": 8,
        "filters": 33,
        "activation": "relu",
        "pool": (3, 3),
        "pool_stride": (2, 2),
        "dtype": "float64",
    },
    {"channels": 9, "filters": 8, "activation": "tanh", "kernel": (2, 5), "bias": ""},
    {"channels": 1, "filters": 1, "groups": 19, "activation": "gelu", "pool": (2, 2)},
    {"channels": 2, "filters": 3, "groups": 5, "activation": "leaky_relu", "input": "some_channels"},
    {"channels": 67, "filters": 5, "kernel": (1, 1), "activation": "none", "input": "cropped"},
    {
        "channels": 5,
        "filters": 6,
        "activation": "sigmoid",
        "pool": (2, 3),
        "pool_stride": (1, 2),
        "dtype": "bfloat16",
    },
    {"channels": 1, "filters": 2, "groups": 7, "kernel": (4, 3), "activation": "relu", "dtype": "float64"},
    {
        "channels": 4,
        "filters": 4,
        "kernel": (5, 2),
        "activation": "gelu",
        "pool": (1, 2),
        "pool_stride": (3, 1),
    },
)
"""What is compiled in of some layers that differ as much as can be."""


@st.composite
def known_kernels(draw: st.DrawFn) -> Case:
    """What is compiled in comes from `KERNELS`; sizes, views and numbers are free."""
    chosen = {"kernel": (3, 3), "pool": None, "pool_stride": None} | draw(st.sampled_from(KERNELS))
    if draw(st.booleans()):
        chosen |= {"bias": draw(st.sampled_from(sorted(BIASES))) if chosen.get("bias", "plain") else ""}
    return _case(draw, chosen)


def _case(draw: st.DrawFn, chosen: dict[str, Any]) -> Case:
    geometry = draw(geometries(chosen["kernel"], chosen["pool"], chosen["pool_stride"]))
    small = chosen["kernel"] in ((2, 2), (3, 3), (4, 4), (5, 5))
    square = small and geometry["stride"] == geometry["dilation"] == (1, 1)
    lanes = chosen["channels"] == chosen["filters"] == 1 and chosen.get("groups", 1) > 1
    possible = ["auto", "direct", *["winograd"] * square, *["depthwise"] * lanes]
    return Case(
        **chosen,
        **geometry,
        weight=draw(st.sampled_from(WEIGHT_FORMS)),
        algorithm=draw(st.sampled_from(possible)) if geometry["images"] else "auto",
        seed=draw(st.integers(0, 3)),
    )
