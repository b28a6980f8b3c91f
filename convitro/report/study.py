"""The usual report: a network looked over on a data set, with a section for every question."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from dataclasses import replace

from convitro.anatomy import diagnose, dissect, top_patches
from convitro.anatomy.indexing import evenly
from convitro.datasets import Dataset
from convitro.report.documents import Counted
from convitro.report.sections import Section, origin_section, result_section
from convitro.sources import Network
from convitro.view import by_liveliness

COLUMNS = ("output_size", "num_params", "mult_adds", "memory", "receptive_field", "advice")
PATCHES, FILTERS, LAYERS = 9, 4, 6  # patches of a filter, filters of a layer, layers of a report


def study(
    network: Network, seen: Dataset, held_out: Dataset | None = None, counted: Counted | None = None
) -> list[Section]:
    """Sections about a network: what it costs and sees, what its filters look for, whether it is healthy.

    Args:
        network: the model and what it takes.
        seen: images, values 0..1, on which it is looked over; not normalised.
        held_out: images that were not trained on.
        counted: what its layers cost and see, where that is known; None counts them.
    """
    images = seen.mapped(network.normalize)
    others = None if held_out is None else held_out.mapped(network.normalize)
    pictures = importlib.util.find_spec("matplotlib") is not None
    return [
        *cost_sections(network, counted or Counted.of(network)),
        health_section(network, images, others),
        *(seeing_sections(network, images) if pictures else []),
        origin_section(network),
    ]


def cost_sections(network: Network, counted: Counted) -> list[Section]:
    """What each layer costs, and what one of its pixels can see."""
    table = replace(counted.summary, model=network.name, columns=COLUMNS)
    fields = replace(counted.fields, model=network.name)
    return [
        result_section("Summary", "Each layer, what it costs, and where that could be less.", table),
        result_section("Receptive fields", "How much of the picture one pixel of a layer can see.", fields),
    ]


def health_section(network: Network, images: Dataset, others: Dataset | None) -> Section:
    """The diagnosis; the page opens the filters that it speaks of."""
    found = replace(diagnose(network.model, images, held_out=others), model=network.name)
    named = by_layer((each.layer, each.filter) for each in found.findings if each.filter is not None)
    words = f"The network looked over on {len(images):,} images ({images.name})."
    return result_section("Diagnosis", words, found, named)


def seeing_sections(network: Network, images: Dataset) -> list[Section]:
    """The kernels of the first layer, and the strongest patches of filters of several layers."""
    one = images[0][0][None]
    anatomy = dissect(network.model, one)
    names = list(anatomy)
    if not names:
        return []
    first = anatomy[names[0]]
    sections = [
        result_section(
            "First kernels", f"What {names[0]} multiplies with the picture.", first.plot("kernels")
        )
    ]
    parts, shown = [], {}
    for name in (names[index] for index in evenly(len(names), LAYERS)):
        liveliest = sorted(by_liveliness(anatomy[name])[:FILTERS])
        patches = top_patches(network.model, images, name, k=PATCHES, filters=liveliest)
        shown[name] = liveliest
        parts.append(patches.plot().html())
    words = (
        f"The pieces of {len(images):,} images that make a filter most active, and beside each what of it "
        "the filter looks at (deconvnet, Zeiler and Fergus 2013)."
    )
    figures = "".join(f"<figure>{part}</figure>" for part in parts)
    return [*sections, Section("What filters look for", words, figures, shown)]


def by_layer(pairs: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    """Filters by their layer."""
    found: dict[str, list[int]] = {}
    for layer, filter in pairs:
        found.setdefault(layer, []).append(filter)
    return found
