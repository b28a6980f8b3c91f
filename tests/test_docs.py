"""The documentation tells the truth: its code runs and makes its pictures, its links lead somewhere."""

from __future__ import annotations

import re
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convitro.models import small_vgg
from convitro.pictures import PHOTOGRAPHS
from tools.pages import IMAGES, PAGES, ROOT, run, title

VIEW = ROOT / "convitro/view"
ADDRESS = re.compile(r"`#((?:view|tour)=[^`]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)|src(?:set)?=\"([^\"]+)\"")
PUBLIC = (
    "convitro",
    "convitro.datasets",
    "convitro.errors",
    "convitro.functional",
    "convitro.keras",
    "convitro.lab",
    "convitro.plots",
    "convitro.presets",
)
FOR_OURSELVES = {f"convitro.errors.{name}" for name in ("closest", "first_line", "missing_call")}
KERAS_READS_TENSORS = "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
NEARLY = 2.0  # grey levels of 255, on average: the last digits differ between processors


@pytest.mark.usefixtures("own_registry")
@pytest.mark.filterwarnings(KERAS_READS_TENSORS)
@pytest.mark.parametrize("page", PAGES, ids=title)
def test_code_on_the_page_runs_and_makes_its_pictures(
    page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(page) == ""
    text = page.read_text("utf-8")
    for picture in sorted(tmp_path.glob("*.png")):
        assert f"(images/{picture.name})" in text, "a picture that the page makes and does not show"
        made, kept = (
            np.asarray(Image.open(file).convert("RGB"), float) for file in (picture, IMAGES / picture.name)
        )
        assert made.shape == kept.shape, f"{picture.name} is out of date: `make pictures`"
        assert np.abs(made - kept).mean() < NEARLY, f"{picture.name} is out of date: `make pictures`"


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_is_in_the_reference(module: str) -> None:
    home = import_module(module)
    names = getattr(home, "__all__", None) or [
        name for name, one in vars(home).items() if getattr(one, "__module__", None) == module
    ]
    whole = {name for name in names if hasattr(getattr(home, name), "__path__") or name == "functional"}
    reference = (ROOT / "docs/reference.md").read_text("utf-8").split()
    listed = {line.rpartition(".")[2] for line in reference if line.startswith("convitro.")}
    ours = {f"{module}.{name}" for name in set(names) - whole} - FOR_OURSELVES
    assert sorted(name for name in ours if name.rpartition(".")[2] not in listed) == []


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_links_lead_somewhere(page: Path) -> None:
    targets = [first or second for first, second in LINK.findall(page.read_text("utf-8"))]
    own = [target.partition("#")[0] for target in targets if not target.startswith(("https://", "#"))]
    assert [target for target in own if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_addresses_of_the_explorer_name_what_is_there(page: Path) -> None:
    tours = "".join(file.read_text("utf-8") for file in (VIEW / "state/tours").glob("*.js"))
    sources = {
        "view": (VIEW / "state/views.js").read_text("utf-8"),
        "tour": tours,
        "play": (VIEW / "state/presets.js").read_text("utf-8"),
    }
    there = {name: set(re.findall(r'\bid: "([\w-]+)"', source)) for name, source in sources.items()}
    layers = {name: len(entry) for name, entry in small_vgg().state_dict().items() if name.endswith("weight")}
    for address in ADDRESS.findall(page.read_text("utf-8")):
        parts = dict(part.split("=") for part in address.split("&"))
        layer = parts.pop("layer", "conv1_1")
        assert int(parts.pop("filter", 0)) < layers[f"{layer}.weight"], address
        assert parts.pop("picture", "cat") in PHOTOGRAPHS, address
        assert all(value.partition(".")[0] in there[name] for name, value in parts.items()), address


def test_the_glossary_has_every_word_of_the_page() -> None:
    source = (VIEW / "words.js").read_text("utf-8").partition("WORDS = {")[2]
    on_the_page = {first or other for first, other in re.findall(r'^  (?:"(.+?)"|(\w+)):', source, re.M)}
    rows = re.findall(r"^\| (.+?) \|", (ROOT / "docs/glossary.md").read_text("utf-8"), re.M)
    assert len(on_the_page) > 20
    assert sorted(on_the_page - set(rows)) == []


@pytest.mark.parametrize("folder", ["docs", "docs/design"])
def test_every_page_is_in_its_index(folder: str) -> None:
    pages = {page.name for page in (ROOT / folder).glob("*.md")} - {"README.md", "index.md"}
    index = (ROOT / folder / "README.md").read_text("utf-8")
    assert [page for page in sorted(pages) if f"({page})" not in index] == []


def test_the_newest_entry_of_the_changelog_is_this_version() -> None:
    newest = re.search(
        r"^## \[(.+?)\] - (\d{4}-\d\d-\d\d|unreleased)$", (ROOT / "CHANGELOG.md").read_text(), re.M
    )
    assert newest is not None
    assert newest[1] == version("convitro")


def test_contributing_is_short() -> None:
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) <= 60
