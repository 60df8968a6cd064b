"""Whether another batch still pays, by the rules of the campaign."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from medgraft.active.campaign.settings import Open
from medgraft.active.folder import RoundFolder
from medgraft.active.stopping import Standing, kappa, stopping
from medgraft.active.stopping.budget import Budget
from medgraft.files import read_json
from medgraft.spec import build
from medgraft.train.predict import read_answering
from medgraft.train.scores import macro_auroc


def reasons_to_stop(campaign: Open) -> list[dict[str, str]]:
    """What the rules say that would stop now: rule and why. None of them reads the test part."""
    history = _history(campaign)
    found = []
    for text in campaign.settings.stop:
        why = build(stopping, text)(history)
        if why is not None:
            found.append({"rule": text, "why": why})
    return found


def budget(stop: Sequence[str]) -> int | None:
    """How many labels can be paid, as the rule `budget` says; None if it is not among them.

    Examples:
        >>> budget(["plateau", "budget:labels=400"]), budget(["plateau"])
        (400, None)
    """
    rules = [build(stopping, text) for text in stop]
    return next((one.labels for one in rules if isinstance(one, Budget)), None)


def _history(campaign: Open) -> list[Standing]:
    rounds = [one for one in campaign.folder.rounds() if one.answers.is_file()]
    return [
        Standing(
            labels=read_json(one.proposal)["labels"],
            score=_score(one),
            agreement=_agreement(rounds[place - 1], one) if place else None,
        )
        for place, one in enumerate(rounds)
        if one.proposal.is_file()
    ]


def _score(place: RoundFolder) -> float | None:
    """AUROC on the validation images; None if they do not define it."""
    names: Sequence[str] = read_answering(place.run)["labels"]
    said = pl.read_parquet(place.run.predictions).filter(pl.col("split") == "val")
    truth = said.select(f"y_{name}" for name in names).cast(pl.Float64).to_numpy()
    told = said.select(f"p_{name}" for name in names).to_numpy()
    return macro_auroc(np.where(truth < 0, np.nan, truth), told)


def _agreement(before: RoundFolder, now: RoundFolder) -> float | None:
    """Kappa of two models on the images that both could have chosen."""
    first, second = (pl.read_parquet(one.answers) for one in (before, now))
    both = first.select("image_id").join(second.select("image_id"), on="image_id")
    if both.is_empty():
        return None
    exclusive = read_answering(now.run)["kind"] == "exclusive"
    return kappa(
        *(_said(both.join(one, on="image_id"), exclusive=exclusive) for one in (first, second))
    )


def _said(answers: pl.DataFrame, *, exclusive: bool) -> np.ndarray:
    """The answer for each image, as text."""
    columns = [name for name in answers.columns if name != "image_id"]
    told = answers.select(columns).to_numpy()
    if exclusive:
        return np.asarray(told.argmax(axis=1))
    return np.array([";".join(np.array(columns)[row > 0.5]) for row in told])
