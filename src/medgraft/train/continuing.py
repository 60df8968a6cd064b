"""Going on from a finished run when new labelled images arrive: what is kept, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from medgraft.errors import ArgumentError, LeakageError, TableError
from medgraft.index import Index
from medgraft.index.split import split
from medgraft.index.target import Target
from medgraft.index.units import units
from medgraft.runs import RunFolder
from medgraft.spec import parse, write
from medgraft.train.donor import SEEN
from medgraft.train.predict import MASKS, read_answering
from medgraft.train.recipe import Recipe, load_recipe
from medgraft.train.strategies import FittedHead, find_strategy

DIVIDE = 10.0  # of the rates of a network that has learnt already (Zhou et al. 2021, ACFT)


def continued(run: RunFolder) -> Recipe:
    """The recipe of a training that goes on from a finished run: its own, at slower rates.

    Network, preparation, augmentation and strategy stay; labels are no longer cut down. A run that
    began from random weights (``vanilla``) goes on with all its stages (``full``).

    Raises:
        TableError: If the run is not finished, or is a pretraining.
        ArgumentError: If it learnt masks, or its head was fitted and not trained.
    """
    if read_answering(run)["kind"] == MASKS:
        raise ArgumentError(
            f"--continue needs a run that learnt labels, and '{run.path}' learnt masks. Begin with"
            f" its weights: --weights {run.path}."
        )
    recipe = load_recipe(run.recipe)
    own = {"weights": str(run.path), "continues": str(run.path), "labels_per_class": None}
    return slower(recipe.model_copy(update=own), DIVIDE)


def slower(recipe: Recipe, divide: float) -> Recipe:
    """The recipe for a network that has learnt already: all rates divided.

    Raises:
        ArgumentError: If its strategy fits the head at once, which begins from nothing.
    """
    name, _ = parse(recipe.strategy)
    strategy = find_strategy(recipe.strategy, weights="none")
    if isinstance(strategy, FittedHead):
        raise ArgumentError(
            f"a head that is fitted at once does not go on learning, got strategy"
            f" {recipe.strategy!r}. Train anew on all images, or choose head or full."
        )
    text = "full" if strategy.from_random else write(name, strategy.scaled(1 / divide))
    return recipe.model_copy(update={"rate": recipe.rate / divide, "strategy": text})


def check_choice(recipe: Recipe) -> None:
    """Refuse a recipe that goes on from one run and begins with the weights of another.

    Raises:
        ArgumentError: With both, or if it is to learn masks.
    """
    if recipe.continues is not None and recipe.task != "classification":
        raise ArgumentError(
            f"--continue goes on with labels, got task {recipe.task!r}. Leave --task out."
        )
    if recipe.continues is not None and recipe.weights != recipe.continues:
        raise ArgumentError(
            f"a run that goes on from '{recipe.continues}' must begin with its weights, got"
            f" --weights {recipe.weights!r}. Leave --weights out, or --continue."
        )


def check_same_answers(run: RunFolder, target: Target) -> None:
    """Refuse labels that the head of the run does not answer.

    Raises:
        TableError: With the classes of both.
    """
    record = read_answering(run)
    asked = (record["kind"], list(record["labels"]))
    if asked != (target.kind, list(target.names)):
        raise TableError(
            f"the index must have the classes of the run that is gone on with, {_said(*asked)},"
            f" got {_said(target.kind, list(target.names))}. Name them alike, or begin with its"
            f" weights and a new head: --weights {run.path} instead of --continue."
        )


def _said(kind: str, names: list[str]) -> str:
    return f"{' or '.join(names) if kind == 'exclusive' else ', '.join(names)} ({kind})"


def split_like(run: RunFolder, index: Index, *, test: float, val: float, seed: int) -> Index:
    """Split an index so that whoever the run knows stays in the part of the run.

    Units (see `medgraft.index.units`) with an image or a patient of the run go where it had
    them; the others are divided anew.

    Raises:
        LeakageError: If a unit joins patients whom the run had in two parts.
        TableError: If what is new cannot be divided.
    """
    theirs = Index.load(run.index).frame.filter(pl.col("split").is_not_null())
    unit = units(index.frame)
    before: dict[int, set[str]] = {}
    for column in SEEN:
        known = dict(theirs.select(column, "split").drop_nulls().iter_rows())
        for number, name in zip(unit, index.frame[column], strict=True):
            if name in known:
                before.setdefault(int(number), set()).add(known[name])
    torn = [number for number, parts in before.items() if len(parts) > 1]
    if torn:
        names = sorted(set(index.frame.filter(pl.Series(np.isin(unit, torn)))["path"]))
        raise LeakageError(
            f"patients and images must stay in the part in which '{run.path}' had them, but"
            f" {len(torn)} units join two of its parts, with {names[0]}. Split the index"
            " yourself with `medgraft split`.",
            names,
        )
    old = np.isin(unit, list(before))
    parts: list[Any] = [next(iter(before.get(int(number), {None}))) for number in unit]
    if not old.all():
        fresh = index.with_frame(index.frame.filter(pl.Series(~old)))
        divided = iter(split(fresh, test=test, val=val, seed=seed).frame["split"])
        parts = [part if known else next(divided) for part, known in zip(parts, old, strict=True)]
    return index.with_frame(index.frame.with_columns(pl.Series("split", parts, dtype=pl.String)))
