"""The view "Play" computes in the browser: its arithmetic against PyTorch's, over random geometries."""

import json
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import playwright
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convitro import summary

HERE = Path(__file__).resolve().parent
NUMBERS = HERE.parents[1] / "convitro" / "view" / "numbers"
CASES = 60
Answers = list[tuple[dict[str, Any], dict[str, Any]]]  # each random case, and what the page makes of it
SAME_IS_COPIED = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
COMBINED = {
    "sum": lambda maps: maps.sum(0),
    "mean": lambda maps: maps.mean(0),
    "max": lambda maps: maps.amax(0),
    "min": lambda maps: maps.amin(0),
    "maxabs": lambda maps: maps.gather(0, maps.abs().argmax(0, keepdim=True))[0],
}
SCRIPT = """
import {{ readFileSync }} from "node:fs";
import {{ runFilter, runStack }} from {handmade};
import {{ costOf, receptiveField }} from {geometry};
const answers = JSON.parse(readFileSync(0, "utf8")).map(({{ filter, size, channels, depth }}) => {{
  const picture = {{ size, channels: channels.map((channel) => Float32Array.from(channel)) }};
  const found = runFilter(filter, picture);
  if (found.empty) return {{ output: found.layer.output_size }};
  const {{ layer, partials, aggregated, activated, pool, pooled, switches }} = found;
  const stack = runStack(filter.kernels[0], depth, true, picture);
  return {{
    output: layer.output_size, padding: layer.padding, partials: partials.map((map) => [...map]),
    aggregated: [...aggregated], activated: [...activated],
    pooled: pooled && [...pooled], switches: switches && [...switches], pooledSize: pool && pool.output_size,
    cost: costOf({{ channels: channels.length, filters: 1, ...layer }}),
    field: [0, 1].map((axis) => receptiveField([
      {{ kernel: layer.kernel_size[axis], stride: layer.stride[axis], dilation: layer.dilation[axis] }},
      ...(pool ? [{{ kernel: filter.pool, stride: filter.pool }}] : []),
    ]).size),
    stack: stack.empty ? null : [...stack.steps.at(-1).map], whole: stack.empty ? null : [...stack.whole.map],
  }};
}});
console.log(JSON.stringify(answers));
"""


@pytest.fixture(scope="module")
def node() -> str:
    brought_by_playwright = Path(playwright.__file__).parent / "driver" / "node"
    return shutil.which("node") or str(brought_by_playwright)


def test_the_arithmetic_by_hand(node: str) -> None:
    command = [node, "--test", "--test-reporter=spec", str(HERE / "play.test.mjs")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def drawn(draw: random.Random, seed: int) -> dict[str, Any]:
    """A random filter on a random picture."""
    generator = torch.Generator().manual_seed(seed)
    channels, height, width = draw.choice([1, 3]), draw.randint(3, 14), draw.randint(3, 14)
    rows, columns = draw.randint(1, 5), draw.randint(1, 5)
    kernels = torch.randn(draw.choice([1, channels]), rows * columns, generator=generator)
    return {
        "size": [height, width],
        "channels": torch.rand(channels, height * width, generator=generator).tolist(),
        "depth": draw.choice([2, 3]),
        "filter": {
            "kernels": [{"rows": rows, "columns": columns, "values": values} for values in kernels.tolist()],
            "stride": draw.randint(1, 3),
            "padding": draw.choice(["valid", "same", 0, 1, 3]),
            "dilation": draw.randint(1, 3),
            "aggregation": draw.choice(list(COMBINED)),
            "bias": draw.choice([0, 0.5, -1.25]),
            "activation": draw.choice(["none", "relu"]),
            "pool": draw.choice([0, 2, 3]),
        },
    }


@pytest.fixture(scope="module")
def answered(node: str) -> Answers:
    draw = random.Random(7)
    cases = [drawn(draw, seed) for seed in range(CASES)]
    names = {"handmade": "handmade.js", "geometry": "geometry.js"}
    script = SCRIPT.format(**{name: json.dumps((NUMBERS / file).as_uri()) for name, file in names.items()})
    run = subprocess.run(
        [node, "--input-type=module", "--eval", script],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return list(zip(cases, json.loads(run.stdout), strict=True))


def tensors(case: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """The picture (C, 1, H, W) and a kernel for each of its channels (C, 1, KH, KW), in double precision."""
    chosen = case["filter"]["kernels"]
    size = (chosen[0]["rows"], chosen[0]["columns"])
    channels = torch.tensor(case["channels"]).double().reshape(-1, 1, *case["size"])
    weights = torch.tensor([each["values"] for each in chosen]).double().reshape(-1, 1, *size)
    return channels, weights.expand(len(channels), 1, *size)


def partial_maps(case: dict[str, Any], padding: list[int]) -> Tensor:
    """One map for each channel; where PyTorch knows the word for the padding, it finds the numbers itself."""
    channels, weights = tensors(case)
    top, bottom, left, right = padding
    chosen = case["filter"]
    images = channels.transpose(0, 1)
    if chosen["padding"] == "same" and chosen["stride"] == 1:
        maps = F.conv2d(images, weights, None, 1, "same", chosen["dilation"], len(channels))
    else:
        padded = F.pad(images, (left, right, top, bottom))
        maps = F.conv2d(padded, weights, None, chosen["stride"], 0, chosen["dilation"], len(channels))
    return maps[0]


def close(found: list[float], expected: Tensor) -> None:
    torch.testing.assert_close(
        torch.tensor(found).double(), expected.flatten().double(), rtol=1e-5, atol=2e-6
    )


@SAME_IS_COPIED
def test_every_map_is_pytorchs(answered: Answers) -> None:
    pooled = 0
    for case, found in answered:
        if 0 in found["output"]:
            continue
        chosen = case["filter"]
        partials = partial_maps(case, found["padding"])
        assert list(partials.shape[1:]) == found["output"]
        for channel, map in enumerate(partials):
            close(found["partials"][channel], map)
        aggregated = COMBINED[chosen["aggregation"]](partials)
        close(found["aggregated"], aggregated)
        activated = aggregated + chosen["bias"]
        activated = activated.relu() if chosen["activation"] == "relu" else activated
        close(found["activated"], activated)
        if chosen["pool"] and min(activated.shape) >= chosen["pool"]:
            own = torch.tensor(found["activated"]).reshape(1, 1, *activated.shape)
            values, places = F.max_pool2d(own, chosen["pool"], return_indices=True)
            assert found["pooledSize"] == list(values.shape[2:])
            close(found["pooled"], values)
            assert found["switches"] == in_windows(places[0, 0], chosen["pool"], own.shape[-1])
            pooled += 1
    assert pooled > 10


def in_windows(places: Tensor, side: int, width: int) -> list[int]:
    """Places in the whole map as places inside each window."""
    rows, columns = places // width, places % width
    return ((rows % side) * side + columns % side).flatten().tolist()


@SAME_IS_COPIED
def test_sizes_and_costs_are_the_librarys(answered: Answers) -> None:
    compared, empty = 0, 0
    for case, found in answered:
        chosen, (height, width) = case["filter"], case["size"]
        if chosen["padding"] == "same" and chosen["stride"] != 1:  # PyTorch has no such padding, Keras has
            assert found["output"] == [-(-extent // chosen["stride"]) for extent in (height, width)]
            continue
        model, size = as_module(case), (len(case["channels"]), height, width)
        if 0 in found["output"]:
            with pytest.raises(RuntimeError, match=r"Kernel size can't be greater|Output size is too small"):
                model(torch.zeros(1, *size))
            empty += 1
            continue
        total = summary(model, size, verbose=0)
        assert found["cost"] == {"macs": total.macs, "parameters": total.parameters}
        assert found["output"] == list(model(torch.zeros(1, *size)).shape[-2:])
        compared += 1
    assert compared > 20
    assert empty > 0


def as_module(case: dict[str, Any]) -> nn.Conv2d:
    chosen = case["filter"]
    kernel = (chosen["kernels"][0]["rows"], chosen["kernels"][0]["columns"])
    padding = 0 if chosen["padding"] == "valid" else chosen["padding"]
    return nn.Conv2d(len(case["channels"]), 1, kernel, chosen["stride"], padding, dilation=chosen["dilation"])


def test_the_receptive_field_is_what_a_pixel_depends_on(
    answered: Answers,
) -> None:
    for case, found in answered:
        if 0 in found["output"]:
            continue
        chosen = case["filter"]
        kernel = (chosen["kernels"][0]["rows"], chosen["kernels"][0]["columns"])
        layers: list[nn.Module] = [
            nn.Conv2d(1, 1, kernel, chosen["stride"], dilation=chosen["dilation"], bias=False)
        ]
        if chosen["pool"]:
            # As wide as max-pooling, and it shows every pixel that it reads.
            layers.append(nn.AvgPool2d(chosen["pool"]))
        nn.init.ones_(layers[0].weight)  # type: ignore[arg-type]
        input = torch.zeros(1, 1, *found["field"], requires_grad=True)
        output = nn.Sequential(*layers)(input)
        assert output.shape[-2:] == (1, 1)
        (gradient,) = torch.autograd.grad(output.sum(), input)
        seen = gradient[0, 0].nonzero()
        assert (seen.amax(0) - seen.amin(0) + 1).tolist() == found["field"]


def test_a_stack_is_layers_one_after_the_other(
    answered: Answers,
) -> None:
    compared = 0
    for case, found in answered:
        if found.get("stack") is None:
            continue
        channels, weights = tensors(case)
        map, weight = channels.mean(0, keepdim=True), weights[:1]
        whole = map
        for step in range(case["depth"]):
            map = F.conv2d(map if step == 0 else map.relu(), weight)
            whole = F.conv2d(whole, weight)
        torch.testing.assert_close(torch.tensor(found["stack"]).double(), map.flatten(), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(
            torch.tensor(found["whole"]).double(), whole.flatten(), rtol=1e-4, atol=1e-4
        )
        compared += 1
    assert compared > 20
