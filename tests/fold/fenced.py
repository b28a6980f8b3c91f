"""Operators whose tensors all lie against forbidden pages."""

from __future__ import annotations

import torch

from tests.engine.guarded import End, guarded_copy
from tests.engine_contract.fenced import fence
from tests.fold.cases import Layer, check

LAYERS = (
    Layer("max", dtype=torch.float32),
    Layer("softmax(beta=0.5)", dtype=torch.float32, channels=17, filters=33, groups=2, input="channels_last"),
    Layer("product", "max", "add", dtype=torch.float32, padding=(2, 1), stride=(2, 1)),
    Layer("std", "logsumexp", "subtract", dilation=(2, 3), size=(9, 11)),
    Layer("median", channels=40, dtype=torch.float32),
    Layer("norm", kernel=(1, 1), padding=(0, 0), size=(3, 1), channels=16, filters=16, dtype=torch.bfloat16),
    Layer("min", input="strided", kernel=(2, 5), pool=2, filters=1),
)


def run_all(at: End) -> None:
    """Both passes of every layer, with values checked as well."""
    torch.set_num_threads(1)
    for number, layer in enumerate(LAYERS):
        with fence(at) as fenced:
            check(layer, tuple(None if t is None else guarded_copy(t, at) for t in layer.tensors()))  # type: ignore[arg-type]
            assert fenced.count >= 8, "the kernels' tensors are made elsewhere"
        print(number, flush=True)
