"""Several networks behind one page: switching between them, and model files from the page."""

import zipfile
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
import torch
from anyio.from_thread import BlockingPortal
from torch import nn

from convitro.explorer import create_app, opening, session
from convitro.explorer.shelf import MAX_OPENED, Shelf
from convitro.sources import Network
from convitro.view import read_document
from tests.explorer.conftest import TOKEN, Client
from tests.explorer.networks import digits, odd, of_any_size, small
from tests.explorer.test_upload import png


@pytest.fixture
def open_several(portal: BlockingPortal) -> Callable[..., Client]:
    return lambda networks: Client(portal, create_app(networks, None, TOKEN), TOKEN)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A program of torch.export for 8 x 8 pictures."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)).eval()
    path = tmp_path_factory.mktemp("models") / "tiny.pt2"
    torch.export.save(torch.export.export(model, (torch.zeros(1, 3, 8, 8),)), path)
    return path.read_bytes()


def opened(client: Client, program: bytes, name: str = "tiny.pt2", **takes: str) -> str:
    response = client.post("/api/model", params={"name": name, "input": "3x8x8", **takes}, content=program)
    assert response.status_code == 200, response.text
    id: str = response.json()["id"]
    return id


def test_every_network_answers_under_its_id(open_several: Callable[[Sequence[Network]], Client]) -> None:
    client = open_several([small(), digits(), odd()])
    rows = client.get("/api/models").json()["models"]
    assert [(row["id"], row["name"]) for row in rows] == [
        ("0", "small"),
        ("1", "digits"),
        ("2", "odd layers"),
    ]
    assert rows[1] == {"id": "1", "name": "digits", "input_size": [1, 28, 28], "classes": 10, "opened": False}
    for query, name in (
        ("", "small"),
        ("?model=0", "small"),
        ("?model=1", "digits"),
        ("?model=2", "odd layers"),
    ):
        assert read_document(client.get(f"/api/network{query}").content).manifest["name"] == name
    assert client.get("/api/filter?model=1&layer=conv1").status_code == 200
    assert client.get("/api/filter?layer=conv1").status_code == 404


@pytest.mark.parametrize(
    "address", ["network", "filter", "maps", "table", "health", "session", "compared", "pictures"]
)
@pytest.mark.parametrize("model", ["7", "own-0000000000000000", "../x", "x" * 301])
def test_an_unknown_network_is_refused_everywhere(client: Client, address: str, model: str) -> None:
    response = client.get(f"/api/{address}?model={model}&layer=0")
    assert response.status_code == (400 if len(model) > 300 else 404)
    assert response.json()["problem"]


def test_own_pictures_stay_when_the_network_is_switched(
    open_several: Callable[[Sequence[Network]], Client],
) -> None:
    client = open_several([small(), digits()])
    id = client.post("/api/picture", content=png()).json()["id"]
    for model in ("0", "1"):
        document = read_document(client.get(f"/api/network?model={model}&picture={id}").content)
        assert document.manifest["picture"]["id"] == id


def test_all_networks_share_the_room_for_dissections() -> None:
    shelf = Shelf([small(), digits()])
    for model in ("0", "1"):
        for picture in ("cat", "cup", "rocket"):
            shelf.session(model).anatomy(picture)
    kept = list(shelf.first.anatomies)
    assert len(kept) == session.MAX_ANATOMIES == 4
    assert kept[-1] == ("1", "rocket")
    assert shelf.session("1").anatomies is shelf.first.anatomies


def test_images_are_given_for_all_or_for_each() -> None:
    networks = [small(), digits()]
    with pytest.raises(ValueError, match="shorter"):
        Shelf(networks, None, [None])
    assert [each.data for each in Shelf(networks).sessions.values()] == [None, None]


def test_a_model_file_opens(client: Client, program: bytes) -> None:
    id = opened(client, program)
    document = read_document(client.get(f"/api/network?model={id}").content)
    assert document.manifest["name"] == "tiny"
    assert document.manifest["input_size"] == [3, 8, 8]
    assert client.get("/api/models").json()["models"][-1]["opened"]
    assert read_document(client.get("/api/network").content).manifest["name"] == "small"


def test_the_size_is_found_out_where_it_can_be(client: Client, program: bytes) -> None:
    assert client.post("/api/model?name=tiny.pt2", content=program).status_code == 200
    pytest.importorskip("onnx")
    response = client.post("/api/model?name=any.onnx", content=of_any_size())
    facts = response.json()
    assert response.status_code == 422
    assert "input size of this network cannot be told" in facts["problem"]
    assert "--input" in facts["expected"]
    assert client.post("/api/model?name=any.onnx&input=3x20x24", content=of_any_size()).status_code == 200


def test_what_it_takes_is_what_was_said(client: Client, program: bytes) -> None:
    plain = opened(client, program)
    other = opened(client, program, mean="0.5,0.5,0.5", std="0.25")
    assert plain != other
    inputs = [
        read_document(client.get(f"/api/inputs?model={id}&layer=0").content).arrays["inputs"]
        for id in (plain, other)
    ]
    torch.testing.assert_close(torch.tensor(inputs[1]), (torch.tensor(inputs[0]) - 0.5) / 0.25)


def test_the_last_three_are_kept(client: Client, program: bytes) -> None:
    ids = [opened(client, program, mean=str(index / 10)) for index in range(4)]
    assert MAX_OPENED == 3
    assert client.get(f"/api/network?model={ids[0]}").status_code == 404
    for id in ids[1:]:
        assert client.get(f"/api/network?model={id}").status_code == 200
    assert opened(client, program, mean="0.1") == ids[1]  # the same file is the same model
    assert len(client.get("/api/models").json()["models"]) == 4


def weights(path: Path) -> bytes:
    torch.save(nn.Conv2d(3, 4, 3).state_dict(), path)
    return path.read_bytes()


def test_weights_alone_say_what_is_missing(client: Client, tmp_path: Path) -> None:
    response = client.post("/api/model?name=net.pt", content=weights(tmp_path / "net.pt"))
    facts = response.json()
    assert response.status_code == 422
    assert facts["problem"].startswith('"net.pt" holds weights; the network they belong to is needed too')
    assert "--arch" in facts["hint"]


class Bomb:
    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return Path.touch, (Path("exploded"),)  # type: ignore[return-value]


def junk(kind: str, path: Path) -> bytes:
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("../../evil.py", "raise SystemExit")
    elif kind == "pickle":
        torch.save(Bomb(), path)
    else:
        path.write_bytes(b"this is no model at all")
    return path.read_bytes()


@pytest.mark.parametrize("kind", ["text", "zip", "pickle"])
@pytest.mark.parametrize("suffix", [".onnx", ".pt2", ".keras", ".h5", ".pt", ".safetensors"])
def test_junk_is_refused_and_nothing_is_run(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, suffix: str
) -> None:
    monkeypatch.chdir(tmp_path)
    data = junk(kind, tmp_path / "made")
    response = client.post(f"/api/model?name=junk{suffix}", content=data)
    assert response.status_code in (400, 422)
    text = response.text
    assert response.json()["problem"]
    assert "convitro-" not in text  # the private folder is nobody's business
    assert [file.name for file in tmp_path.iterdir()] == ["made"]
    assert client.get("/api/network").status_code == 200


def test_the_file_is_gone_from_the_disk(
    client: Client, program: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening.tempfile, "tempdir", str(tmp_path))
    id = opened(client, program)
    client.post("/api/model?name=junk.onnx", content=b"junk")
    assert list(tmp_path.iterdir()) == []
    assert client.get(f"/api/filter?model={id}&layer=0").status_code == 200


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("name=notes.txt", 422, "no model file"),
        ("name=", 422, "no model file"),
        ("name=.onnx", 422, "no model file"),
        ("name=a.onnx&input=3x", 400, "input size"),
        ("name=a.onnx&input=3x9999x9999", 400, "too large"),
        ("name=a.onnx&mean=a,b", 400, "no mean"),
        ("name=a.onnx&std=%F0", 400, "no std"),
    ],
)
def test_questions_that_do_not_fit(client: Client, query: str, status: int, words: str) -> None:
    response = client.post(f"/api/model?{query}", content=b"x")
    assert response.status_code == status
    assert words in response.json()["problem"]


def test_an_announced_giant_is_refused_before_it_is_read(client: Client) -> None:
    headers = {"Content-Length": str(opening.MAX_BYTES + 1)}
    response = client.post("/api/model?name=a.onnx", content=b"x", headers=headers)
    assert response.status_code == 413
    assert "512 MB" in response.json()["problem"]


def test_a_giant_without_a_length_is_cut_off(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "MAX_BYTES", 3 * 2**20)

    async def body() -> AsyncIterator[bytes]:
        for _ in range(8):
            yield bytes(2**20)

    assert client.post("/api/model?name=a.onnx", content=body()).status_code == 413


def test_an_empty_file(client: Client) -> None:
    assert client.post("/api/model?name=a.onnx", content=b"").status_code == 400


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("net.onnx", "net.onnx"),
        ("NET.ONNX", "NET.onnx"),
        ("../../etc/passwd.onnx", "passwd.onnx"),
        ("C:\\nets\\a b.keras", "a_b.keras"),
        ("%2e%2e%2fnet.h5", "net.h5"),
        ("x" * 200 + ".pt2", "x" * 80 + ".pt2"),
        ("\x00net.pt2", "net.pt2"),
    ],
)
def test_names_of_files_are_only_names(given: str, name: str) -> None:
    assert opening.file_name(given) == name
