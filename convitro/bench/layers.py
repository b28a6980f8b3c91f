"""The layers that are measured, by suite, and what each one costs. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

BLOCK_3X3, BLOCK_OTHER = "block 3x3", "block, other kernels"
CONV_3X3, CONV_OTHER = "conv 3x3", "conv, other shapes"


@dataclass(frozen=True)
class Layer:
    """One convolution with bias and ReLU, and a max-pool where `pool` is not 0.

    Attributes:
        origin: where it comes from, such as "VGG-16 conv1_2".
        image: channels, height and width of the input.
        pool, pool_stride: side of the pooling window, and its step.
    """

    origin: str
    image: tuple[int, int, int]
    out_channels: int
    kernel: int = 3
    stride: int = 1
    padding: int = 1
    dilation: int = 1
    groups: int = 1
    pool: int = 0
    pool_stride: int = 0
    batch: int = 1

    @property
    def name(self) -> str:
        """Origin and batch; unique within a suite."""
        return f"{self.origin} b{self.batch}"

    @property
    def shape(self) -> str:
        """The sizes in one line.

        Example:
            >>> Layer("stem", (3, 224, 224), 64, kernel=7, stride=2, padding=3, pool=3, pool_stride=2).shape
            '1,3,224,224 → 64, 7x7, stride 2, pool 3/2'
        """
        sizes = ",".join(str(size) for size in (self.batch, *self.image))
        words = [f"{sizes} → {self.out_channels}", f"{self.kernel}x{self.kernel}"]
        for word, value in (("stride", self.stride), ("dilation", self.dilation), ("groups", self.groups)):
            words += [f"{word} {value}"] if value > 1 else []
        words += [f"pool {self.pool}/{self.pool_stride}"] if self.pool else []
        return ", ".join(words)

    @property
    def group(self) -> str:
        """Which of the stated targets it counts for."""
        if self.pool:
            return BLOCK_3X3 if self.kernel == 3 else BLOCK_OTHER
        plain = self.kernel == 3 and self.stride == self.dilation == self.groups == 1
        return CONV_3X3 if plain and min(self.image[0], self.out_channels) >= 32 else CONV_OTHER

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """(C_out, C_in/groups, KH, KW)."""
        return self.out_channels, self.image[0] // self.groups, self.kernel, self.kernel

    def maps_size(self) -> tuple[int, int]:
        """Height and width of the maps before pooling."""
        extent = self.dilation * (self.kernel - 1) + 1
        height, width = ((side + 2 * self.padding - extent) // self.stride + 1 for side in self.image[1:])
        return height, width

    def output_size(self) -> tuple[int, int]:
        """Height and width of what comes out."""
        height, width = self.maps_size()
        if not self.pool:
            return height, width
        return (height - self.pool) // self.pool_stride + 1, (width - self.pool) // self.pool_stride + 1

    def flops(self) -> int:
        """Two per multiply-accumulate of the direct algorithm; bias, ReLU and pooling are not counted."""
        height, width = self.maps_size()
        filters, channels, kh, kw = self.weight_shape
        return 2 * self.batch * height * width * filters * channels * kh * kw

    def size_bytes(self) -> int:
        """What must be read and written at least once in float32: input, weight, bias and output."""
        channels, height, width = self.image
        filters, inner, kh, kw = self.weight_shape
        rows, columns = self.output_size()
        numbers = self.batch * channels * height * width + filters * (inner * kh * kw + 1)
        return 4 * (numbers + self.batch * filters * rows * columns)


def block_layers() -> Iterator[Layer]:
    """Convolution, bias, ReLU and max-pool; the batch of the second measurement follows the network."""
    for sizes, out_channels, batch in TABLE:
        name = f"{sizes[0]}x{sizes[1]} to {out_channels}"
        yield Layer(name, sizes, out_channels, pool=2, pool_stride=2, batch=batch)
    yield from _batches(8, VGG_POOLED)
    stem = Layer("ResNet-18 stem", (3, 224, 224), 64, 7, stride=2, padding=3, pool=3, pool_stride=2)
    yield from _batches(8, [stem])
    lenet = [
        Layer("LeNet-5 conv1", (1, 28, 28), 6, 5, padding=2, pool=2, pool_stride=2),
        Layer("LeNet-5 conv2", (6, 14, 14), 16, 5, padding=0, pool=2, pool_stride=2),
    ]
    yield from _batches(32, lenet)
    alexnet = [
        Layer("AlexNet conv1", (3, 224, 224), 64, 11, stride=4, padding=2),
        Layer("AlexNet conv2", (64, 27, 27), 192, 5, padding=2),
        Layer("AlexNet conv5", (256, 13, 13), 256, 3),
    ]
    yield from _batches(8, [replace(layer, pool=3, pool_stride=2) for layer in alexnet])
    yield from _batches(32, SMALL_POOLED)
    yield Layer("first layer 1080p", (3, 1080, 1920), 32, pool=2, pool_stride=2)


def conv_layers() -> Iterator[Layer]:
    """Convolution, bias and ReLU without pooling."""
    yield from _batches(8, RESNET_STAGES)
    yield from _batches(8, VGG_UNPOOLED)
    yield from _batches(8, ALEXNET_UNPOOLED)
    yield from _batches(32, SMALL_UNPOOLED)
    yield from _batches(8, OTHER_SHAPES)


def _batches(more: int, layers: list[Layer]) -> Iterator[Layer]:
    for batch in (1, more):
        yield from (replace(layer, batch=batch) for layer in layers)


TABLE = [
    ((3, 224, 224), 32, 1),
    ((3, 224, 224), 32, 8),
    ((1, 28, 28), 32, 32),
    ((32, 28, 28), 64, 32),
    ((64, 56, 56), 64, 8),
    ((256, 28, 28), 256, 8),
]
VGG_POOLED = [
    Layer("VGG-16 conv1_2", (64, 224, 224), 64, pool=2, pool_stride=2),
    Layer("VGG-16 conv2_2", (128, 112, 112), 128, pool=2, pool_stride=2),
    Layer("VGG-16 conv3_3", (256, 56, 56), 256, pool=2, pool_stride=2),
    Layer("VGG-16 conv4_3", (512, 28, 28), 512, pool=2, pool_stride=2),
    Layer("VGG-16 conv5_3", (512, 14, 14), 512, pool=2, pool_stride=2),
]
SMALL_POOLED = [
    Layer("small_vgg conv1_2", (32, 32, 32), 32, pool=2, pool_stride=2),
    Layer("small_vgg conv2_2", (64, 16, 16), 64, pool=2, pool_stride=2),
    Layer("small_vgg conv3_2", (96, 8, 8), 96, pool=2, pool_stride=2),
]
RESNET_STAGES = [
    Layer("ResNet-18 stage 1", (64, 56, 56), 64),
    Layer("ResNet-18 stage 2", (128, 28, 28), 128),
    Layer("ResNet-18 stage 3", (256, 14, 14), 256),
    Layer("ResNet-18 stage 4", (512, 7, 7), 512),
]
VGG_UNPOOLED = [
    Layer("VGG-16 conv2_1", (64, 112, 112), 128),
    Layer("VGG-16 conv3_1", (128, 56, 56), 256),
    Layer("VGG-16 conv3_2", (256, 56, 56), 256),
    Layer("VGG-16 conv4_1", (256, 28, 28), 512),
    Layer("VGG-16 conv4_2", (512, 28, 28), 512),
    Layer("VGG-16 conv5_1", (512, 14, 14), 512),
]
ALEXNET_UNPOOLED = [
    Layer("AlexNet conv3", (192, 13, 13), 384),
    Layer("AlexNet conv4", (384, 13, 13), 256),
]
SMALL_UNPOOLED = [
    Layer("small_vgg conv1_1", (3, 32, 32), 32),
    Layer("small_vgg conv2_1", (32, 16, 16), 64),
    Layer("small_vgg conv3_1", (64, 8, 8), 96),
]
OTHER_SHAPES = [
    Layer("VGG-16 conv1_1", (3, 224, 224), 64),
    Layer("1x1 widening", (64, 56, 56), 256, 1, padding=0),
    Layer("1x1 narrowing", (256, 56, 56), 64, 1, padding=0),
    Layer("1x1 deep", (1024, 14, 14), 256, 1, padding=0),
    Layer("1x1 stride 2", (64, 56, 56), 128, 1, stride=2, padding=0),
    Layer("3x3 stride 2", (64, 56, 56), 128, stride=2),
    Layer("5x5", (32, 28, 28), 64, 5, padding=2),
    Layer("7x7 stride 2", (3, 224, 224), 64, 7, stride=2, padding=3),
    Layer("depthwise", (64, 112, 112), 64, groups=64),
    Layer("depthwise stride 2", (128, 56, 56), 128, stride=2, groups=128),
    Layer("grouped by 32", (128, 56, 56), 128, groups=32),
    Layer("dilated by 2", (128, 28, 28), 128, padding=2, dilation=2),
]
SUITES = {"block": block_layers, "conv": conv_layers}
QUICK = (  # one of each kind
    "3x224 to 32 b1",
    "64x56 to 64 b8",
    "LeNet-5 conv1 b32",
    "ResNet-18 stage 2 b1",
    "1x1 widening b1",
    "depthwise b1",
)
OVERVIEW = (  # what a first picture shows
    "3x224 to 32 b1",
    "32x28 to 64 b32",
    "64x56 to 64 b8",
    "VGG-16 conv1_2 b1",
    "VGG-16 conv3_3 b1",
    "ResNet-18 stem b1",
    "AlexNet conv2 b1",
    "LeNet-5 conv1 b32",
)
