"""The public door: look a network over on a data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from convitro.anatomy.batches import batches
from convitro.anatomy.diagnosis.cancelled import cancelled_filters
from convitro.anatomy.diagnosis.collect import Records, answered, collect
from convitro.anatomy.diagnosis.dead import FEWEST_EVIDENCE, dead_filters
from convitro.anatomy.diagnosis.diagnosis import Diagnosis, LayerState
from convitro.anatomy.diagnosis.finding import Finding
from convitro.anatomy.diagnosis.fit import over_fitting, under_fitting
from convitro.anatomy.diagnosis.noise import noisy_filters, structure, untrained_layer
from convitro.anatomy.diagnosis.records import FEWEST_IMAGES, LayerRecord
from convitro.anatomy.diagnosis.redundant import redundant_filters
from convitro.anatomy.diagnosis.saturated import saturated_filters
from convitro.anatomy.diagnosis.spread import gain, misshapen_layers, outsized_filters
from convitro.anatomy.observe import batch_for, check_model, check_visible, model_name
from convitro.plots.words import counted


def diagnose(model: nn.Module, data: Any, *, held_out: Any = None, batch_size: int = 32) -> Diagnosis:
    """Run `model` over `data` and tell what a healthy network would not show, with evidence and advice.

    Looked for are dead and almost dead filters, filters that look like noise, redundant ones, saturated
    activations, channels that cancel, values that vanish or explode, layers that look untrained, and signs of
    over-fitting and under-fitting. Each has its definition, threshold and source in `anatomy.diagnosis`; the
    thresholds leave trained networks in peace. The data are read once, a batch at a time; the numbers are
    taken where the maps pass by, so that memory does not grow with the data. The model is run in evaluation
    mode and is afterwards exactly what it was.

    Args:
        model: any torch.nn.Module.
        data: images as the network was trained to see them, best the training images themselves, with labels
            if there are any: a tensor, a pair (images, labels), a Dataset, a DataLoader or any iterable of
            batches, as for `top_patches`. A few hundred images tell most.
        held_out: images with labels that were not trained on, in the same forms: only with them over-fitting
            can show.
        batch_size: images per run; where the data come in batches, theirs. A program of torch.export that
            takes a fixed number gets that.

    Returns:
        A `Diagnosis`: `str()` tells all, `.findings` has every `Finding` with its pictures.

    Raises:
        ArgumentError: `model` is no module, or `data` or `held_out` hold no images.
        UnsupportedError: the model is compiled TorchScript, whose calls nobody can see.

    Accuracy: numbers do not depend on how the data are cut into batches, beyond rounding; the same data give
        the same findings.

    Source: own; what each measure owes to others stands at the measure.

    Example:
        >>> import torch
        >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        >>> _ = nn.init.constant_(model[0].bias, -100)
        >>> found = diagnose(model, torch.rand(8, 3, 8, 8)).dead
        >>> len(found), found[0].layer, found[0].filter, found[0].kind
        (4, '0', 0, 'dead')
    """
    model = check_model(model, "diagnose")
    batch_size = batch_for(model, batch_size)
    records = collect(model, batches(data, batch_size, caller="diagnose"), "looking the network over")
    if not records.layers:
        check_visible(model, "diagnose")
    other = None
    if held_out is not None:
        other = answered(model, batches(held_out, batch_size, caller="diagnose"), "held-out images")
    scores = {name: structure(record.layer.weight.cpu()) for name, record in records.layers.items()}
    findings, unproven = findings_of(records, scores)
    findings = over_fitting(records.answers, other) + under_fitting(records.answers) + findings
    return Diagnosis(
        model_name(model),
        records.images,
        tuple(state_of(record, scores[record.name]) for record in records.layers.values()),
        tuple(findings),
        None if records.answers is None else records.answers.accuracy,
        None if other is None else other.accuracy,
        notes(records, unproven, labels_missing=held_out is not None and other is None),
    )


def findings_of(records: Records, scores: Mapping[str, Tensor]) -> tuple[list[Finding], int]:
    """The findings in all layers, and how many filters never responded without that being proof."""
    layers = list(records.layers.values())
    broken = misshapen_layers(layers, records.input_rms)
    findings, unproven, judged = [], 0, set[int]()
    for record in layers:
        dead, silent = dead_filters(record)
        unproven += silent
        known = frozenset(found.filter for found in dead if found.filter is not None)
        findings += [found for found in broken if found.layer == record.name] + dead
        if record.weight_key not in judged:  # a layer that is used again has the same weights
            findings += untrained_layer(record) + noisy_filters(record, scores[record.name], known)
            findings += redundant_filters(record, known)
        judged.add(record.weight_key)
        findings += saturated_filters(record) + cancelled_filters(record, known) + outsized_filters(record)
    return findings, unproven


def state_of(record: LayerRecord, scores: Tensor) -> LayerState:
    """A layer in the numbers of the table."""
    maps, sums = record.passed_on, record.cancelled
    resting = record.activated is not None and record.tails.rest is not None
    variance = (maps.square / maps.pixels + (maps.mean - maps.mean.mean()).square()).mean()
    return LayerState(
        record.name,
        record.layer.filters,
        gain(record),
        float(maps.mean.mean()),
        float(variance.sqrt()),
        float(maps.active_pixels.double().mean() / maps.pixels) if resting else None,
        float(scores.median()) if max(record.layer.problem.kernel_size) > 1 else None,
        None if sums is None else float(sums.cancellation.mean()),
        None if sums is None else float(sums.baseline.mean()),
    )


def notes(records: Records, unproven: int, *, labels_missing: bool) -> tuple[str, ...]:
    """What could not be judged."""
    lines = []
    if not records.layers:
        lines.append("No 2-D convolution ran, so there is nothing to judge.")
    if records.layers and records.images < FEWEST_IMAGES:
        lines.append(f"Fewer than {FEWEST_IMAGES} images: the maps of filters were not compared.")
    if unproven:
        lines.append(
            f"{counted(unproven, 'filter')} did not respond, but {counted(records.images, 'image')} cannot "
            f"show that {'it is' if unproven == 1 else 'they are'} dead: {FEWEST_EVIDENCE} can."
        )
    if labels_missing:
        lines.append("held_out has no labels that fit the scores, so nothing was compared.")
    return tuple(lines)
