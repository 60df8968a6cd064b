"""The training loop: the only one.

For every batch and every part: loss, backward, clip, step. After every epoch, or after so many
examples: validate, keep the best, write down what happened. Nothing here knows what is being learnt.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from medgraft.errors import ArgumentError, DivergedError
from medgraft.progress import Bar, bar
from medgraft.seeds import derive
from medgraft.spec import build
from medgraft.train import checkpoint
from medgraft.train.batches import Batch, Batches
from medgraft.train.checkpoint import Checkpoint
from medgraft.train.objective import Objective, Part
from medgraft.train.optimisers import make_optimiser, restore_state, set_point, state_tensors
from medgraft.train.processes import Processes
from medgraft.train.recipe import LoopRecipe
from medgraft.train.schedules import Point, schedules
from medgraft.train.stopping import Stop, stop_signals
from medgraft.train.top import Member, Top

Row = dict[str, float]


@dataclass
class Progress:
    """How far a run has come: everything that must survive a stop, besides tensors.

    Attributes:
        step: Batches done, over the whole run.
        sums: Running sums of the losses since the last validation.
        seconds: Time spent in training since then.
        history: A row per validation.
        best: Best validation score so far and its epoch.
        top: The best weights, if several are kept, without their tensors, as `Top.listed` has them.
    """

    step: int = 0
    sums: Row = field(default_factory=dict)
    seconds: float = 0.0
    history: list[Row] = field(default_factory=list)
    best: Row = field(default_factory=dict)
    top: list[Row] = field(default_factory=list)


@dataclass(frozen=True)
class Step:
    """What one batch did.

    Attributes:
        rates: The rate of every group.
        loss: Mean loss, summed over the parts; None if nothing is known of the images.
        moved: Whether weights were moved, and not only gradients gathered.
    """

    rates: Row
    loss: float | None
    moved: bool


@dataclass
class Loop:
    """A run of an objective over batches.

    Attributes:
        objective: What is learnt.
        batches: What it is learnt from.
        recipe: Settings.
        folder: Where checkpoints go; None keeps none.
        processes: This process among the others.
        autocast: Whether forward passes run in bfloat16.
        keep_best: How many of the best weights to keep.
        on_epoch: Called with the history after every validation.
    """

    objective: Objective
    batches: Batches
    recipe: LoopRecipe
    folder: Path | None = None
    processes: Processes = field(default_factory=Processes)
    autocast: bool = False
    keep_best: int = 1
    on_epoch: Callable[[list[Row]], object] = len

    def __post_init__(self) -> None:
        self.progress = Progress()
        self.optimisers: dict[str, Optimizer] = {
            name: make_optimiser(part, self.recipe) for name, part in self.objective.parts.items()
        }
        self.best: dict[str, Tensor] = {}
        self._schedule = build(schedules, self.recipe.schedule)
        self._total = self.recipe.epochs * self.batches.per_epoch
        self._every = validation_steps(self.recipe) or self.batches.per_epoch
        self.top = Top(self.keep_best)
        self._saved = time.monotonic()
        self._stop = Stop()
        self._before = Progress()

    def follow(self, before: Loop | None, *, same_score: bool = True) -> None:
        """Go on where an earlier phase of the same run ended: its history, and its best to beat.

        Args:
            before: The earlier phase; None for the first.
            same_score: Whether both are scored by the same thing. If not, only the history goes on.
        """
        if before is None:
            return
        self._before = before.progress
        self.progress = Progress(history=list(before.progress.history))
        if same_score:
            self.progress.best = dict(before.progress.best)
            self.best, self.top.members = before.best, list(before.top.members)

    def run(self) -> Progress:
        """Train to the end, or until patience is lost; then take the best weights.

        Raises:
            DivergedError: If a loss is not finite.
            KeyboardInterrupt: If stopped; a checkpoint was saved before.
        """
        for part in self.objective.parts.values():
            self.processes.copy_from_first(part.module)
        shown = self._bar()
        try:
            with stop_signals() as self._stop:
                while not self.ended:
                    self._epoch(shown)
        finally:
            shown.close()
        self._take_best()
        return self.progress

    def _bar(self) -> Bar:
        return bar(
            total=self._total,
            what="train",
            unit="step",
            start=self.progress.step,
            quiet=not self.processes.first,
        )

    def _epoch(self, shown: Bar) -> None:
        number, start = divmod(self.progress.step, self.batches.per_epoch)
        began = time.monotonic() - self.progress.seconds
        self.train_mode()
        for batch in self.batches.epoch(number, start=start):
            point = self._schedule(batch.step, self._total, self.recipe.epochs)
            rates = self.take(batch, point).rates
            self.progress.seconds = time.monotonic() - began
            self._show(shown, rates)
            if self._is_validation():
                self._validate(rates)
                self.train_mode()
                began = time.monotonic()
            self._pause()
            if self.ended:
                return

    def _is_validation(self) -> bool:
        return self.progress.step % self._every == 0 or self.progress.step == self._total

    def train_mode(self) -> None:
        """Put every part in training mode; a network leaves its frozen stages in evaluation."""
        for part in self.objective.parts.values():
            part.module.train()

    def take(self, batch: Batch, point: Point) -> Step:
        """One step of every part, at a point of the schedule.

        Raises:
            DivergedError: If the loss of a part is not finite; that part was not moved.
        """
        torch.manual_seed(derive(self.recipe.seed, "step", batch.step, self.processes.rank))
        rates: Row = {}
        found: list[float] = []
        for name, part in self.objective.parts.items():
            optimiser = self.optimisers[name]
            rates |= set_point(optimiser, self.recipe.rate * point.rate, point.momentum)
            value = self._backward(name, part, batch)
            found += [] if value is None else [value]
            if self._is_step(batch):
                self._move(part, optimiser)
        self.progress.step = batch.step + 1
        return Step(rates, sum(found) if found else None, self._is_step(batch))

    def _backward(self, name: str, part: Part, batch: Batch) -> float | None:
        """Add the gradient of the loss of one part, on the parameters of that part alone.

        Returns:
            The mean loss; None if nothing was counted.
        """
        device = batch.images.device
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.autocast):
            loss = self.objective.loss(name, batch)
        count = self.processes.sum(loss.count, device)
        value = self.processes.sum(float(loss.total.detach()), device) / max(count, 1.0)
        if not math.isfinite(value):
            raise DivergedError(
                f"the loss must be finite, but that of {name!r} is {value} at step {batch.step}."
                " Lower --rate, or train with --precision float32."
            )
        sums = self.progress.sums
        for term, mean in {"loss": value, **loss.terms}.items():
            key = term if len(self.objective.parts) == 1 else f"{term}_{name}"
            sums[key] = sums.get(key, 0.0) + mean
        if not count:
            return None
        share = loss.total / (count * self._accumulated(batch))
        share.backward(inputs=_learning(part))  # type: ignore[no-untyped-call]
        return value

    def _accumulated(self, batch: Batch) -> int:
        """Batches in the optimiser's step that `batch` belongs to: fewer at the end of an epoch."""
        place = batch.step % self.batches.per_epoch
        first = place - place % self.recipe.accumulate
        return min(self.recipe.accumulate, self.batches.per_epoch - first)

    def _is_step(self, batch: Batch) -> bool:
        place = batch.step % self.batches.per_epoch + 1
        return place % self.recipe.accumulate == 0 or place == self.batches.per_epoch

    def _move(self, part: Part, optimiser: Optimizer) -> None:
        learning = _learning(part)
        gradients = [p.grad for p in learning if p.grad is not None]
        self.processes.sum_tensors(gradients)
        if self.recipe.clip is not None:
            nn.utils.clip_grad_norm_(learning, self.recipe.clip)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    def _show(self, shown: Bar, rates: Row) -> None:
        done = self.progress.step - self._validated()
        speed = done * self.batches.size / max(self.progress.seconds, 1e-9)
        loss = sum(v for k, v in self.progress.sums.items() if k.startswith("loss")) / done
        shown.set_postfix_str(
            f"loss {loss:.4f}, rate {max(rates.values()):.1e}, {speed:,.0f} images/s", refresh=False
        )
        shown.update(1)

    def _validate(self, rates: Row) -> None:
        for part in self.objective.parts.values():
            self.processes.copy_from_first(part.module, buffers_only=True)
            part.module.eval()
        scores = self.objective.validate()
        done, seconds = self.progress.step - self._validated(), self.progress.seconds
        row: Row = {"step": self._last("step") + self.progress.step, "epoch": self._epochs()}
        row |= {key: value / done for key, value in self.progress.sums.items()}
        row |= {key: value for key, value in scores.items() if key != "score"}
        row["rate"] = max(rates.values(), default=0.0)
        if len(set(rates.values())) > 1:
            row |= {f"rate_{name}": value for name, value in rates.items()}
        share = done / self.batches.per_epoch
        row["images_per_second"] = share * len(self.batches.rows) / max(seconds, 1e-9)
        row["seconds"] = seconds
        self.progress.history.append(row)
        self._keep_best(scores.get("score"))
        self.progress.sums, self.progress.seconds = {}, 0.0
        if self.processes.first:
            self.on_epoch(self.progress.history)

    def _last(self, key: str) -> float:
        """What the last row of the phases before says; zero if there are none."""
        return self._before.history[-1][key] if self._before.history else 0

    def _validated(self) -> int:
        """The step of this phase at which it was last validated."""
        history = self.progress.history
        if len(history) == len(self._before.history):
            return 0
        return int(history[-1]["step"] - self._last("step"))

    def _epochs(self) -> float:
        """Epochs that have passed over all phases: a whole number unless validated within them."""
        whole, more = divmod(self.progress.step, self.batches.per_epoch)
        epochs = self._last("epoch") + whole
        if self.recipe.validate_every is None:
            return epochs
        return round(epochs + more / self.batches.per_epoch, 6)

    def _keep_best(self, score: float | None) -> None:
        if score is None:
            return
        history = self.progress.history
        epoch = history[-1]["epoch"]
        if self.top.most > 1:
            self.top.offer(score, self._weights(), row=len(history), epoch=epoch)
        if score > self.progress.best.get("score", -math.inf):  # never if it is not a number
            self.progress.best = {"score": score, "epoch": epoch}
            self.best = {name: tensor.detach().clone() for name, tensor in self._weights().items()}

    def members(self, part: str) -> list[Member]:
        """The best weights of a part, best first; none if the recipe keeps a single one."""
        return [replace(m, weights=_under(m.weights, f"{part}/")) for m in self.top.members]

    def _take_best(self) -> None:
        for name, part in self.objective.parts.items():
            mine = {k.removeprefix(f"{name}/"): t for k, t in self.best.items() if _of(k, name)}
            if mine:
                part.module.load_state_dict(mine)
            part.module.eval()

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to do: all steps are done, or patience is lost."""
        if self.progress.step == self._total:
            return True
        patience, best = self.recipe.patience, self.progress.best
        fresh = self.progress.step == self._validated() > 0
        if patience is None or not best or not fresh or self._is_gathering():
            return False
        return self._epochs() - max(best["epoch"], self._last("epoch")) >= patience

    # --- stopping and going on ---------------------------------------------------------

    def _weights(self) -> dict[str, Tensor]:
        return {
            f"{name}/{key}": tensor
            for name, part in self.objective.parts.items()
            for key, tensor in part.module.state_dict().items()
        }

    def _pause(self) -> None:
        """Save if it is time, and stop if asked to: between steps, where all is of a piece."""
        if self._is_gathering():
            return  # gradients are on the way, and they are not saved
        device = self.batches.placement.device
        stop = self.processes.sum(float(self._stop.asked), device) > 0
        due = time.monotonic() - self._saved >= self.recipe.checkpoint_seconds
        if stop or due or self.ended:  # what comes after training can be killed too
            self._save()
        if stop:
            raise KeyboardInterrupt

    def _is_gathering(self) -> bool:
        return self.progress.step % self.batches.per_epoch % self.recipe.accumulate > 0

    def _save(self) -> None:
        if self.folder is None or not self.processes.first:
            return
        tensors = {f"weights/{key}": tensor for key, tensor in self._weights().items()}
        tensors |= {f"best/{key}": tensor for key, tensor in self.best.items()}
        for name, part in self.objective.parts.items():
            for key, tensor in state_tensors(self.optimisers[name], part).items():
                tensors[f"optimiser/{name}/{key}"] = tensor
        progress = self.progress
        progress.top = self.top.listed()
        self.top.write(self.folder)
        checkpoint.save(self.folder, Checkpoint(tensors, vars(progress)), step=progress.step)
        self.top.prune(self.folder)
        self._saved = time.monotonic()

    def resume(self) -> bool:
        """Go back to the last checkpoint; False if there is none."""
        found = None if self.folder is None else checkpoint.load(self.folder)
        if self.folder is None or found is None:
            return False
        self.progress = Progress(**found.state)
        tensors = found.tensors
        self.best = _under(tensors, "best/")
        self.top.restore(self.folder, self.progress.top)
        for name, part in self.objective.parts.items():
            part.module.load_state_dict(_under(tensors, f"weights/{name}/"))
            state = _under(tensors, f"optimiser/{name}/")
            restore_state(self.optimisers[name], part, state)
        return True


def validation_steps(recipe: LoopRecipe) -> int | None:
    """Steps between validations, from examples; None for once an epoch.

    Examples:
        >>> validation_steps(LoopRecipe(validate_every=8192, batch_size=16))
        512

    Raises:
        ArgumentError: If the examples are not a whole number of batches.
    """
    if recipe.validate_every is None:
        return None
    steps, left = divmod(recipe.validate_every, recipe.batch_size)
    if left or not steps:
        near = max(1, round(recipe.validate_every / recipe.batch_size)) * recipe.batch_size
        raise ArgumentError(
            "validate_every counts examples and must be a multiple of the batch size"
            f" {recipe.batch_size}, got {recipe.validate_every}. Pass --validate-every {near}."
        )
    return steps


def _learning(part: Part) -> list[nn.Parameter]:
    return [p for group in part.groups for p in group.parameters.values() if p.requires_grad]


def _of(key: str, part: str) -> bool:
    return key.startswith(f"{part}/")


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}
