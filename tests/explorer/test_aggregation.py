"""The documents of the view Aggregation hold the library's own numbers, for networks of every kind."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import convitro
from convitro import aggregations
from convitro.anatomy import Anatomy, rerun
from convitro.sources import Network
from convitro.view.aggregation import relative_change
from tests.explorer.conftest import Client
from tests.explorer.networks import anatomy_of, digits, input_of, odd, small
from tests.explorer.test_documents import assert_same, fetch
from tests.own_aggregation import Energy

PLAIN = [name for name in aggregations() if name != "none"]


@pytest.mark.parametrize("make", [small, digits, odd])
def test_maps_and_cancellation_of_every_layer(
    make: Callable[[], Network], open_client: Callable[[Network], Client]
) -> None:
    network = make()
    client, anatomy = open_client(network), anatomy_of(network)
    for name, layer in anatomy.items():
        index = layer.filters - 1
        shown = fetch(client, "/api/combined", layer=name, filter=index, aggregation="mean")
        part = layer.filter(index, "mean")
        assert shown.manifest["aggregation"] == "mean"
        assert_same(shown.arrays["aggregated"], part.aggregated[0])
        assert_same(shown.arrays["activated"], part.activated[0])
        found = layer.filter(index).cancellation
        shown = fetch(client, "/api/cancellation", layer=name, filter=index)
        assert_same(shown.arrays["cancellation"], found.map[0])
        assert shown.manifest["value"] == pytest.approx(found.value, nan_ok=True)
        assert shown.manifest["baseline"] == pytest.approx(found.baseline)
        check_pairs(shown.arrays, found, layer.output_size)


def check_pairs(arrays: Any, found: Any, size: tuple[int, int]) -> None:
    y, x = size[0] // 2, size[1] // 3
    rows = zip(*(arrays[name][:, y, x].tolist() for name in ("up", "plus", "down", "minus")), strict=True)
    assert [row for row in rows if row[1] > 0 > row[3]] == [tuple(pair) for pair in found.pairs(y, x)]


def test_the_trained_way_is_that_of_an_empty_aggregation(client: Client, network: Network) -> None:
    shown = fetch(client, "/api/combined", layer="0", filter=2)
    assert shown.manifest["aggregation"] == "sum"
    assert_same(shown.arrays["activated"], anatomy_of(network)["0"].filter(2).activated[0])


@pytest.mark.parametrize("aggregation", PLAIN)
def test_the_outcome_is_that_of_a_rerun(client: Client, network: Network, aggregation: str) -> None:
    facts = fetch(client, "/api/outcome", layer="3", aggregation=aggregation).manifest
    before = anatomy_of(network).output[0].softmax(0)
    after = rerun(network.model, input_of(network), {"3": aggregation})[0].softmax(0)
    for key, index in (("then", int(before.argmax())), ("now", int(after.argmax()))):
        assert facts[key]["name"] == network.classes[index]
        assert facts[key]["before"] == pytest.approx(float(before[index]), rel=1e-5)
        assert facts[key]["after"] == pytest.approx(float(after[index]), rel=1e-5)


def test_an_outcome_is_computed_once_and_the_network_stays(
    open_client: Callable[[Network], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    network, runs = small(), []

    def counted(model: nn.Module, input: Tensor, chosen: Any) -> Any:
        runs.append(chosen)
        return rerun(model, input, chosen)

    monkeypatch.setattr("convitro.explorer.session.rerun", counted)
    client, before = open_client(network), fetch(open_client(network), "/api/network").manifest
    first = fetch(client, "/api/outcome", layer="0", aggregation="max").manifest
    assert fetch(client, "/api/outcome", layer="0", aggregation="max").manifest == first
    assert [list(run) for run in runs] == [["0"]]
    assert fetch(client, "/api/network").manifest == before


def test_an_output_without_classes_says_how_far_it_moves(open_client: Callable[[Network], Client]) -> None:
    network = odd()
    facts = fetch(open_client(network), "/api/outcome", layer="9", aggregation="max").manifest
    before = anatomy_of(network).output.double()
    after = rerun(network.model, input_of(network), {"9": "max"}).double()
    assert (facts["then"], facts["now"]) == (None, None)
    assert facts["change"] == pytest.approx(float((after - before).norm() / before.norm()))


def test_scores_that_are_no_numbers_have_no_first_class(open_client: Callable[[Network], Client]) -> None:
    class Roots(nn.Sequential):
        def forward(self, input: Tensor) -> Tensor:
            return self[0](input).flatten(1).sqrt()

    torch.manual_seed(0)
    conv = nn.Conv2d(3, 1, 3, bias=False)
    nn.init.ones_(conv.weight)
    conv.weight.data[:, 0] = -0.5
    network = Network(Roots(conv), "roots", (3, 8, 8))
    facts = fetch(open_client(network), "/api/outcome", layer="0", aggregation="min").manifest
    assert facts["then"] is not None
    assert facts["now"] is None
    assert facts["then"]["after"] is None


def test_outputs_of_any_structure_are_compared_where_they_can_be() -> None:
    before = {
        "maps": torch.tensor([3.0, 0.0]),
        "rest": [torch.tensor([0.0, 4.0]), "words", torch.tensor([7])],
    }
    after = {"maps": torch.tensor([0.0, 0.0]), "rest": [torch.tensor([0.0, 8.0]), "words", torch.tensor([9])]}
    assert relative_change(before, after) == pytest.approx(1.0)
    assert relative_change(torch.ones(3), torch.ones(4)) is None
    assert relative_change("text", "text") is None
    assert relative_change(torch.ones(2), torch.full((2,), float("nan"))) is None


def test_where_the_network_cannot_go_on(open_client: Callable[[Network], Client]) -> None:
    response = open_client(odd()).get("/api/outcome?layer=0&aggregation=sum")
    assert response.status_code == 400
    assert "makes another number of maps" in response.json()["problem"]


@pytest.fixture
def energy(own_registry: None) -> str:
    """The name of an aggregation that is registered for one test."""
    return convitro.register_aggregation(Energy()).name


def test_an_own_aggregation_appears_by_itself(client: Client, network: Network, energy: str) -> None:
    words = fetch(client, "/api/network").manifest["aggregations"]
    assert [word["words"] for word in words if word["name"] == energy] == ["The mean of the squares."]
    anatomy: Anatomy = anatomy_of(network)
    shown = fetch(client, "/api/combined", layer="3", filter=1, aggregation=energy)
    expected = anatomy["3"].partial_maps(1).square().mean(1)[0]
    torch.testing.assert_close(torch.from_numpy(shown.arrays["aggregated"].copy()), expected)
    after = rerun(network.model, input_of(network), {"3": Energy()})[0].softmax(0)
    now = fetch(client, "/api/outcome", layer="3", aggregation=energy).manifest["now"]
    assert now["after"] == pytest.approx(float(after.max()), rel=1e-5)


@pytest.mark.parametrize("address", ["combined", "outcome", "cancellation"])
@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("layer=9", 404),
        ("layer=0&filter=5", 400),
        ("layer=0&aggregation=maen", 400),
        ("layer=0&picture=x", 404),
    ],
)
def test_refusals(client: Client, address: str, query: str, status: int) -> None:
    answer = client.get(f"/api/{address}?{query}")
    takes = {"filter": address != "outcome", "aggregation": address != "cancellation"}
    ignored = any(not takes[name] for name in takes if f"{name}=" in query)
    assert answer.status_code == (200 if ignored else status)
