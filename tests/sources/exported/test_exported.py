"""Programs of torch.export: the same numbers, names and anatomy as the model that they were made from."""

from __future__ import annotations

import copy
import io
import pickle
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convitro.anatomy import diagnose, dissect, summary, top_patches
from convitro.errors import ArgumentError, LoadError, ShapeError, UnsupportedError
from convitro.sources import load, open_network
from tests.sources.exported.networks import Net, export, network


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Net]:
    torch.manual_seed(0)
    model = network()
    free = ({0: torch.export.Dim("batch")},)
    path = tmp_path_factory.mktemp("exported") / "net.pt2"
    return export(model, path, torch.randn(2, 3, 32, 32), dynamic_shapes=free), model


def test_the_anatomy_is_that_of_the_model(pair: tuple[Path, Net]) -> None:
    path, model = pair
    picture = torch.randn(3, 3, 32, 32)
    ours, theirs = dissect(load(path), picture), dissect(model, picture)
    torch.testing.assert_close(ours.output, theirs.output)
    assert list(ours) == list(theirs) == ["stem.0", "block.conv", "block.conv#2", "conv2d", "mirror"]
    for name, layer in theirs.items():
        other = ours[name]
        for part in ("weight", "bias", "output", "activated", "pooled"):
            torch.testing.assert_close(getattr(other, part), getattr(layer, part))
        assert [str(stage) for stage in other.chain.stages] == [str(stage) for stage in layer.chain.stages]


def test_the_summary_is_that_of_the_model(pair: tuple[Path, Net]) -> None:
    path, model = pair
    ours, theirs = (summary(m, (3, 32, 32), verbose=0) for m in (load(path), model))
    assert (ours.parameters, ours.macs) == (theirs.parameters, theirs.macs)
    own = [(row.name, row.kind, row.macs) for row in ours.rows]
    assert all((row.name, row.kind, row.macs) in own for row in theirs.rows if row.macs)


def test_a_program_in_memory_is_that_of_its_file() -> None:
    torch.manual_seed(0)
    picture = torch.randn(1, 3, 32, 32)
    program: Any = torch.export.export(network(), (picture,))
    ours, theirs = dissect(program, picture), dissect(network_of_file(program), picture)
    assert list(ours) == list(theirs) == ["stem.0", "block.conv", "block.conv#2", "conv2d", "mirror"]
    torch.testing.assert_close(ours.output, theirs.output, rtol=0, atol=0)
    with torch.no_grad():
        torch.testing.assert_close(ours.output, program.module()(picture))


def test_a_program_for_one_picture_is_looked_over_one_by_one() -> None:
    torch.manual_seed(0)
    model, images = network(), torch.randn(5, 3, 32, 32)
    program: Any = network_of_file(torch.export.export(model, (images[:1],)))
    with pytest.raises(ShapeError, match=r"expected: 1x3x32x32"):
        program(images)
    ours, theirs = diagnose(program, images), diagnose(model, images)
    assert ours.images == 5
    assert ours.findings[0].where == theirs.findings[0].where
    found, expected = (top_patches(each, images, "stem.0", k=3) for each in (program, model))
    assert torch.equal(found.images, expected.images)
    torch.testing.assert_close(found.projection(0).image, expected.projection(0).image)


def test_a_program_for_two_pictures_says_what_would_free_it(tmp_path: Path) -> None:
    export(network(), tmp_path / "two.pt2", torch.randn(2, 3, 32, 32))
    with pytest.raises(ShapeError, match=r"does not run[\s\S]*dynamic_shapes=\.\.\.\) leaves sizes free"):
        open_network(tmp_path / "two.pt2")


def network_of_file(program: torch.export.ExportedProgram) -> nn.Module:
    with tempfile.NamedTemporaryFile(suffix=".pt2") as file:
        torch.export.save(program, file.name)
        return load(file.name)


def test_gradients_are_those_of_the_model(pair: tuple[Path, Net]) -> None:
    path, model = pair
    grads = []
    for network_of in (load(path), model):
        picture = torch.linspace(-1, 1, 3072).reshape(1, 3, 32, 32).requires_grad_()
        network_of(picture)[0, 1].backward()
        grads.append(picture.grad)
    torch.testing.assert_close(grads[0], grads[1])


def test_tied_weights_are_one_parameter(pair: tuple[Path, Net]) -> None:
    path, model = pair
    own = sum(parameter.numel() for parameter in model.parameters())
    assert sum(parameter.numel() for parameter in load(path).parameters()) == own


def test_the_input_size_is_that_of_the_example(pair: tuple[Path, Net]) -> None:
    found = open_network(pair[0])
    assert (found.name, found.input_size) == ("net", (3, 32, 32))
    assert not found.model.training


def test_copies_compute_the_same(pair: tuple[Path, Net]) -> None:
    loaded, picture = load(pair[0]), torch.randn(1, 3, 32, 32)
    for other in (copy.deepcopy(loaded), pickle.loads(pickle.dumps(loaded))):
        torch.testing.assert_close(other(picture), loaded(picture), rtol=0, atol=0)


def test_sizes_that_were_fixed_stay_fixed(pair: tuple[Path, Net]) -> None:
    with pytest.raises(
        ShapeError, match=r"expected: anyx3x32x32[\s\S]*received: 1x3x30x32[\s\S]*dynamic_shapes"
    ):
        load(pair[0])(torch.zeros(1, 3, 30, 32))


def test_an_architecture_beside_a_program_is_refused(pair: tuple[Path, Net]) -> None:
    with pytest.raises(ArgumentError, match="an architecture itself"):
        load(pair[0], arch=network)


def test_several_inputs_and_outputs_keep_their_order(tmp_path: Path) -> None:
    class Two(nn.Module):
        def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
            return torch.maximum(a, b) - b, b.abs()

    inputs = torch.randn(2, 3), torch.randn(2, 3)
    loaded = load(export(Two(), tmp_path / "two.pt2", *inputs))
    for found, wanted in zip(loaded(*inputs), Two()(*inputs), strict=True):
        torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("sides", [(18, 24), (32, 18)])
def test_sizes_that_were_left_free_are_free(tmp_path: Path, sides: tuple[int, int]) -> None:
    class Any(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            return x.reshape(x.shape[0], 4, -1).mean(-1) * (x.shape[2] // 2 + x.shape[3])

    model, side = Any().eval(), torch.export.Dim.AUTO
    example = torch.randn(2, 3, 20, 22)
    loaded = load(export(model, tmp_path / "any.pt2", example, dynamic_shapes=({0: side, 2: side, 3: side},)))
    assert loaded.input_size == (3, 20, 22)
    picture = torch.randn(3, 3, *sides)
    torch.testing.assert_close(loaded(picture), model(picture))


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
def test_a_program_of_basic_operators_is_taken_apart_as_well(tmp_path: Path) -> None:
    model, picture = network(), torch.randn(2, 3, 32, 32)
    program = torch.export.export(model, (picture,)).run_decompositions()
    torch.export.save(program, tmp_path / "core.pt2")
    loaded = load(tmp_path / "core.pt2")
    torch.testing.assert_close(loaded(picture), model(picture))
    anatomy = dissect(loaded, picture)
    assert list(anatomy) == ["stem.0", "block.conv", "block.conv#2", "conv2d", "mirror"]


def test_programs_of_earlier_versions_open(pair: tuple[Path, Net], tmp_path: Path) -> None:
    """Before torch 2.8 the archive had four members; for a while after that, tensors lay in one of them."""
    path, model = pair
    with zipfile.ZipFile(path) as archive:
        read = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    program, state, constants = read["models/model.json"], io.BytesIO(), io.BytesIO()
    torch.save(model.state_dict(), state)
    torch.save({"lifted_tensor_0": torch.tensor([1.0])}, constants)
    four = {
        "serialized_exported_program.json": program,
        "serialized_state_dict.json": state.getvalue(),
        "serialized_constants.json": constants.getvalue(),
        "serialized_example_inputs.json": b"",
        "version": b"8.2",
    }
    one = {
        "net/models/model.json": program,
        "net/data/weights/model.pt": state.getvalue(),
        "net/data/constants/model.pt": constants.getvalue(),
    }
    picture = torch.randn(1, 3, 32, 32)
    for members in (four, one):
        with zipfile.ZipFile(tmp_path / "older.pt2", "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        torch.testing.assert_close(load(tmp_path / "older.pt2")(picture), model(picture))


def test_control_flow_is_refused_by_name(tmp_path: Path) -> None:
    class Choice(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.cond(x.sum() > 0, lambda x: x.sin(), lambda x: x.cos(), (x,))

    with pytest.raises(UnsupportedError, match=r"higher_order\.cond[\s\S]*control flow"):
        load(export(Choice(), tmp_path / "choice.pt2", torch.randn(3)))


def test_a_program_under_another_name_is_told(pair: tuple[Path, Net], tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    path.write_bytes(pair[0].read_bytes())
    with pytest.raises(LoadError, match=r"is a program of torch.export[\s\S]*ends in .pt2"):
        load(path, arch=network)


def test_every_number_of_a_dtype_is_known() -> None:
    """The numbers are torch.export's; a new version of torch may not renumber them unseen."""
    from torch._export.serde.serialize import _TORCH_TO_SERIALIZE_DTYPE

    from convitro.sources.exported.archive import DTYPES

    theirs = {int(number): dtype for dtype, number in _TORCH_TO_SERIALIZE_DTYPE.items()}
    assert {number: theirs[number] for number in DTYPES} == DTYPES
