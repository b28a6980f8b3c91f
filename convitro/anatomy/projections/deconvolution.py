"""The public door: send the activity of a filter back to the image that caused it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from convitro.anatomy.dissection import unknown_layers
from convitro.anatomy.indexing import checked_index
from convitro.anatomy.observe import call_arguments, check_input, check_model, check_visible
from convitro.anatomy.projections.backtrack import Backtracker, channels_last, image_in, in_order
from convitro.anatomy.projections.projection import Projection
from convitro.anatomy.projections.rules import METHODS
from convitro.errors import ArgumentError

Unit = tuple[int, int]


def deconvnet(
    model: nn.Module,
    input: Any,
    layer: str,
    filter: int,
    image: int = 0,
    *,
    unit: Unit | None = None,
    top: int | None = None,
    method: str = "deconvnet",
) -> Projection:
    """Project what a filter has seen back into the image: which pixels made it active, and how.

    The model runs once; then a signal that is zero everywhere but in the filter's activated map goes back
    through every step: each max-pooling by its switches (where windows overlap, signals add up), each
    activation by the rule of the method, each convolution by its turned filters (transposed convolution
    without bias). Branches, residual or concatenated, add up. Whatever the model calls is seen: functions,
    in-place activations, layers used twice. The model is afterwards exactly what it was.

    The three methods differ only in the activations and in where they start:

    - "deconvnet": the signal starts as the activation itself; at a ReLU all that is negative becomes zero.
    - "guided": starts with ones; what is negative becomes zero, and where the ReLU was closed nothing passes.
    - "gradient": starts with ones; the derivative of the activation, or of the sum of the activations.

    They were published for ReLU networks. Elsewhere, and `notes` of the result names what was met: an
    activation that is a kind of ReLU (leaky, ELU, GELU, SiLU, softplus …) is treated as a ReLU, by "guided"
    with its own derivative; any other (sigmoid, tanh …) by its derivative; batch normalisation multiplies by
    its scale; an average is spread evenly; an aggregation of channels other than the sum, and anything else
    that is not linear, goes by its derivative, which for a maximum is the channel that won.

    Args:
        model: any torch.nn.Module, in the mode in which it shall be seen.
        input: what it is called with, as for `dissect`; the image is its first tensor of three or four
            dimensions.
        layer: a name as `dissect` gives it.
        filter: which filter, or which map where the layer keeps its maps apart.
        image: which image of the batch.
        unit: (y, x) a single pixel of the activated map.
        top: only so many of the strongest pixels, the first ones on ties. With neither, the whole map.
        method: "deconvnet", "guided" or "gradient".

    Returns:
        The projection: `.image` (C, H, W) as large as the input, `.region` where it is not zero, `.plot()`.

    Raises:
        ArgumentError: `model`, `input`, `method` or an index is not what it may be, no such layer ran, or
            both `unit` and `top` were given.
        UnsupportedError: the layer does not depend on the image in a way that can be followed.

    Source: Zeiler and Fergus 2013 (arXiv 1311.2901), Springenberg et al. 2015 (arXiv 1412.6806),
        Simonyan et al. 2013 (arXiv 1312.6034).

    Example:
        >>> model = nn.Sequential(nn.Conv2d(1, 1, 2, bias=False), nn.ReLU(), nn.MaxPool2d(2))
        >>> model[0].load_state_dict({"weight": torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])})
        <All keys matched successfully>
        >>> seen = deconvnet(model, torch.eye(3).reshape(1, 1, 3, 3), "0", 0, unit=(0, 0))
        >>> seen.value, seen.image.tolist()
        (5.0, [[[5.0, 10.0, 0.0], [15.0, 20.0, 0.0], [0.0, 0.0, 0.0]]])
    """
    check_method(method, "deconvnet")
    if unit is not None and top is not None:
        raise ArgumentError(
            "deconvnet: the signal starts from one unit, or from the strongest, not from both.",
            expected="`unit`, `top`, or neither",
            received=f"unit={unit!r}, top={top!r}",
        )
    model = check_model(model, "deconvnet")
    input = check_input(input, "deconvnet", model)
    tracker = Backtracker(model, layer, method)
    with tracker.prepared():
        maps = tracker.maps(input)
    if maps is None:
        check_visible(model, "deconvnet")
        raise unknown_layers([layer], tracker.seen)
    checked_index(filter, maps.shape[1], "filter", layer)
    checked_index(image, len(maps), "image", layer)
    values = maps[image, filter].detach()
    units = [checked_unit(unit, values, layer)] if unit is not None else strongest(values, top, layer)
    [found] = project(tracker, maps, [Asked(image, filter, units, picture_of(input, image))])
    return found


class Asked(NamedTuple):
    """What shall be projected: some units of a filter's map of one image.

    Args:
        image, filter: which map.
        units: which of its pixels; None for all.
        picture: the image in the model's own order.
    """

    image: int
    filter: int
    units: list[Unit] | None
    picture: Tensor


def project(tracker: Backtracker, maps: Tensor, asked: Sequence[Asked]) -> list[Projection]:
    """Projections of one way back, one for each of some images; the run stays, so that others can follow.

    Args:
        tracker: has run.
        maps: what it returned.
        asked: each of another image: what starts from different images stays apart on its way.
    """
    assert len({one.image for one in asked}) == len(asked)
    chosen, signal = [], torch.zeros_like(maps)
    for one in asked:
        values = maps[one.image, one.filter].detach()
        mask = torch.full_like(values, one.units is None, dtype=torch.bool)
        for unit in one.units or ():
            mask[unit] = True
        started = values if tracker.method == "deconvnet" else torch.ones_like(values)
        signal[one.image, one.filter] = started * mask
        chosen.append(values[mask])
    arrived, notes = tracker.back(maps, signal)
    last = channels_last(tracker.model)
    return [
        Projection(
            layer=tracker.layer,
            filter=one.filter,
            method=tracker.method,
            units=None if one.units is None else tuple(one.units),
            value=float(values.max()) if len(values) else 0.0,
            input=in_order(one.picture, last),
            image=in_order(arrived if arrived.ndim == 3 else arrived[one.image], last),
            notes=notes,
        )
        for one, values in zip(asked, chosen, strict=True)
    ]


def picture_of(input: Any, image: int) -> Tensor:
    """A copy of one image of what a model is called with."""
    images = image_in(call_arguments(input)).detach()
    return (images if images.ndim == 3 else images[image]).clone()


def strongest(values: Tensor, top: int | None, layer: str) -> list[Unit] | None:
    """The `top` largest pixels of a map (H, W), in their order, the first ones on ties; None for all."""
    if top is None:
        return None
    if not isinstance(top, int) or isinstance(top, bool) or not 1 <= top <= values.numel():
        raise ArgumentError(
            f"{layer}: there are not so many units.",
            expected=f"top from 1 to {values.numel()}",
            received=f"top={top!r}",
        )
    order = values.flatten().argsort(descending=True, stable=True)[:top].tolist()
    return [divmod(place, values.shape[1]) for place in order]


def checked_unit(unit: Any, values: Tensor, layer: str) -> Unit:
    """A pixel (y, x) that the map has.

    Raises:
        ArgumentError: it is no pair, or the map has no such pixel.
    """
    try:
        y, x = unit
    except (TypeError, ValueError) as error:
        problem = f"{layer}: a unit is a pixel of the map."
        raise ArgumentError(problem, expected="(y, x)", received=repr(unit)) from error
    return checked_index(y, values.shape[0], "y", layer), checked_index(x, values.shape[1], "x", layer)


def check_method(method: Any, caller: str) -> None:
    """Raise unless there is such a method."""
    if method not in METHODS:
        raise ArgumentError(
            f"{caller}: there is no such method.",
            expected=", ".join(f'"{known}"' for known in METHODS),
            received=repr(method),
        )
