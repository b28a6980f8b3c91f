"""The explorer shows networks of other frameworks under their own names of layers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from convitro.cli.network import open_model
from convitro.sources import Network, open_network
from tests.explorer.conftest import Client
from tests.explorer.networks import anatomy_of
from tests.explorer.test_documents import fetch
from tests.sources.exported.networks import export, network
from tests.sources.onnx.building import model, node, save


def onnx_network(folder: Path) -> Network:
    """Names as torch's exporter writes them: paths between slashes."""
    weights = {"w": torch.randn(4, 3, 3, 3), "b": torch.randn(4, 1, 1), "f": torch.randn(64, 5)}
    nodes = [
        node("Conv", "x w", "c", "/features/features.0/Conv", auto_pad="SAME_UPPER", strides=[2, 2]),
        node("Add", "c b", "a", "/features/Add"),
        node("Relu", "a", "r"),
        node("MaxPool", "r", "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", "p", "q"),
        node("MatMul", "q f", "y"),
    ]
    return open_network(save(model(nodes, {"x": ("N", 3, 16, 16)}, ["y"], weights), folder / "net.onnx"))


def exported_network(folder: Path) -> Network:
    return open_network(export(network(), folder / "net.pt2", torch.zeros(1, 3, 32, 32)))


@pytest.mark.parametrize("make", [onnx_network, exported_network])
def test_every_layer_is_shown(
    make: Callable[[Path], Network], open_client: Callable[[Network], Client], tmp_path: Path
) -> None:
    found = make(tmp_path)
    client, anatomy = open_client(found), anatomy_of(found)
    manifest = fetch(client, "/api/network").manifest
    assert [layer["name"] for layer in manifest["layers"]] == list(anatomy)
    assert len(manifest["prediction"]) == 5
    for name, layer in anatomy.items():
        fetch(client, "/api/maps", layer=name)
        document = fetch(client, "/api/filter", layer=name, filter=1)
        shown = torch.from_numpy(document.arrays["activated"].copy()).squeeze()
        torch.testing.assert_close(shown, layer.activated[0, 1], rtol=1e-5, atol=1e-5)


def test_the_command_line_opens_them(tmp_path: Path) -> None:
    onnx_network(tmp_path)
    assert open_model(str(tmp_path / "net.onnx"), None, None).input_size == (3, 16, 16)
