"""The documents hold the library's own numbers, for networks of every kind."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from convitro import aggregations
from convitro.sources import Network
from convitro.view import Document, read_document
from tests.explorer.conftest import Client
from tests.explorer.networks import anatomy_of, digits, odd, resnet, several, small


def fetch(client: Client, address: str, **parameters: object) -> Document:
    response = client.get(address, params={name: str(value) for name, value in parameters.items()})
    assert response.status_code == 200, response.text
    return read_document(response.content)


@pytest.mark.parametrize("make", [small, digits, odd])
def test_the_network_document(make: Callable[[], Network], open_client: Callable[[Network], Client]) -> None:
    network = make()
    document = fetch(open_client(network), "/api/network")
    anatomy = anatomy_of(network)
    assert [layer["name"] for layer in document.manifest["layers"]] == list(anatomy)
    for manifest, layer in zip(document.manifest["layers"], anatomy.values(), strict=True):
        assert tuple(manifest["output_size"]) == layer.output_size
        assert manifest["parameters"] == layer.parameters
        assert manifest["aggregation"] == layer.aggregation.spec
        assert manifest["separate"] == layer.aggregation.separate
    assert document.manifest["aggregations"][0]["name"] == "sum"
    assert {word["name"] for word in document.manifest["aggregations"]} == set(aggregations())
    assert document.arrays["picture"].shape == (*network.input_size[1:], network.input_size[0])


def test_the_prediction_is_the_softmax_of_the_scores(client: Client, network: Network) -> None:
    rows = fetch(client, "/api/network").manifest["prediction"]
    shares = torch.softmax(anatomy_of(network).output[0], dim=0)
    best = shares.topk(5)
    assert [row["index"] for row in rows] == best.indices.tolist()
    assert [row["share"] for row in rows] == pytest.approx(best.values.tolist(), rel=1e-6)
    assert rows[0]["name"] == network.classes[rows[0]["index"]]


def test_what_a_sigmoid_gives_each_class_is_left_as_it_is(
    open_client: Callable[[Network], Client],
) -> None:
    network = several()
    client, given = open_client(network), anatomy_of(network).output[0]
    facts = fetch(client, "/api/network").manifest
    best = given.topk(5)
    assert facts["ending"] == "sigmoid"
    assert [row["index"] for row in facts["prediction"]] == best.indices.tolist()
    assert [row["share"] for row in facts["prediction"]] == pytest.approx(best.values.tolist(), rel=1e-6)
    answer = fetch(client, "/api/answer")
    assert answer.manifest["ending"] == "sigmoid"
    assert_same(answer.arrays["shares"][:5], best.values)
    then = fetch(client, "/api/outcome", layer="0", aggregation="mean").manifest["then"]
    assert then["before"] == pytest.approx(float(best.values[0]), rel=1e-6)
    beside = fetch(client, "/api/compared", layer="0", filter=0, picture="cat").manifest["prediction"]
    assert [row["share"] for row in beside] == pytest.approx(best.values[:3].tolist(), rel=1e-6)


@pytest.mark.parametrize("make", [small, digits, odd])
def test_every_filter_of_every_layer(
    make: Callable[[], Network], open_client: Callable[[Network], Client]
) -> None:
    network = make()
    client, anatomy = open_client(network), anatomy_of(network)
    for name, layer in anatomy.items():
        for index in range(0, layer.filters, 3):
            part = layer.filter(index)
            shown = fetch(client, "/api/filter", layer=name, filter=index)
            inputs = fetch(client, "/api/inputs", layer=name, filter=index)
            assert inputs.manifest["channels"] == list(part.channels)
            assert_same(inputs.arrays["inputs"], part.inputs[0])
            assert_same(shown.arrays["kernels"], part.kernels)
            assert_same(shown.arrays["partial_maps"], part.partial_maps[0])
            if layer.aggregation.separate:
                assert "aggregated" not in shown.arrays
                continue
            assert_same(shown.arrays["aggregated"], part.aggregated[0])
            assert_same(shown.arrays["activated"], part.activated[0])
            if part.pooled is not None:
                assert_same(shown.arrays["pooled"], part.pooled[0])
            if part.switches is not None:
                assert_same(shown.arrays["switches"], part.switches[0])


@pytest.mark.parametrize("aggregation", [name for name in aggregations() if name not in ("sum", "none")])
def test_another_aggregation_comes_with_the_trained_one(
    client: Client, network: Network, aggregation: str
) -> None:
    layer = anatomy_of(network)["0"]
    shown = fetch(client, "/api/filter", layer="0", filter=2, aggregation=aggregation)
    assert not shown.manifest["trained"]
    assert_same(shown.arrays["activated"], layer.filter(2, aggregation).activated[0])
    assert_same(shown.arrays["trained_activated"], layer.filter(2).activated[0])


def test_the_trained_aggregation_by_name_is_the_trained_chain(client: Client) -> None:
    shown = fetch(client, "/api/filter", layer="0", filter=2, aggregation="sum")
    assert shown.manifest["trained"]
    assert not any(name.startswith("trained_") for name in shown.arrays)


def test_the_small_maps_keep_their_values(client: Client, network: Network) -> None:
    maps = fetch(client, "/api/maps", layer="0")
    expected = anatomy_of(network)["0"].pooled
    assert expected is not None
    limits = maps.arrays["limits"][:, None, None]
    values = (maps.arrays["maps"].astype(np.float32) - 128) / 127 * limits
    np.testing.assert_allclose(values, expected[0].numpy(), atol=float(limits.max()) / 127)


def test_many_channels_come_in_pages(open_client: Callable[[Network], Client]) -> None:
    network = resnet()
    client = open_client(network)
    layers = {layer["name"]: layer for layer in fetch(client, "/api/network").manifest["layers"]}
    assert len(layers) == 20
    last = layers["11.conv2"]
    assert (last["channels_per_filter"], last["channels_per_page"]) == (512, 64)
    page = fetch(client, "/api/inputs", layer="11.conv2", filter=7, start=448)
    assert page.manifest["channels"] == list(range(448, 512))
    assert (
        fetch(client, "/api/filter", layer="11.conv2", filter=7, start=448).arrays["partial_maps"].shape[0]
        == 64
    )
    wide = layers["4.conv1"]  # 64 channels of 56 x 56
    assert wide["channels_per_page"] * 56 * 56 <= 2**20


def test_the_pictures_to_choose_from(client: Client) -> None:
    document = fetch(client, "/api/pictures")
    names = [picture["name"] for picture in document.manifest["pictures"]]
    assert names[:2] == ["cat", "cup"]
    assert document.arrays["pictures"].shape == (len(names), 48, 48, 3)


def assert_same(array: np.ndarray, tensor: torch.Tensor) -> None:
    torch.testing.assert_close(torch.from_numpy(array.copy()), tensor, rtol=0, atol=0)
