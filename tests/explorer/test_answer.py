"""The document of the answer holds the library's own numbers, for heads of every kind."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convitro.anatomy import Answer, answer, dissect
from convitro.pictures import load_picture, to_input
from convitro.report import full_report
from convitro.sources import Network
from convitro.view import answer as answers
from convitro.view import answer_document
from tests.explorer.conftest import Client
from tests.explorer.networks import CIFAR, digits, embedded, input_of, odd, resnet, small
from tests.explorer.test_documents import assert_same, fetch


def answer_to_cat(network: Network) -> Answer:
    return answer(network.model, input_of(network), classes=network.classes or ())


@pytest.mark.parametrize("make", [small, digits, embedded])
def test_scores_shares_and_parts(
    make: Callable[[], Network], open_client: Callable[[Network], Client]
) -> None:
    network = make()
    document, found = fetch(open_client(network), "/api/answer"), answer_to_cat(network)
    order = list(found.order)
    assert [row["index"] for row in document.manifest["classes"]] == order
    assert document.manifest["classes"][0]["name"] == network.classes[order[0]]
    assert found.scores is not None
    assert found.powers is not None
    assert_same(document.arrays["scores"], found.scores[order].float())
    assert_same(document.arrays["shares"], found.shares[order].float())
    assert_same(document.arrays["powers"], found.powers[order].float())
    assert document.manifest["sum"] == pytest.approx(float(found.powers.sum()))
    parts = document.manifest["parts"]
    assert (parts["unit"], parts["rows"], parts["kept"]) == ("map", order, None)
    totals = document.arrays["contributions"].sum(axis=1) + np.array(parts["biases"])
    np.testing.assert_allclose(totals, document.arrays["scores"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        document.arrays["places"].sum(axis=(1, 2)) + np.array(parts["biases"]), totals, rtol=1e-4, atol=1e-5
    )
    last = list(dissect(network.model, input_of(network)))[-1]
    count = document.arrays["maps"].shape[0]
    assert parts["origins"] == [{"layer": last, "first": 0, "count": count, "filter": 0, "exact": True}]


def test_in_a_sum_of_layers_the_last_one_that_adds(open_client: Callable[[Network], Client]) -> None:
    document = fetch(open_client(resnet()), "/api/answer", classes="999,998")
    parts = document.manifest["parts"]
    assert parts["rows"][-2:] == [999, 998]
    assert len(parts["rows"]) == 12
    assert parts["origins"] == [{"layer": "11.conv2", "first": 0, "count": 512, "filter": 0, "exact": False}]
    product = document.arrays["features"] * document.arrays["weights"]
    np.testing.assert_allclose(product, document.arrays["contributions"], rtol=1e-4, atol=1e-6)


class Two(nn.Module):
    """Two layers side by side, whose maps are put together."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 2, 3), nn.Linear(6, 5)

    def forward(self, input: Tensor) -> Tensor:
        return self.head(torch.cat([self.right(input), self.left(input)], 1).mean((2, 3)))


def test_maps_put_together_lead_to_their_own_layers() -> None:
    torch.manual_seed(3)
    network = Network(Two().eval(), "two", (3, 12, 12), CIFAR[:5])
    anatomy = dissect(network.model, input_of(network))
    runs = answer_document(answer_to_cat(network), anatomy).manifest["parts"]["origins"]
    assert [(run["layer"], run["first"], run["count"]) for run in runs] == [("right", 0, 2), ("left", 2, 4)]


def test_only_the_strongest_of_very_many_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MOST_PARTS", 20)
    network = embedded()
    found = answer_to_cat(network)
    document = answer_document(found, dissect(network.model, input_of(network)))
    parts = document.manifest["parts"]
    assert len(parts["kept"]) == 20 == document.arrays["maps"].shape[0]
    totals = (
        document.arrays["contributions"].sum(axis=1) + np.array(parts["biases"]) + np.array(parts["rest"])
    )
    np.testing.assert_allclose(totals, document.arrays["scores"], rtol=1e-4, atol=1e-5)
    strongest = found.contributions(found.order[0]).abs().argmax().item()
    assert strongest in parts["kept"]


@pytest.mark.parametrize("classes", ["10", "-1", "1,2,3", "cat", "3,", "1e3", "99999999999"])
def test_classes_that_there_are_not(client: Client, classes: str) -> None:
    response = client.get("/api/answer", params={"classes": classes})
    assert response.status_code == 400
    assert "0 to 9" in response.json()["problem"]


def test_no_scores(open_client: Callable[[Network], Client]) -> None:
    client = open_client(odd())
    assert fetch(client, "/api/network").manifest["answers"] is False
    response = client.get("/api/answer")
    assert response.status_code == 400
    assert "no scores for classes" in response.json()["problem"]


def test_a_report_holds_the_answer() -> None:
    network = small()
    pictures = [("cat", to_input(load_picture("cat"), network.input_size))]
    assert 'data-document="answer\npicture-0"' in full_report(network, pictures).html
    network = odd()
    pictures = [("cat", to_input(load_picture("cat"), network.input_size))]
    assert 'data-document="answer' not in full_report(network, pictures).html
