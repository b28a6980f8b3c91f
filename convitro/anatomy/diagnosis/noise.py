"""Filters, and whole layers, whose weights cannot be told from random ones."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from convitro.anatomy.diagnosis.finding import Finding, kernels_of
from convitro.anatomy.diagnosis.records import LayerRecord
from convitro.plots import Bars

LIKE_NOISE = 2.0  # standard deviations: random signs stay below in 9 of 10 cases
CLEAR = 4.0  # where half of a layer's filters are above this, one that looks like noise stands out
STRUCTURED = 4.0  # for a layer as a whole
FEWEST_WEIGHTS = 1000  # in a layer, so that one that has learned anything would show it


class Excess(NamedTuple):
    """A sum of products of weights, and its standard deviation if every weight had a random sign."""

    total: Float[Tensor, "*filters"]
    deviation: Float[Tensor, "*filters"]

    @property
    def score(self) -> Float[Tensor, "*filters"]:
        """How many standard deviations above chance; 0 where nothing could be summed."""
        return torch.where(self.deviation > 0, self.total / self.deviation, 0.0)

    def together(self) -> float:
        """The score of all filters as one."""
        deviation = float(self.deviation.square().sum().sqrt())
        return float(self.total.sum()) / deviation if deviation > 0 else 0.0


def smoothness(weight: Float[Tensor, "C_out C KH KW"]) -> Excess:
    """Whether neighbouring weights of a kernel are alike (positive) or opposite (negative).

    The sum over all pairs of neighbours of w * w'. It is a spectral measure: over the power spectrum |W|^2 of
    the kernel's 2-D DFT (padded with zeros to twice its size) it equals the mean of (cos f_y + cos f_x)
    |W|^2, so it is positive where the energy lies at low frequencies and negative at high ones. With random
    signs its mean is 0 and its variance the sum of w^2 * w'^2, whatever the sizes of the weights are.

    Source: own; by the theorem of Wiener and Khinchin.
    """
    weight = weight.double()
    across = weight[..., 1:] * weight[..., :-1]
    down = weight[..., 1:, :] * weight[..., :-1, :]
    total = across.flatten(1).sum(1) + down.flatten(1).sum(1)
    return Excess(total, (across.square().flatten(1).sum(1) + down.square().flatten(1).sum(1)).sqrt())


def sharing(rows: Float[Tensor, "*batch A B"]) -> Excess:
    """Whether the rows of a matrix share a pattern, up to sign and size: its energy lies in few directions.

    The sum over all pairs of rows of (their inner product)^2, less what random signs would give. With random
    signs its mean is 0, and its variance sum over pairs of 4 * sum over p < q of (a_p b_p a_q b_q)^2.

    Source: own; the sum is (|M M^T|^2 - sum |row|^4) / 2 without its expected part.
    """
    rows = rows.double()
    if rows.shape[-2] > rows.shape[-1]:  # rows and columns give the same sum; the fewer are quicker
        rows = rows.transpose(-1, -2)
    squares = rows.square()
    inner, chance = rows @ rows.transpose(-1, -2), squares @ squares.transpose(-1, -2)
    same = squares.square() @ squares.square().transpose(-1, -2)
    pairs = torch.ones(inner.shape[-2:], dtype=torch.bool, device=rows.device).triu(1)
    total = ((inner.square() - chance) * pairs).sum((-1, -2))
    variance = (2 * (chance.square() - same) * pairs).sum((-1, -2))
    return Excess(total, variance.clamp_min(0).sqrt())


def resemblance(weight: Float[Tensor, "C_out C KH KW"]) -> Excess:
    """Whether a filter's kernels have the patterns of the other filters' kernels, up to sign and size.

    The sum over the filter's kernels k and all kernels l of the other filters of (k . l)^2, less what random
    signs in k would give. With random signs its mean is 0, and its variance 2 * sum over k and over p != q
    of (k_p k_q R_pq)^2, where R is the sum of l l^T.

    Source: own.
    """
    kernels = weight.flatten(2).double()  # (C_out, C, P)
    squares = kernels.square()
    own, own_squares = kernels.transpose(1, 2) @ kernels, squares.transpose(1, 2) @ squares  # (C_out, P, P)
    others = own.sum(0) - own
    others = others - torch.diag_embed(others.diagonal(dim1=1, dim2=2))
    variance = (2 * own_squares * others.square()).sum((1, 2))
    return Excess((own * others).sum((1, 2)), variance.sqrt())


def structure(weight: Float[Tensor, "C_out C KH KW"]) -> Float[Tensor, " C_out"]:
    """How far each filter is from noise, in standard deviations of random signs: the largest of three scores.

    They are |`smoothness`|, `sharing` among the kernels of the filter, and `resemblance` to the other
    filters.
    """
    scores = smoothness(weight).score.abs(), sharing(weight.flatten(2)).score, resemblance(weight).score
    return torch.stack(scores).amax(0)


def noisy_filters(record: LayerRecord, known: frozenset[int] = frozenset()) -> list[Finding]:
    """Filters that look like noise in a layer whose other filters do not.

    Null hypothesis: every weight has a random sign, as after any usual initialisation. A filter looks like
    noise if no score of `structure` rejects it (all below 2 standard deviations). Small kernels of few
    channels cannot tell: so nothing is found unless the median filter of the layer is 4 standard deviations
    away, and never in kernels below 3 pixels. Filters in `known` have another finding already.

    Source: own.
    """
    weight = record.layer.weight
    if max(weight.shape[-2:]) < 3:
        return []
    scores = structure(weight.cpu())
    if float(scores.median()) < CLEAR:
        return []
    found = []
    for index in (scores < LIKE_NOISE).nonzero().flatten().tolist():
        if index not in known:
            found.append(noisy(record, index, scores))
    return found


def noisy(record: LayerRecord, index: int, scores: Tensor) -> Finding:
    """The finding that a filter looks like noise."""
    neighbour = int((scores - scores.median()).abs().argmin())
    return Finding(
        "noisy",
        record.name,
        index,
        float(scores[index]),
        "standard deviations from random weights",
        LIKE_NOISE,
        "Its kernels are neither smooth, nor like each other, nor like other filters': "
        f"{float(scores[index]):.1f} standard deviations from weights of random signs, where the layer's "
        f"median filter has {float(scores.median()):.1f}.",
        "It has not learned, or has learned noise: train longer, with more weight decay, more data or more "
        "augmentation, or with fewer filters.",
        pictures=(
            kernels_of(record, (index, neighbour)),
            Bars(
                f"{record.name}: how far each filter is from random weights",
                scores.float(),
                strong=frozenset({index}),
                marks={"like noise": LIKE_NOISE},
                x_label="filter",
                y_label="standard deviations",
            ),
        ),
    )


def layer_scores(weight: Float[Tensor, "C_out C KH KW"]) -> tuple[float, float, float]:
    """How far a layer as a whole is from random signs: within kernels, among kernels, among filters."""
    weight = weight.cpu()
    among_filters = sharing(weight.flatten(1)).together()
    return abs(smoothness(weight).together()), sharing(weight.flatten(2)).together(), among_filters


def untrained_layer(record: LayerRecord) -> list[Finding]:
    """A layer in which nothing tells the weights from a random initialisation; one finding or none.

    Its three scores, each over all filters, are all below 4 standard deviations. Layers with fewer than 1000
    weights are not judged.

    Source: own.
    """
    weight = record.layer.weight
    if weight.numel() < FEWEST_WEIGHTS or weight.shape[0] < 2:
        return []
    scores = layer_scores(weight)
    if max(scores) >= STRUCTURED:
        return []
    return [
        Finding(
            "untrained",
            record.name,
            None,
            max(scores),
            "standard deviations from random weights",
            STRUCTURED,
            f"Nothing tells its {weight.numel():,} weights from random ones. Neighbours in a kernel are "
            f"{scores[0]:.1f} standard deviations from chance, the kernels of a filter {scores[1]:.1f}, the "
            f"filters {scores[2]:.1f}.",
            "A sign of under-fitting. Check that its parameters are in the optimiser and get gradients, that "
            "the weights were loaded, and that the learning rate is not too small; then train longer.",
            pictures=(
                kernels_of(record, tuple(range(min(8, weight.shape[0])))),
                Bars(
                    f"{record.name}: how far the layer is from random weights",
                    torch.tensor(scores),
                    ("within kernels", "among kernels", "among filters"),
                    marks={"like random": STRUCTURED},
                    y_label="standard deviations",
                ),
            ),
        )
    ]
