"""All phases of a training, one loop after the other."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from medgraft.seeds import derive
from medgraft.train.loop import Loop, Row
from medgraft.train.objective import Objective
from medgraft.train.processes import Processes
from medgraft.train.recipe import Recipe
from medgraft.train.strategies import Phase
from medgraft.train.task import Batching

Keeping = Callable[[Loop, Path], AbstractContextManager[None]]


def train_phases(
    phases: tuple[Phase, ...],
    recipe: Recipe,
    batches: Batching,
    *,
    objective: Callable[[Phase], Objective],
    keeping: Keeping,
    folder: Path,
    checkpoints: bool = True,
    resume: bool = False,
    processes: Processes | None = None,
    autocast: bool = False,
    on_epoch: Callable[[list[Row]], object] = len,
) -> Loop:
    """Train through all phases, to the best weights of all.

    Args:
        phases: Of a strategy that trains step by step, at least one.
        recipe: What they share; each phase has its own seed.
        batches: What is learnt from.
        objective: Of a phase; called before its loop begins.
        keeping: While a loop runs, lets it train on what still stages made of the images; its
            second argument is a folder for that.
        folder: For checkpoints and kept maps.
        checkpoints: Whether to save any.
        resume: Go on from the last checkpoints.
        processes: This process among the others.
        autocast: Whether forward passes run in bfloat16.
        on_epoch: Called with the history after every validation.

    Returns:
        The last loop, with the history of all.
    """
    before: Loop | None = None
    for number, phase in enumerate(phases):
        seed = derive(recipe.seed, "phase", number) if number else recipe.seed
        settings: dict[str, Any] = {"epochs": phase.epochs, "rate": phase.rate, "seed": seed}
        settings |= {"schedule": phase.schedule} if phase.schedule else {}
        loop = Loop(
            objective(phase),
            replace(batches, seed=seed),
            recipe.model_copy(update=settings),
            folder=folder / f"phase-{number}" if checkpoints else None,
            processes=processes or Processes(),
            autocast=autocast,
            keep_best=recipe.keep_best,
            on_epoch=on_epoch,
        )
        loop.follow(before)
        if resume:
            loop.resume()
        with keeping(loop, folder / f"prefix-{seed}"):
            loop.run()
        before = loop
    assert before is not None, "a strategy without a phase"
    return before
