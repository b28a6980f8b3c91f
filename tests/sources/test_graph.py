"""A graph of steps: values by name, let go after use; uneven borders are part of their convolution."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convitro.anatomy import dissect, summary
from convitro.errors import ShapeError
from convitro.sources import Graph, Step


class Conv(Step):
    """A convolution that pads zeros on sides of its own choice."""

    def __init__(
        self, name: str, inputs: list[str], outputs: list[str], pad: tuple[int, ...], **how: int
    ) -> None:
        super().__init__(name, "Conv", inputs, outputs)
        self.weight = nn.Parameter(torch.randn(4, 3, 3, 2))
        self.bias = nn.Parameter(torch.randn(4))
        self.pad, self.how = pad, how

    def forward(self, values: Tensor) -> Tensor:
        return F.conv2d(F.pad(values, self.pad), self.weight, self.bias, **self.how)


class Relu(Step):
    def forward(self, values: Tensor) -> Tensor:
        return F.relu(values)


class Halves(Step):
    def forward(self, values: Tensor) -> tuple[Tensor, ...]:
        return values.chunk(2, dim=1)


@pytest.fixture
def graph() -> Graph:
    torch.manual_seed(0)
    steps = [
        Conv("features/0.conv", ["picture"], ["maps"], (1, 0, 0, 2), stride=2, padding=1, dilation=2),
        Relu("features/relu", "Relu", ["maps"], ["active"]),
        Halves("split", "Split", ["active"], ["left", "right"]),
    ]
    return Graph("example", ["picture"], steps, ["right", "left"]).eval()


def test_uneven_borders_belong_to_the_convolution(graph: Graph) -> None:
    picture = torch.rand(2, 3, 9, 8)
    anatomy = dissect(graph, picture)
    layer = anatomy["features/0.conv"]
    assert layer.problem.padding == (1, 3, 2, 1)
    torch.testing.assert_close(layer.input, picture, rtol=0, atol=0)
    right, left = anatomy.output
    torch.testing.assert_close(layer.activated, torch.cat([left, right], 1))
    parts = layer.partial_maps(2).sum(1) + graph.steps[0].get_parameter("bias")[2].detach()
    torch.testing.assert_close(parts, layer.output[:, 2])
    torch.testing.assert_close(torch.tensor(layer.pixel(2, 0, 0).output), layer.output[0, 2, 0, 0])
    assert layer.activation == "relu"


def test_steps_keep_the_names_of_their_framework(graph: Graph) -> None:
    rows = summary(graph, (3, 9, 8), verbose=0).rows
    assert [(row.name, row.kind) for row in rows][:2] == [
        ("features/0.conv", "Conv"),
        ("features/relu", "Relu"),
    ]
    assert rows[0].macs == 4 * 3 * 6 * layer_pixels(graph)


def layer_pixels(graph: Graph) -> int:
    return int(graph(torch.zeros(1, 3, 9, 8))[0][0, 0].numel())


def test_values_are_let_go_after_their_last_use(graph: Graph) -> None:
    alive: list[weakref.ref[Tensor]] = []

    class Watch(Step):
        def forward(self, values: Tensor) -> Tensor:
            alive.append(weakref.ref(values))
            return values + 1

    class Ask(Step):
        def forward(self, values: Tensor) -> Tensor:
            gc.collect()
            assert alive[0]() is None
            return values

    steps = [
        Relu("relu", "Relu", ["x"], ["a"]),
        Watch("add", "Add", ["a"], ["b"]),
        Ask("ask", "Ask", ["b"], ["c"]),
    ]
    Graph("watched", ["x"], steps, ["c"])(torch.zeros(1))


def test_arguments_go_by_order_or_by_name(graph: Graph) -> None:
    picture = torch.rand(1, 3, 9, 8)
    torch.testing.assert_close(graph(picture)[0], graph(picture=picture)[0], rtol=0, atol=0)
    with pytest.raises(ShapeError, match="expected: 1: picture"):
        graph(picture, picture)
    with pytest.raises(ShapeError, match="and image"):
        graph(image=picture)
