"""The public door: run a model once and follow how its last maps become its answer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from convitro.anatomy.answers.lastlinear import TURNS, LastLinear, maps_behind, nearly, read_linear
from convitro.anatomy.answers.result import Answer
from convitro.anatomy.connections import tensors
from convitro.anatomy.ending import Sigmoids
from convitro.anatomy.observe import Observer, check_input, check_model, model_name
from convitro.anatomy.recognise import SUMS
from convitro.anatomy.trace import first_argument
from convitro.errors import ArgumentError, UnsupportedError

RECENT = 12  # maps kept while the model runs: a head of pooling, dropout and reshaping makes fewer

NO_LINEAR = "No linear layer makes the scores, so there are no weights by which maps speak for a class."
NOT_LAST = "After the last linear layer, {}, something else is computed: its sums are not the scores."
NOT_MAPS = (
    "The inputs of {}, the last linear layer, are features of their own: other layers stand between the last "
    "maps and them."
)


class AnswerObserver(Observer):
    """Keeps the last linear layer of a run, and for a moment the last maps."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        self.recent: deque[Tensor] = deque(maxlen=RECENT)
        self.linear: LastLinear | None = None
        self.sigmoids, self.ends_in_sigmoid = Sigmoids(), False
        self._sum: Tensor | None = None  # what the layer has made, bias and all
        self._fixed = {id(tensor) for tensor in (*model.parameters(), *model.buffers())}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        self.sigmoids.follow(func, first_argument(args, kwargs), result)
        call = read_linear(func, args, kwargs, self._fixed)
        if call is not None:
            self._record(*call, result)
        elif func in SUMS and self.linear is not None and len(args) == 2 and not kwargs:
            self._add_bias(args, result)
        for tensor in () if func in TURNS else tensors(result):
            if tensor.ndim == 4 and all(tensor is not known for known in self.recent):
                self.recent.appendleft(tensor)
        return result

    def left(self, module: nn.Module, output: Any) -> None:
        if module is self.model:
            self.ends_in_sigmoid = self.sigmoids.holds(output)

    def _record(self, inputs: Tensor, weight: Tensor, bias: Tensor | None, result: Tensor) -> None:
        maps = maps_behind(inputs, self.recent) if inputs.is_floating_point() else None
        name = self.shown_names[self.innermost()]
        made = result.detach().reshape(len(inputs), -1).clone()
        bias = None if bias is None else bias.detach().clone()
        self.linear = LastLinear(name, inputs.detach().clone(), weight.detach(), bias, made, maps)
        self._sum = result

    def _add_bias(self, args: tuple[Any, ...], result: Tensor) -> None:
        """Some frameworks add the bias in a step of its own."""
        assert self.linear is not None
        added = next((item for item in args if isinstance(item, Tensor) and item is not self._sum), None)
        if self._sum is None or added is None or all(item is not self._sum for item in args):
            return
        classes = len(self.linear.weight)
        if self.linear.bias is None and added.numel() == classes and id(added) in self._fixed:
            made = result.detach().reshape(-1, classes).clone()
            self.linear = replace(self.linear, bias=added.detach().reshape(-1).clone(), result=made)
        self._sum = None


def answer(model: nn.Module, input: Any, *, image: int = 0, classes: Sequence[str] = ()) -> Answer:
    """Run `model` once and follow how its last maps become scores, and its scores shares.

    Where the scores are made by one linear layer, each is a sum: inputs times weights, and a bias. Where that
    layer's inputs are the last maps (flattened, averaged, or the largest value of each, which is decided by
    their values, not by names), the sum has a part for every map: what that map says for the class or against
    it. A softmax inside the model is recognised by its values too, and not applied again;
    a sigmoid by its values, or by its being called last.

    Args:
        model: any torch.nn.Module, or what `load` takes, in the mode in which it shall be seen.
        input: what it is called with; not changed.
        image: which image of the batch.
        classes: what the classes are called.

    Returns:
        Scores, shares, and the parts of every score.

    Raises:
        ArgumentError: `model` is no module, `input` holds no tensor, or there is no such image.
        UnsupportedError: the model returns no row of scores for each image.

    Source: own; by place, Zhou et al. 2016, "Learning Deep Features for Discriminative Localization", eq. 2.

    Example:
        >>> import torch
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2))
        >>> model[1].weight.data = torch.tensor([[1.0, 2.0], [0.0, -1.0]])
        >>> model[1].bias.data = torch.tensor([0.5, 0.0])
        >>> found = answer(model, torch.tensor([[[[1.0]], [[3.0]]]]), classes=("cat", "dog"))
        >>> print(found.why(0, against=1))
        Sequential: cat and not dog
         part                    adds
        ──────────────────────────────
         feature 1                 +9
         feature 0                 +1
         the others                +0
         bias                    +0.5
         difference of scores   +10.5
    """
    model = check_model(model, "answer")
    input = check_input(input, "answer", model)
    observer = AnswerObserver(model)
    output = observer.run(input)
    returned = row_of_scores(output, image)
    linear = observer.linear and of_image(observer.linear, image)
    sums = None if linear is None else linear.result[0].double()
    scores, ending = ending_of(sums, returned, sigmoid=observer.ends_in_sigmoid)
    linear, reason = explained(linear, scores)
    return Answer(model_name(model), returned, ending, scores, linear, reason, tuple(classes))


def row_of_scores(output: Any, image: int) -> Tensor:
    """What the model returned for one image, (K,) float64.

    Raises:
        UnsupportedError: that is no row of scores.
        ArgumentError: there is no such image.
    """
    row = output.ndim >= 2 and output.shape[1] == output[:1].numel() if isinstance(output, Tensor) else False
    if not row or not output.is_floating_point() or output.shape[1] == 0:
        received = f"a tensor {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
        raise UnsupportedError(
            "answer: the network returns no scores for classes.",
            expected="a tensor (N, K): a score for every class",
            received=received,
        )
    if not 0 <= image < len(output):
        raise ArgumentError(
            "answer: there is no such image.", expected=f"0 … {len(output) - 1}", received=str(image)
        )
    scores: Tensor = output[image].detach().double().flatten().cpu()
    return scores


def of_image(linear: LastLinear, image: int) -> LastLinear | None:
    """The layer as it ran on one image, apart from the model; None where its rows were no images."""
    if image >= len(linear.inputs):
        return None
    own = slice(image, image + 1)
    maps = linear.maps and replace(linear.maps, values=linear.maps.values[own].cpu())
    weight, bias = linear.weight.clone().cpu(), None if linear.bias is None else linear.bias.cpu()
    return replace(
        linear,
        inputs=linear.inputs[own].cpu(),
        weight=weight,
        bias=bias,
        result=linear.result[own].cpu(),
        maps=maps,
    )


def ending_of(sums: Tensor | None, returned: Tensor, *, sigmoid: bool) -> tuple[Tensor | None, str]:
    """What the shares are made of, and what the model does to it: see `Answer`.

    Args:
        sums: what the last linear layer made; None where there is none.
        returned: what the model returned, (K,).
        sigmoid: whether it was seen that a sigmoid made that; of other layers' numbers if not of `sums`.
    """
    one = len(returned) == 1
    if sums is not None and sums.shape == returned.shape:
        if nearly(sums, returned):
            return returned, "one" if one else "scores"
        if one and nearly(torch.sigmoid(sums), returned):
            return sums, "sigmoid"
        for ending, made in (
            ("softmax", torch.softmax(sums, 0)),
            ("log_softmax", torch.log_softmax(sums, 0)),
            ("sigmoid", torch.sigmoid(sums)),
        ):
            if nearly(made, returned) and not one:
                return sums, ending
    if sigmoid:
        return None, "sigmoid"
    if one:
        return returned, "one"
    if bool((returned >= 0).all()) and abs(float(returned.sum()) - 1) < 1e-3:
        return None, "softmax"
    if bool((returned <= 0).all()) and abs(float(returned.exp().sum()) - 1) < 1e-3:
        return returned, "log_softmax"
    return returned, "scores"


def explained(linear: LastLinear | None, scores: Tensor | None) -> tuple[LastLinear | None, str]:
    """The layer if it made the scores, and why they are no sums over maps."""
    if linear is None:
        return None, NO_LINEAR
    sums = linear.result[0].double()
    if scores is None or not nearly(sums, scores):
        return None, NOT_LAST.format(linear.name or "a call of the model's own")
    return linear, "" if linear.maps is not None else NOT_MAPS.format(linear.name or "the model's own call")
