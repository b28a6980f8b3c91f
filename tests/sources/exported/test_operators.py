"""Operators of many kinds: called as people write them, they give what the original model gives."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convitro.anatomy import dissect
from convitro.sources import from_exported


def layers() -> list[nn.Module]:
    """Layers that turn maps (N, 4, 8, 8) into such maps, one after the other."""
    pointwise = [nn.Hardswish(), nn.Hardsigmoid(), nn.ReLU6(), nn.LeakyReLU(0.2, inplace=True), nn.ELU(0.5)]
    pointwise += [nn.SELU(), nn.CELU(0.7), nn.GELU(), nn.GELU(approximate="tanh"), nn.SiLU(), nn.Mish()]
    pointwise += [nn.Softplus(2.0), nn.PReLU(4), nn.PReLU(), nn.Hardtanh(-0.5, 0.5), nn.Tanh(), nn.Sigmoid()]
    pointwise += [nn.LogSigmoid(), nn.Softsign(), nn.Threshold(0.1, 0.2), nn.RReLU(), nn.Softshrink(0.01)]
    pools = [nn.MaxPool2d(3, 1, 1), nn.AvgPool2d(3, 1, 1, count_include_pad=False), nn.AdaptiveMaxPool2d(8)]
    pools += [nn.Upsample(scale_factor=2), nn.MaxPool2d(2, ceil_mode=True), nn.AdaptiveAvgPool2d(4)]
    pools += [nn.Upsample(size=(8, 8), mode="bilinear"), nn.PixelShuffle(2), nn.PixelUnshuffle(2)]
    turned = [nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1, output_padding=1), nn.AvgPool2d(2)]
    borders = [
        nn.ZeroPad2d((1, 0, 0, 1)),
        nn.ReflectionPad2d(1),
        nn.ReplicationPad2d(1),
        nn.AdaptiveAvgPool2d(8),
    ]
    norms = [nn.Dropout(0.3), nn.GroupNorm(2, 4), nn.InstanceNorm2d(4, affine=True), nn.LocalResponseNorm(3)]
    norms += [nn.BatchNorm2d(4), nn.LayerNorm(8), nn.Softmax(1), nn.LogSoftmax(1)]
    convolutions = [nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, (1, 3), padding="same", dilation=(1, 2))]
    return [*convolutions, *pointwise, *norms, *pools, *turned, *borders]


class Everything(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers())

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        for layer in self.layers:
            x = layer(x) * 1.5 + 0.01
        rows = x.flatten(2).transpose(1, 2)
        mixed = F.scaled_dot_product_attention(rows, rows, rows)
        mixed = torch.einsum("bij,bkj->bik", rows, mixed).softmax(-1) @ mixed
        x = F.normalize(x + mixed.transpose(1, 2).reshape(x.shape), dim=1)
        x = torch.where(x > 0, x, -x).clamp(min=0.001).pow(2).sqrt().log().exp()
        x = torch.stack([x, x.roll(1, 2)]).max(0).values
        best, places = x.topk(2, dim=1)
        spread = x.std((2, 3), keepdim=True) + x.amax((2, 3), keepdim=True)
        wide = x[:, ::2][:, 0].unsqueeze(1).expand(-1, 3, -1, -1)
        return (
            F.pad(spread.squeeze(-1).squeeze(-1), (1, 1)).argmax(1),
            best,
            wide,
            F.one_hot(places[:, 0, 0, 0], 4),
        )


def test_operators_give_what_the_model_gives(tmp_path: Path) -> None:
    model, picture = Everything().eval(), torch.randn(2, 4, 8, 8)
    program = torch.export.export(model, (picture,), dynamic_shapes=({0: torch.export.Dim.AUTO},))
    torch.export.save(program, tmp_path / "all.pt2")
    loaded, batch = from_exported(tmp_path / "all.pt2"), torch.randn(3, 4, 8, 8)
    for found, wanted in zip(loaded(batch), model(batch), strict=True):
        torch.testing.assert_close(found, wanted)
    assert list(dissect(loaded, batch)) == ["layers.0", "layers.1"]
