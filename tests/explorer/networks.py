"""Networks of every kind that the page must show, small enough to run in milliseconds."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convitro
from convitro.anatomy import Anatomy
from convitro.models import CLASSES, INPUT_SIZE, small_vgg
from convitro.pictures import load_picture, to_input
from convitro.sources import Network

CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


class Digits(nn.Module):
    """Two layers on 28x28 grey pictures, pooled before they are activated, all of it functional."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 8, 5)
        self.output = nn.Linear(128, 10)

    def forward(self, input: Tensor) -> Tensor:
        maps = F.relu(F.max_pool2d(self.conv1(input), 2))
        maps = F.relu(F.max_pool2d(self.conv2(maps), 2))
        return F.log_softmax(self.output(maps.flatten(1)), dim=1)


class Residual(nn.Module):
    """Two 3x3 convolutions with batch normalisation around which the input is carried."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            norm = nn.BatchNorm2d(out_channels)
            self.shortcut = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), norm)

    def forward(self, input: Tensor) -> Tensor:
        maps = F.relu(self.norm1(self.conv1(input)), inplace=True)
        return F.relu(self.norm2(self.conv2(maps)) + self.shortcut(input))


class ResNet(nn.Sequential):
    """ResNet-18: 7x7 stem with overlapping pooling, then four stages of two residual blocks."""

    def __init__(self, widths: tuple[int, ...] = (64, 128, 256, 512), classes: int = 1000) -> None:
        stem = nn.Conv2d(3, widths[0], 7, 2, 3, bias=False)
        layers: list[nn.Module] = [
            stem,
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, 1),
        ]
        for stage, width in enumerate(widths):
            before = widths[max(stage - 1, 0)]
            layers += [Residual(before, width, 1 if stage == 0 else 2), Residual(width, width, 1)]
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], classes))


def small() -> Network:
    """Two ordinary layers of known random weights on 16x16 colour pictures."""
    torch.manual_seed(3)
    model = nn.Sequential(
        nn.Conv2d(3, 5, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(5, 4, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(4 * 36, 10),
    )
    return Network(model.eval(), "small", (3, 16, 16), CIFAR)


def embedded() -> Network:
    """The network that the package brings along."""
    return Network(small_vgg(), "small_vgg", INPUT_SIZE, CLASSES)


def faulty() -> Network:
    """The first one with a filter that is never active."""
    network = small()
    with torch.no_grad():
        network.model.get_parameter("3.bias")[2] = -100.0
    return network


def several() -> Network:
    """The first one as it would be trained to find several things at once: a sigmoid for each class."""
    network = small()
    model = nn.Sequential(*network.model.children(), nn.Sigmoid()).eval()
    return Network(model, "several", network.input_size, CIFAR)


def digits() -> Network:
    torch.manual_seed(3)
    return Network(Digits().eval(), "digits", (1, 28, 28), tuple("0123456789"))


def resnet() -> Network:
    torch.manual_seed(3)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    return Network(ResNet().eval(), "resnet18", (3, 224, 224), (), mean, std)


def paged() -> Network:
    """A second layer that reads more channels than a page shows."""
    torch.manual_seed(3)
    model = nn.Sequential(
        nn.Conv2d(3, 150, 3), nn.Tanh(), nn.Conv2d(150, 4, 3), nn.Flatten(), nn.Linear(144, 10)
    )
    return Network(model.eval(), "paged", (3, 10, 10), CIFAR)


def odd() -> Network:
    """Everything unusual: own aggregations, windows and combines, groups, dilation, reflection, 1x1."""
    torch.manual_seed(3)
    model = nn.Sequential(
        convitro.Conv2d(3, 4, 3, padding=1, aggregation="none"),
        nn.ReLU(),
        convitro.Conv2d(12, 6, 3, groups=3, aggregation="max", padding=1),
        nn.GELU(),
        nn.MaxPool2d(3, 2, 1),
        convitro.Conv2d(
            6,
            5,
            (2, 3),
            dilation=2,
            padding=1,
            padding_mode="reflect",
            aggregation=convitro.LogSumExp(beta=5.0),
        ),
        nn.AvgPool2d(2),
        convitro.Conv2d(5, 8, 3, stride=2, padding=1, combine="absolute_difference", window="mean"),
        nn.ReLU(),
        nn.Conv2d(8, 12, 1),
        nn.Conv2d(12, 12, 3, groups=12, padding="same"),
    )
    return Network(model.eval(), "odd layers", (3, 48, 64))


def of_any_size() -> bytes:
    """An ONNX model of one convolution that takes pictures of any size."""
    from onnx import TensorProto, helper, numpy_helper

    torch.manual_seed(3)
    conv = nn.Conv2d(3, 4, 3)
    weights = [
        numpy_helper.from_array(value.detach().numpy(), name) for name, value in conv.named_parameters()
    ]
    node = helper.make_node("Conv", ["picture", "weight", "bias"], ["maps"], name="first")
    sizes: dict[str, list[str | int | None]] = {"picture": ["n", 3, "h", "w"], "maps": ["n", 4, "oh", "ow"]}
    values = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, size) for name, size in sizes.items()
    }
    graph = helper.make_graph([node], "any", [values["picture"]], [values["maps"]], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    data: bytes = model.SerializeToString()
    return data


NETWORKS = {
    "small": small,
    "digits": digits,
    "embedded": embedded,
    "faulty": faulty,
    "several": several,
    "odd": odd,
    "paged": paged,
    "resnet": resnet,
}


def input_of(network: Network, picture: str = "cat") -> Tensor:
    """What the network is given of a picture; without one, of that which is open at first."""
    return network.normalize(to_input(load_picture(picture), network.input_size))


def anatomy_of(network: Network) -> Anatomy:
    """The library's own numbers about that picture."""
    return convitro.dissect(network.model, input_of(network))
