"""The training of a round: where its network starts from, and what it learns."""

from __future__ import annotations

import shutil

import numpy as np
import polars as pl

from medgraft.active.campaign.labelled import why_not
from medgraft.active.campaign.looking import said_by
from medgraft.active.campaign.settings import Open
from medgraft.active.candidates import Candidates
from medgraft.active.continual import Continual, read_continual
from medgraft.active.folder import RoundFolder
from medgraft.files import read_json
from medgraft.index import Index
from medgraft.index.target import Target
from medgraft.runs import RunFolder
from medgraft.seeds import generator
from medgraft.train.continuing import slower
from medgraft.train.forgetting import all_right
from medgraft.train.predict import read_answering
from medgraft.train.recipe import Recipe
from medgraft.train.record import FINISHED
from medgraft.train.train import train


def trained(campaign: Open, place: RoundFolder, command: list[str], notes: list[str]) -> RunFolder:
    """The finished training of a round; one that was interrupted goes on, one that ended stays.

    Args:
        campaign: Says how to train.
        place: Of the round, whose labels are written.
        command: How this was called, for the record.
        notes: What the user must know is added.

    Raises:
        TrainingError: If training cannot go on.
    """
    run = place.run
    if run.record.is_file() and read_json(run.record)["status"] == FINISHED:
        return run
    before = _before(campaign, place, notes)
    if not place.learnt.is_file():
        _learnt(campaign, place, before, notes).save(place.learnt)
    resume = run.recipe.is_file()
    if not resume:
        shutil.rmtree(run.path, ignore_errors=True)  # stopped before it had begun
    recipe = _recipe(campaign.settings.recipe, _continual(campaign), before)
    train(place.learnt, run.path, recipe, command=command, resume=resume)
    return run


def _continual(campaign: Open) -> Continual:
    return read_continual(campaign.settings.continual)


def _before(campaign: Open, place: RoundFolder, notes: list[str]) -> RoundFolder | None:
    """The last round with a model, if this one goes on from it."""
    if _continual(campaign).start == "first":
        return None
    earlier = [one for one in campaign.folder.rounds() if one.number < place.number]
    finished = [one for one in earlier if one.run.weights_record.is_file()]
    if not finished:
        return None
    names = list(Target.of(Index.load(place.labelled)).names)
    if list(read_answering(finished[-1].run)["labels"]) != names:
        notes.append("There are new classes, so the network was trained from the start.")
        return None
    return finished[-1]


def _recipe(recipe: Recipe, continual: Continual, before: RoundFolder | None) -> Recipe:
    """The recipe of the campaign, or one that goes on from the round before."""
    if before is None:
        return recipe
    own = {"weights": str(before.run.path), "continues": str(before.run.path)}
    return slower(recipe, continual.divide).model_copy(update=own)


def _learnt(
    campaign: Open, place: RoundFolder, before: RoundFolder | None, notes: list[str]
) -> Index:
    """The labelled images that the strategy trains on, and all of the val and test parts."""
    known = Index.load(place.labelled)
    if before is None:
        return known
    seen = set(Index.load(before.labelled).frame["image_id"])
    frame, column = known.frame, campaign.settings.candidate
    training = frame["split"] == "train"
    was = frame["image_id"].is_in(seen)
    old = Candidates.of(frame, (training & was).arg_true().to_numpy().astype(np.int64), column)
    chosen = _continual(campaign).training_set(
        np.arange(len(old)),
        np.zeros(0, np.int64),
        old.any_of(_wrong(before.run, frame[old.images], known)),
        generator(campaign.settings.recipe.seed, "rehearse", place.number),
    )
    keep = np.array(~training | ~was)  # all that was just bought, and the other parts
    keep[old.of_these(chosen)] = True
    found = known.with_frame(frame.filter(pl.Series(keep)))
    if (reason := why_not(found)) is not None:
        notes.append(f"All labels were trained on: without the earlier ones, {reason}.")
        return known
    return found


def _wrong(run: RunFolder, old: pl.DataFrame, known: Index) -> np.ndarray:
    """Which of the old images a run gets wrong, shape (L,); one that it cannot read counts so.

    It is asked about all of them: a strategy that leaves some out trains it on a part only, and
    what was left out may be forgotten.
    """
    said = said_by(run, known, old["image_id"].unique(maintain_order=True).to_list())
    rows = old.select("image_id").join(said, on="image_id", how="left", maintain_order="left")
    target = Target.of(known)
    told = rows.select(f"p_{name}" for name in target.names).cast(pl.Float64).to_numpy()
    unread = np.isnan(told).any(axis=1)
    right = all_right(target.matrix(old), np.nan_to_num(told), target.kind)
    return np.asarray(unread | ~right)
