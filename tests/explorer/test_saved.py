"""The session as one file: what is in it, where it opens, what is refused."""

import base64
import gzip
import html
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from anyio.from_thread import BlockingPortal

from convitro import deconvnet, dissect
from convitro.aggregation import aggregations
from convitro.anatomy import Anatomy
from convitro.datasets import open_dataset
from convitro.explorer import create_app
from convitro.pictures import load_picture, to_input
from convitro.sources import Network
from convitro.view import Document, read_document
from convitro.view.seeing import around_grey
from tests.explorer.conftest import TOKEN, Client
from tests.explorer.networks import resnet, small
from tests.explorer.runs import EPOCHS, finished, opened

SCRIPT = re.compile(r'<script type="text/plain" data-document="([^"]+)">([^<]*)<')


def documents(page: str) -> dict[str, Document]:
    """What lies in the page, by its keys."""
    found = {html.unescape(key): content for key, content in SCRIPT.findall(page)}
    return {key: read_document(gzip.decompress(base64.b64decode(content))) for key, content in found.items()}


def saved(client: Client, **parameters: object) -> dict[str, Document]:
    response = client.get("/api/session", params={name: str(value) for name, value in parameters.items()})
    assert response.status_code == 200, response.text
    return documents(response.text)


def anatomy(picture: str) -> Anatomy:
    network = small()
    pixels = to_input(load_picture(picture), network.input_size)
    return dissect(network.model, network.normalize(pixels))


def test_the_open_picture_and_every_layer_are_in_it(client: Client) -> None:
    response = client.get("/api/session?picture=cup&layer=3&filter=1&opening=layer%3D3%26filter%3D1")
    assert response.status_code == 200
    assert response.headers["content-disposition"] == "attachment"
    assert response.headers["content-type"] == "application/octet-stream"
    page = response.text
    assert 'data-opening="layer=3&amp;filter=1"' in page
    assert {"layer\ncup\n0", "layer\ncup\n3"} <= set(documents(page))
    assert "Receptive fields" in page


def test_compared_pictures_are_in_it_with_their_dissections(client: Client) -> None:
    found = saved(client, picture="cup", compare="rocket,cat,cup", layer="3", filter=2)
    pictures = [picture["id"] for picture in found["pictures"].manifest["pictures"]]
    assert pictures == ["cup", "rocket", "cat"]  # the open one first, and once
    for picture in pictures:
        expected = anatomy(picture)["3"]
        layer = found[f"layer\n{picture}\n3"]
        np.testing.assert_allclose(layer.arrays["activated"], expected.activated[0].numpy(), rtol=1e-6)
        assert f"answer\n{picture}" in found
    beside = found["compared\nrocket\n3\n2\n"]
    np.testing.assert_allclose(
        beside.arrays["activated"], anatomy("rocket")["3"].activated[0, 2].numpy(), rtol=1e-6
    )


def test_a_picture_that_has_been_forgotten_is_left_out(client: Client) -> None:
    found = saved(client, compare="own-0000000000000000,cup", layer="0", filter=1)
    assert [picture["id"] for picture in found["pictures"].manifest["pictures"]] == ["cat", "cup"]


def test_every_aggregation_of_the_open_filter_on_every_picture(client: Client) -> None:
    found = saved(client, compare="cup", layer="3", filter=2)
    for picture in ("cat", "cup"):
        layer = anatomy(picture)["3"]
        cards = {key for key in found if key.startswith(f"combined\n{picture}\n3\n2\n")}
        assert len(cards) == len(aggregations()) - 1  # all but the one that keeps the maps apart
        under_max = found[f"combined\n{picture}\n3\n2\nmax"]
        np.testing.assert_allclose(
            under_max.arrays["aggregated"], layer.filter(2, "max").aggregated[0].numpy(), rtol=1e-6
        )
        output = layer.filter(2, "max").output[0].numpy()
        np.testing.assert_allclose(under_max.arrays["output"], output, rtol=1e-6)
        trained = found[f"combined\n{picture}\n3\n2\n"]
        np.testing.assert_allclose(trained.arrays["activated"], layer.activated[0, 2].numpy(), rtol=1e-6)
        lost = found[f"cancellation\n{picture}\n3\n2"].manifest["value"]
        assert lost == pytest.approx(float(layer.cancellation()[2]), rel=1e-4)


def test_what_nobody_has_looked_at_is_not_computed_for_it(client: Client) -> None:
    kinds = {key.partition("\n")[0] for key in saved(client, layer="0", filter=1)}
    assert not kinds & {"outcome", "projection", "patches", "health", "training"}


def test_what_somebody_has_looked_at_is_in_it(client: Client) -> None:
    outcome = read_document(client.get("/api/outcome?layer=0&aggregation=max").content)
    for query in ("filter=1&method=guided", "filter=1&pixel=2,3", "filter=2"):
        assert client.get(f"/api/projection?layer=0&{query}").status_code == 200
    patches = read_document(client.get("/api/patches?layer=0&filter=1").content)
    health = read_document(client.get("/api/health").content)
    found = saved(client, picture="cat", layer="0", filter=1)
    assert found["outcome\ncat\n0\nmax"].manifest == outcome.manifest
    assert "outcome\ncat\n0\nmin" not in found
    assert found["health"].manifest == health.manifest
    assert found["patches\n0\n1"].manifest == patches.manifest
    projections = {key.removeprefix("projection\ncat\n0\n") for key in found if key.startswith("projection")}
    methods = ("deconvnet", "guided", "gradient")  # from where somebody looks now by all of them
    assert projections == {*(f"1\n\n{method}" for method in methods), "1\n2,3\ndeconvnet"}
    network = small()
    input = network.normalize(to_input(load_picture("cat"), network.input_size))
    seen = deconvnet(network.model, input, "0", 1, top=1, method="gradient")
    shown = found["projection\ncat\n0\n1\n\ngradient"].arrays["projection"]
    assert (shown == around_grey(seen.image)).all()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("runs") / "whole")


@pytest.mark.parametrize(
    ("asked", "epochs"), [({}, [0, EPOCHS]), ({"epoch": 2}, [0, 2]), ({"epoch": 0}, [0])]
)
def test_of_a_training_the_curves_and_two_epochs(
    portal: BlockingPortal, whole: Path, asked: dict[str, int], epochs: list[int]
) -> None:
    network, run = opened(whole)
    data = open_dataset("details", network.input_size).sample(8)
    client = Client(portal, create_app([network, small()], None, TOKEN, data=data, run=run), TOKEN)
    found = saved(client, layer="conv1_2", filter=7, **asked)
    assert found["training"].manifest["epochs"] == epochs
    assert len(found["training"].manifest["history"]) == EPOCHS
    assert found["movement\ncat\nconv1_2"].manifest["epochs"] == list(range(EPOCHS + 1))
    assert {key for key in found if key.startswith("epoch\n")} == {
        f"epoch\ncat\nconv1_2\n{epoch}\n0" for epoch in epochs
    }
    then = found[f"epochFilter\ncat\nconv1_2\n{epochs[-1]}\n7"]
    expected = run.weights(epochs[-1], ("conv1_2.weight",))["conv1_2.weight"][7]
    torch.testing.assert_close(torch.tensor(then.arrays["kernels"]), expected)
    assert f"epochFilter\ncat\nconv1_2\n{epochs[-1]}\n0" in found  # those beside it, too
    assert "training" not in saved(client, model=1, layer="0", filter=0)  # it is that of the first network


@pytest.mark.parametrize("compare", ["", "cup,rocket,person"])
def test_of_a_large_network_the_open_filter_is_in_it(
    open_client: Callable[[Network], Client], compare: str
) -> None:
    # the largest maps of all: they would be the first to be left out
    page = open_client(resnet()).get(f"/api/session?layer=0&filter=63&compare={compare}").text
    found = documents(page)
    assert 63 in found["layer\ncat\n0"].manifest["filters"]
    assert f"combined\ncat\n0\n63\n{'max'}" in found
    assert len(page) <= 20e6


def test_an_address_cannot_become_markup(client: Client) -> None:
    page = client.get("/api/session", params={"opening": '"><script>alert(1)</script>'}).text
    assert "<script>alert" not in page


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("picture=dog", 404),
        ("layer=nothing", 404),
        ("layer=0&filter=99", 400),
        ("layer=0&pixel=99,0", 400),
        ("layer=0&epoch=x", 400),
        ("compare=cat,cup,rocket,person", 400),
        ("compare=" + "x" * 301, 400),
        ("opening=" + "x" * 4001, 400),
    ],
)
def test_refusals(client: Client, query: str, status: int) -> None:
    response = client.get(f"/api/session?{query}")
    assert response.status_code == status
    assert response.json()["problem"]
