"""One small layer for each family of kernels, of sizes that fit nothing: what compact tests go through."""

from __future__ import annotations

from tests.engine_contract.cases import Case

FAMILIES: dict[str, Case] = {
    "direct": Case(
        channels=5, filters=19, kernel=(3, 2), size=(9, 11), pool=(2, 2), padding=(2, 1), algorithm="direct"
    ),
    "winograd": Case(channels=9, filters=21, size=(11, 13), pool=(2, 2), algorithm="winograd"),
    "winograd5": Case(
        channels=8, filters=9, kernel=(5, 5), size=(9, 14), padding=(2, 3), algorithm="winograd"
    ),
    "depthwise": Case(
        channels=1, filters=1, groups=19, size=(9, 7), activation="silu", algorithm="depthwise"
    ),
    "multiplier": Case(
        channels=1, filters=2, groups=5, size=(8, 9), kernel=(2, 3), activation="tanh", bias=""
    ),
    "grouped": Case(channels=3, filters=5, groups=3, size=(7, 9), pool=(3, 3), pool_stride=(2, 2)),
    "strided": Case(
        channels=7, filters=9, kernel=(5, 3), size=(13, 12), stride=(2, 3), activation="leaky_relu"
    ),
    "dilated": Case(channels=6, filters=10, size=(9, 12), dilation=(2, 1), activation="gelu", pool=(1, 2)),
    "dense": Case(channels=23, filters=17, kernel=(1, 1), size=(5, 7), padding=(0, 0), input="channels_last"),
    "wide_step": Case(channels=2, filters=3, kernel=(1, 2), size=(9, 8), stride=(4, 3), activation="sigmoid"),
    "float64": Case(channels=9, filters=11, size=(9, 10), pool=(2, 3), pool_stride=(1, 2), dtype="float64"),
    "bfloat16": Case(
        channels=9, filters=18, size=(8, 9), pool=(2, 2), dtype="bfloat16", weight="channels_last"
    ),
    "views": Case(
        channels=9, filters=12, size=(8, 10), input="some_channels", weight="sliced", bias="strided"
    ),
    "unaligned": Case(
        channels=17, filters=33, size=(10, 21), input="cropped", weight="turned", algorithm="direct"
    ),
}
