"""Projections, patches and health over the server: the library's results, and requests that make no sense."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from convitro import deconvnet, diagnose
from convitro.datasets import open_dataset
from convitro.sources import Network
from convitro.view import read_document
from convitro.view.seeing import around_grey
from tests.explorer.conftest import Client
from tests.explorer.networks import digits, faulty, input_of, small

REFUSED = [
    ("/api/projection?layer=0&filter=0&pixel=16,0", 400, "no place"),
    ("/api/projection?layer=0&filter=0&pixel=1", 400, "no place"),
    ("/api/projection?layer=0&filter=0&pixel=1,²", 400, "no place"),
    ("/api/projection?layer=0&filter=0&pixel=-1,0", 400, "no place"),
    ("/api/projection?layer=0&filter=0&method=magic", 400, "method"),
    ("/api/projection?layer=0&filter=5", 400, "`filter`"),
    ("/api/patches?layer=nothing", 404, "no such layer"),
    ("/api/patches?layer=0&filter=5", 400, "`filter`"),
]


@pytest.mark.parametrize(("address", "status", "words"), REFUSED)
def test_refusals(client: Client, address: str, status: int, words: str) -> None:
    response = client.get(address)
    assert response.status_code == status
    assert words in response.json()["problem"]


def test_a_projection(client: Client) -> None:
    document = read_document(client.get("/api/projection?layer=3&filter=1&pixel=2,4&method=guided").content)
    network = small()
    seen = deconvnet(network.model, input_of(network), "3", 1, unit=(2, 4), method="guided")
    assert document.manifest["value"] == pytest.approx(seen.value)
    assert document.manifest["box"] == list(seen.region)
    assert (document.arrays["projection"] == around_grey(seen.image)).all()


def test_patches_of_one_pass_serve_every_filter(client: Client) -> None:
    documents = [
        read_document(client.get(f"/api/patches?layer=0&filter={index}").content) for index in (0, 1)
    ]
    for document in documents:
        found = document.manifest["patches"]
        values = [patch["value"] for patch in found]
        assert values == sorted(values, reverse=True)
        assert document.manifest["seen"] == 300
        assert {f"patch{rank}" for rank in range(len(found))} <= set(document.arrays)
        assert all(document.arrays[f"patch{rank}"].shape[2] == 3 for rank in range(len(found)))


def test_grey_networks_look_at_grey_details(open_client: Callable[[Network], Client]) -> None:
    document = read_document(open_client(digits()).get("/api/patches?layer=conv1&filter=0").content)
    assert document.arrays["patch0"].shape[2] == 1


def test_a_filter_that_is_never_active_has_no_patches(open_client: Callable[[Network], Client]) -> None:
    document = read_document(open_client(faulty()).get("/api/patches?layer=3&filter=2").content)
    assert document.manifest["patches"] == []


def test_health(open_client: Callable[[Network], Client]) -> None:
    network = faulty()
    document = read_document(open_client(network).get("/api/health").content)
    images = open_dataset("details", network.input_size).sample(300)
    expected = diagnose(network.model, images.mapped(network.normalize))
    assert document.manifest["findings"] == expected.to_dict()["findings"]
    assert ("3", 2) in [(found["layer"], found["filter"]) for found in document.manifest["findings"]]


def test_channels_that_no_picture_has(open_client: Callable[[Network], Client]) -> None:
    network = Network(nn.Conv2d(5, 2, 3).eval(), "five", (5, 8, 8))
    response = open_client(network).get("/api/health")
    assert response.status_code == 404
    assert "5 channels" in response.json()["problem"]
    assert "--data" in response.json()["hint"]


def test_pixels_come_back_from_a_normalised_picture() -> None:
    network = Network(nn.Conv2d(3, 1, 1), "one", (3, 4, 4), mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 2.0))
    pixels = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(network.pixels(network.normalize(pixels)), pixels)
