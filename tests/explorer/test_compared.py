"""One filter on one more picture: its maps and the network's answer are the library's."""

from collections.abc import Callable

import pytest
import torch

from convitro import dissect
from convitro.explorer import session
from convitro.explorer.session import Session
from convitro.pictures import load_picture, to_input
from convitro.sources import Network
from tests.explorer.conftest import Client
from tests.explorer.networks import digits, odd, small
from tests.explorer.test_documents import assert_same, fetch


@pytest.mark.parametrize("make", [small, digits, odd])
def test_the_maps_of_a_filter_on_another_picture(
    make: Callable[[], Network], open_client: Callable[[Network], Client]
) -> None:
    network = make()
    client = open_client(network)
    pixels = to_input(load_picture("cup"), network.input_size)
    anatomy = dissect(network.model, network.normalize(pixels))
    for name, layer in anatomy.items():
        shown = fetch(client, "/api/compared", picture="cup", layer=name, filter=1)
        assert shown.manifest["picture"] == {"id": "cup", "name": "cup"}
        if layer.aggregation.separate:
            assert set(shown.arrays) == {"picture"}
            continue
        part = layer.filter(1)
        assert_same(shown.arrays["aggregated"], part.aggregated[0])
        assert_same(shown.arrays["activated"], part.activated[0])
        assert ("pooled" in shown.arrays) == (part.pooled is not None)
        assert shown.manifest["limits"]["aggregated"] == pytest.approx(float(part.aggregated.abs().max()))


def test_under_another_aggregation(client: Client, network: Network) -> None:
    shown = fetch(client, "/api/compared", picture="cup", layer="3", filter=1, aggregation="max")
    layer = dissect(network.model, to_input(load_picture("cup"), network.input_size))["3"]
    assert_same(shown.arrays["activated"], layer.filter(1, "max").activated[0])


def test_the_answer_is_that_of_the_picture(client: Client, network: Network) -> None:
    shown = fetch(client, "/api/compared", picture="rocket", layer="0")
    with torch.no_grad():
        shares = network.model(to_input(load_picture("rocket"), network.input_size))[0].softmax(0)
    rows = shown.manifest["prediction"]
    assert [row["name"] for row in rows] == [network.classes[i] for i in shares.topk(3).indices.tolist()]
    assert rows[0]["share"] == pytest.approx(float(shares.max()), rel=1e-5)


def test_a_large_picture_is_sent_small(open_client: Callable[[Network], Client]) -> None:
    network = Network(torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3)), "wide", (3, 200, 300))
    shown = fetch(open_client(network), "/api/compared", picture="cup", layer="0")
    assert shown.arrays["picture"].shape == (112, 112, 3)


def test_four_pictures_stay_dissected(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []
    monkeypatch.setattr(session, "dissect", lambda *args: runs.append(1) or dissect(*args))
    open_one = Session(network)
    for _ in range(3):
        for picture in ("cat", "cup", "rocket", "person"):
            open_one.anatomy(picture)
    assert len(runs) == 4
    assert len(open_one.anatomies) == session.MAX_ANATOMIES == 4
