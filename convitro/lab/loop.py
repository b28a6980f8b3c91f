"""The epochs of a training: steps, measurements, checkpoints. What comes before and after: `training`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convitro.errors import ArgumentError
from convitro.lab.augment import Augmentation, stream
from convitro.lab.checkpoint import State
from convitro.lab.data import Sets, order
from convitro.lab.folder import Store
from convitro.lab.pictures import Pictures
from convitro.lab.recipe import Recipe
from convitro.lab.result import Epoch
from convitro.lab.watch import Watch

if TYPE_CHECKING:
    from lightning_fabric import Fabric

MEASURED_AT_ONCE = 256
"""Pictures in a batch that is only measured."""

Observer = Callable[[Epoch, nn.Module], object]


def optimizer_of(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    """torch's optimiser with the recipe's numbers."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if not parameters:
        raise ArgumentError("train: the network has nothing to learn.", expected="at least one parameter")
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(parameters, lr=recipe.rate, weight_decay=recipe.weight_decay)
    return torch.optim.SGD(
        parameters,
        lr=recipe.rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.nesterov,
    )


class Loop:
    """A training under way.

    Args:
        fabric: launched.
        network: what is trained.
        sets: the data.
        recipe: how.
        store: where it is kept, if anywhere.
        state: where it stands.
        observe: called after every epoch.
        workers: processes that read pictures ahead.
    """

    def __init__(
        self,
        fabric: Fabric,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        sets: Sets,
        recipe: Recipe,
        store: Store | None,
        state: State,
        observe: Observer | None = None,
        workers: int = 0,
    ) -> None:
        self.workers = workers
        self.fabric, self.network, self.optimizer = fabric, network, optimizer
        self.sets, self.recipe, self.store, self.state, self.observe = sets, recipe, store, state, observe
        self.precision = fabric.strategy.precision
        if state.scaler:
            self.precision.load_state_dict(state.scaler)
        self.model, self.stepper = fabric.setup(network, optimizer)
        self.exact = torch.float32 if fabric.device.type == "mps" else torch.float64
        count, processes = len(sets.train), fabric.world_size
        self.batch = min(recipe.batch_size, count) // processes * processes
        if self.batch == 0:
            raise ArgumentError(
                "train: a batch smaller than the number of processes.",
                expected=f"batch_size and pictures of at least {processes}",
                received=f"batch_size={recipe.batch_size}, {count} pictures",
            )
        self.steps = count // self.batch  # of an epoch; what is left of the pictures has its turn in another
        # Elsewhere to look at a number takes time.
        self.alone = processes == 1 and fabric.device.type == "cpu"
        self.every = 0  # steps between checkpoints inside an epoch, in every process alike

    def run(self) -> None:
        """All epochs that are left; `state` tells how it ended."""
        state, total = self.state, self.recipe.epochs * self.steps
        if self.store and not state.history and not state.step:
            self.store.write_epoch([], self.network)
        with Watch(total, state.epoch * self.steps + state.step) as watch:
            while not state.ended:
                rate = self._train_epoch(watch)
                self._close_epoch(rate)
                if self.observe is not None:
                    self.observe(state.history[-1], self.network)

    def _train_epoch(self, watch: Watch) -> float:
        """The steps that are left of the epoch; the learning rate of the last one."""
        state, rate = self.state, 0.0
        self.network.train()
        sums = torch.tensor(state.sums, dtype=self.exact, device=self.fabric.device)
        if self.fabric.global_rank:  # what a checkpoint holds is of all processes together
            sums.zero_()
        start, before = time.perf_counter(), state.seconds
        for images, labels in self._batches():
            rate = self._prepare_step()
            sums += self._step(images, labels)
            state.step += 1
            if self.alone and not math.isfinite(float(sums[0])):
                break  # no number comes back from there; several processes go on together to the epoch's end
            if watch.step(self.batch):
                loss, hits, seen = sums.tolist()
                watch.show(f"epoch {state.epoch + 1}/{self.recipe.epochs}", loss / seen, hits / seen)
            if self.every and state.step % self.every == 0 and state.step < self.steps:
                state.seconds = before + time.perf_counter() - start
                sums = self._checkpoint_inside(sums)
        self._remember(self._together(sums))
        state.seconds = before + time.perf_counter() - start
        return rate

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """This process's part of each batch of the epoch, changed at random, from where the epoch stands."""
        state, pictures, fabric = self.state, self.sets.train, self.fabric
        places = order(len(pictures), self.recipe.seed, state.epoch)
        augment = Augmentation(self.recipe, int(pictures.numbers.max()) + 1, state.epoch)
        mine = self.batch // fabric.world_size
        starts = range(
            state.step * self.batch + fabric.global_rank * mine, self.steps * self.batch, self.batch
        )
        chosen = [places[start : start + mine] for start in starts]
        for images, labels, numbers in pictures.batches(chosen, self.workers):
            yield augment(self._placed(images), numbers), labels.to(fabric.device)

    def _placed(self, images: Tensor) -> Tensor:
        """Pictures on the device, in the layout that our kernels like best."""
        return images.to(self.fabric.device).contiguous(memory_format=torch.channels_last)

    def _prepare_step(self) -> float:
        """The learning rate of the step, and random numbers of its own, so that it can be repeated."""
        number = self.state.epoch * self.steps + self.state.step
        seed = stream(self.recipe.seed, "step", number, self.fabric.global_rank)
        if self.fabric.device.type == "cpu":
            torch.default_generator.manual_seed(seed)
        else:
            torch.manual_seed(seed)
        rate = self.recipe.rate_at(number, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("rate_factor", 1.0)
        return rate

    def _step(self, images: Tensor, labels: Tensor) -> Tensor:
        """One step; the sums of losses, hits and pictures."""
        scores = self.model(images)
        loss = F.cross_entropy(scores, labels, label_smoothing=self.recipe.label_smoothing)
        self.stepper.zero_grad()
        self.fabric.backward(loss)
        self.stepper.step()
        hits = (scores.detach().argmax(1) == labels).sum()
        count = len(labels)
        return torch.stack(
            [
                loss.detach().to(self.exact) * count,
                hits.to(self.exact),
                torch.full((), count, dtype=self.exact, device=loss.device),
            ]
        )

    def _remember(self, sums: Tensor) -> None:
        """The sums of all processes, as numbers."""
        loss, hits, seen = sums.tolist()
        self.state.sums = loss, hits, seen

    def _together(self, sums: Tensor) -> Tensor:
        whole = self.fabric.all_reduce(sums.clone(), reduce_op="sum") if self.fabric.world_size > 1 else sums
        assert isinstance(whole, Tensor)
        return whole

    def _checkpoint_inside(self, sums: Tensor) -> Tensor:
        """A checkpoint inside an epoch; the sums to go on with, those of all at the first process."""
        together = self._together(sums)
        self._remember(together)
        self._save()
        return together if self.fabric.global_rank == 0 else torch.zeros_like(sums)

    def _save(self) -> None:
        if self.store is not None:
            self.state.scaler = dict(self.precision.state_dict())
            self.store.save(self.state, self.network, self.optimizer)

    def _close_epoch(self, rate: float) -> None:
        """Measure, write, and decide whether there is another one."""
        state, recipe = self.state, self.recipe
        loss, hits, seen = state.sums
        validation = self.measure(self.sets.validation)
        speed = seen / max(state.seconds, 1e-9)
        number = state.epoch + 1
        state.history.append(Epoch(number, loss / seen, hits / seen, *validation, rate, state.seconds, speed))
        state.epoch, state.step, state.sums, state.seconds = number, 0, (0.0, 0.0, 0.0), 0.0
        self._keep_best(validation[0])
        if not math.isfinite(loss):
            state.ended = "diverged"
        elif recipe.patience is not None and number - state.kept >= recipe.patience:
            state.ended = "stopped early"
        elif number == recipe.epochs:
            state.ended = "finished"
        if self.store is not None:
            self.store.write_epoch(state.history, self.network)
        self._save()

    def _keep_best(self, validation_loss: float | None) -> None:
        """The weights with the lowest loss on held-out pictures, where patience asks for them."""
        state = self.state
        if self.recipe.patience is None or validation_loss is None:
            state.kept = state.epoch
        elif validation_loss < state.lowest:
            state.kept, state.lowest = state.epoch, validation_loss
            state.best = {name: value.detach().clone() for name, value in self.network.state_dict().items()}

    @torch.no_grad()
    def measure(self, pictures: Pictures | None) -> tuple[float | None, float | None]:
        """Mean loss and accuracy of pictures that are not trained on."""
        if pictures is None:
            return None, None
        fabric, network = self.fabric, self.network.eval()
        mine = torch.arange(fabric.global_rank, len(pictures), fabric.world_size)
        sums = torch.zeros(3, dtype=self.exact, device=fabric.device)
        parts = [part for part in mine.split(MEASURED_AT_ONCE) if len(part)]
        for images, labels, _ in pictures.batches(parts, self.workers):
            labels = labels.to(fabric.device)
            given: Any = self.precision.convert_input(self._placed(images))
            with self.precision.forward_context():
                scores = network(given)
            scores = scores.to(self.exact)
            hits = (scores.argmax(1) == labels).sum().to(self.exact)
            losses = F.cross_entropy(scores, labels, reduction="sum")
            sums += torch.stack([losses, hits, torch.full_like(losses, len(labels))])
        loss, right, seen = self._together(sums).tolist()
        return loss / seen, right / seen


def kept_weights(state: State, network: nn.Module) -> None:
    """Give the network the weights that are kept."""
    if state.best:
        network.load_state_dict(state.best)
