"""The learning-rate range test: train a little at rising rates, and see where the loss falls.

Source: Smith 2015, arXiv:1506.01186, with the constants of fastai.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from medgraft.errors import ArgumentError, DivergedError, TrainingError
from medgraft.nets import outline
from medgraft.nets.backbones import find
from medgraft.prepare.store import default_cache
from medgraft.train.batches import Batches
from medgraft.train.beginning import agree
from medgraft.train.hardware import find_device
from medgraft.train.loop import Loop
from medgraft.train.objective import Objective
from medgraft.train.processes import Processes
from medgraft.train.recipe import Recipe
from medgraft.train.schedules import Point
from medgraft.train.setup import (
    check_choices,
    plan,
    resolve,
)
from medgraft.train.stopping import Stop, stop_signals
from medgraft.train.suggestions import suggestions
from medgraft.train.task import find_task
from medgraft.train.untouched import untouched

BETA = 0.98  # of the moving average of the loss
WORSE = 4.0  # times the best smoothed loss: it will not come back
SKIPPED = 5  # points at the end, where the loss is on its way up
LEAST = 3  # points from which any rule can tell anything


@dataclass(frozen=True)
class RateCurve:
    """What a range test found.

    Attributes:
        rates: Rates tried, ascending, shape (N,).
        losses: Mean training loss of the batch at each, before it moved the weights, shape (N,).
        smoothed: Their moving average, which the rules read, shape (N,).
        suggestions: A rate to train with, of each rule.
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    suggestions: dict[str, float]

    @property
    def fell(self) -> bool:
        """Whether the loss fell at all; if not, no suggestion means anything."""
        _, losses = usable(self.rates, self.smoothed)
        return bool(losses.min() < losses[0])

    def height(self, rate: float) -> float:
        """The smoothed loss at a rate, between the rates that were tried."""
        return float(np.interp(np.log(rate), np.log(self.rates), self.smoothed))


def range_test(
    index_path: Path, recipe: Recipe, *, iterations: int = 100, low: float = 1e-7, high: float = 10
) -> RateCurve:
    """A range test on an index, with the images and the network that `train` would take.

    Of a strategy with several phases it is the first. Test images are not read. Nothing is written but the cache of prepared images.

    Args:
        index_path: Written by `medgraft index`.
        recipe: Settings; `rate`, `schedule` and `epochs` play no part.
        iterations: See `find_rate`.
        low: See `find_rate`.
        high: See `find_rate`.

    Raises:
        UnknownNameError, ArgumentError: If a name or option is wrong.
        TableError, LeakageError: If the index is not usable.
        TrainingError: If training cannot go on.
    """
    check_range(iterations, low, high)
    check_choices(recipe)
    _check_has_rate(recipe)
    if recipe.threads is not None:
        torch.set_num_threads(recipe.threads)
    device, alone = find_device(recipe.device, 0), Processes()
    compute = agree(device, recipe, alone, dims=find(recipe.backbone).dims)
    task = find_task(recipe).load(index_path, recipe, default_cache(), memory_bytes=None)
    recipe = resolve(recipe, task.data, compute)
    torch.manual_seed(recipe.seed)
    predictor = task.predictor(recipe, task.network(recipe), compute, alone)
    batches = task.batches(recipe, compute, alone)
    first = plan(recipe, predictor.network.backbone)[0]
    objective = task.objective(recipe, predictor, batches, first)
    return find_rate(
        objective,
        batches,
        recipe,
        iterations=iterations,
        low=low,
        high=high,
        autocast=compute.autocast,
    )


def _check_has_rate(recipe: Recipe) -> None:
    if plan(recipe, outline(recipe.backbone, after=recipe.after))[0].solver is not None:
        raise ArgumentError(
            f"a range test needs a strategy that trains, but {recipe.strategy!r} fits the head without"
            " steps or rates. Train with it as it is, or choose another strategy."
        )


def takes_rate(recipe: Recipe) -> bool:
    """Whether the strategy trains its first phase at the rate of the recipe, not one of its own."""
    backbone = outline(recipe.backbone, after=recipe.after)
    one, other = (
        plan(recipe.model_copy(update={"rate": rate}), backbone)[0].rate for rate in (0.25, 0.5)
    )
    return one != other


def find_rate(
    objective: Objective,
    batches: Batches,
    recipe: Recipe,
    *,
    iterations: int = 100,
    low: float = 1e-7,
    high: float = 10,
    autocast: bool = False,
) -> RateCurve:
    """Train at rates that rise geometrically from `low` to `high`, then undo it all.

    It stops early where the smoothed loss is four times the best, or a loss is not finite. Weights,
    buffers, gradients, modes and random states are afterwards what they were, bit for bit, after
    an error and Ctrl-C too; the optimiser is one of its own.

    Args:
        objective: What is learnt.
        batches: What it is learnt from; as many epochs as it takes.
        recipe: Of the optimiser: its kind, decay, clipping, accumulation, and the seed.
        iterations: Steps of the optimiser.
        low: First rate.
        high: Last rate. Rates are those of the recipe; groups scale them.
        autocast: Whether forward passes run in bfloat16.

    Raises:
        ArgumentError: If there are fewer than three iterations, or the rates do not rise from above 0.
        TrainingError: If the loss was lost within three steps.
        KeyboardInterrupt: If stopped.
    """
    check_range(iterations, low, high)
    rates = np.geomspace(low, high, iterations)
    modules = [part.module for part in objective.parts.values()]
    with stop_signals() as stop, untouched(modules):
        loop = Loop(objective, batches, recipe.model_copy(update={"rate": high}), autocast=autocast)
        tried, losses, smoothed = _climb(loop, rates, stop)
    if stop.asked:
        raise KeyboardInterrupt
    if len(tried) < LEAST:
        raise TrainingError(
            f"a range test must last {LEAST} steps, but the loss was lost after {len(tried)}."
            f" Lower --low, which is {low:g}, or check that training images have labels."
        )
    return RateCurve(tried, losses, smoothed, suggest(tried, smoothed))


def check_range(iterations: int, low: float, high: float) -> None:
    """Refuse a range that is none.

    Raises:
        ArgumentError: If there are fewer than three iterations, or the rates do not rise from above 0.
    """
    if iterations < LEAST:
        raise ArgumentError(f"--iterations must be at least {LEAST}, got {iterations}.")
    if not 0 < low < high < np.inf:
        raise ArgumentError(f"--low must be above 0 and below --high, got {low:g} and {high:g}.")


def suggest(rates: np.ndarray, losses: np.ndarray) -> dict[str, float]:
    """The rate that each rule reads off the part of a curve that is usable."""
    rates, losses = usable(rates, losses)
    return {name: suggestions.get(name)(rates, losses) for name in suggestions.names()}


def usable(rates: np.ndarray, losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A curve without its first tenth, its last five points (half, if it is short), and from NaN on.

    Examples:
        >>> rates, _ = usable(np.arange(100.0), np.append(np.ones(40), np.full(60, np.nan)))
        >>> rates[0], rates[-1]
        (np.float64(4.0), np.float64(34.0))
    """
    wrong = np.flatnonzero(~np.isfinite(losses))
    count = int(wrong[0]) if len(wrong) else len(losses)
    kept = slice(count // 10, count - min(SKIPPED, count // 2))
    return rates[kept], losses[kept]


def _climb(loop: Loop, rates: np.ndarray, stop: Stop) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The rates that were tried before it ended, the loss at each, and the smoothed loss."""
    found: list[tuple[float, float, float]] = []
    average, best = 0.0, np.inf
    for rate, loss in _losses(loop, rates, stop):
        average = BETA * average + (1 - BETA) * loss
        smoothed = average / (1 - BETA ** (len(found) + 1))  # without the pull of the first zero
        if best > 0 and smoothed > WORSE * best:
            break
        best = min(best, smoothed)
        found.append((rate, loss, smoothed))
    columns = np.array(found, dtype=float).reshape(-1, 3)
    return columns[:, 0], columns[:, 1], columns[:, 2]


def _losses(loop: Loop, rates: np.ndarray, stop: Stop) -> Iterator[tuple[float, float]]:
    """Each rate and the mean loss of the batches of its step, until a loss is not finite."""
    loop.train_mode()
    batches = (b for number in itertools.count() for b in loop.batches.epoch(number))
    for rate in rates:
        values = []
        moved = False
        while not moved:
            if stop.asked:
                raise KeyboardInterrupt
            try:
                step = loop.take(next(batches), Point(float(rate / rates[-1])))
            except DivergedError:
                return
            moved = step.moved
            values += [] if step.loss is None else [step.loss]
        if values:  # nothing is known of some batches
            yield float(rate), float(np.mean(values))
