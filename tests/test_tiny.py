"""The whole library in a few seconds: each part once, on the smallest example that means something."""

import pytest
import torch

import convitro

IMAGE = torch.tensor([1.0, 100.0, 10000.0]).reshape(1, 3, 1, 1).expand(1, 3, 3, 3).contiguous()


def layer_of_ones(aggregation: str = "sum") -> convitro.Conv2d:
    layer = convitro.Conv2d(3, 1, kernel_size=2, aggregation=aggregation)
    torch.nn.init.ones_(layer.weight)
    assert layer.bias is not None
    torch.nn.init.zeros_(layer.bias)
    return layer


def test_three_channels_become_one_map() -> None:
    layer = layer_of_ones()
    assert layer(IMAGE).tolist() == [[[[40404.0, 40404.0], [40404.0, 40404.0]]]]
    assert sum(parameter.numel() for parameter in layer.parameters()) == 13


def test_the_arithmetic_of_a_pixel() -> None:
    pixel = convitro.dissect(layer_of_ones(), IMAGE)["conv2d"].pixel(filter=0, y=0, x=0)
    assert pixel.partials.tolist() == [4.0, 400.0, 40000.0]
    assert "4 + 400 + 40000 + 0 = 40404" in str(pixel)


@pytest.mark.parametrize(
    ("aggregation", "value"),
    [("mean", 40404 / 3), ("max", 40000.0), ("min", 4.0), ("median", 400.0), ("product", 6.4e7)],
)
def test_another_aggregation(aggregation: str, value: float) -> None:
    assert layer_of_ones(aggregation)(IMAGE)[0, 0, 0, 0].item() == pytest.approx(value)


def test_every_aggregation_trains() -> None:
    for name in convitro.aggregations():
        block = convitro.ConvBlock(3, 4, 3, aggregation=name)
        block(torch.rand(1, 3, 6, 6)).sum().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in block.parameters())


def test_the_embedded_network_opens() -> None:
    model, image = convitro.models.small_vgg(), torch.rand(1, 3, 32, 32)
    anatomy = convitro.dissect(model, image)
    assert list(anatomy) == ["conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2"]
    layer = anatomy["conv1_2"]
    assert layer.bias is not None
    assert layer.pooled is not None
    torch.testing.assert_close(
        layer.partial_maps(5).sum(1) + layer.bias[5], layer.output[:, 5], rtol=1e-4, atol=1e-4
    )
    assert layer.pooled.shape == (1, 32, 16, 16)
    assert layer.under("max").shape == layer.output.shape
    assert model(image).shape == (1, len(convitro.models.CLASSES))


def test_the_summary_counts() -> None:
    summary = convitro.summary(convitro.models.small_vgg(), input_size=(3, 32, 32))
    assert summary.to_dict()["totals"]["parameters"] == 204_970
