"""Train the advice and its rival briefly, without the test part, and see which is better."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from medgraft.advise.job import Advice
from medgraft.advise.probe import Question
from medgraft.errors import TrainingError
from medgraft.files import read_json
from medgraft.index import Index
from medgraft.index.split import split
from medgraft.index.target import Target
from medgraft.runs import RunFolder
from medgraft.train.donor import check_donor
from medgraft.train.recipe import Recipe
from medgraft.train.train import train

SHARE = 0.25  # of the training patients, kept to judge on where there is no validation part


def verify(advice: Advice, index_path: Path, folder: Path, *, command: list[str]) -> dict[str, Any]:
    """Train both, compare them on the same images, and say whether the advice held.

    They are judged on the validation part; where that lacks a class, on a quarter of the training
    part, by patient. The test part of the index is in neither: what is tried here has chosen
    nothing on it. No weights are chosen on the images that they are judged on either.

    Args:
        advice: What to try.
        index_path: The index that it was made of.
        folder: New folder for both runs and their index.
        command: How this was called, for their records.

    Returns:
        What stands under ``verified`` in advice.json.

    Raises:
        OutputError: If `folder` is in use.
        TrainingError: If training cannot go on.
    """
    judged_on, index = judged_index(advice, index_path)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "index.parquet"
    index.save(path)
    trained = {
        key: _train(path, folder / key, recipe, command)
        for key, recipe in (("advised", advice.recipe), ("otherwise", advice.other))
    }
    tables = {key: _judged(run) for key, run in trained.items()}
    question = _question(advice, tables["advised"])
    scores = {key: _scores(table, question.names) for key, table in tables.items()}
    gap = question.difference(scores["otherwise"], scores["advised"])
    found: dict[str, Any] = {
        key: {
            "auroc": question.auroc(scores[key]),
            "seconds": read_json(run.record)["seconds"]["train"],
        }
        for key, run in trained.items()
    }
    held, verdict = _verdict(gap)
    about = {"judged_on": judged_on, "images": tables["advised"].height}
    return {**found, **about, "difference": gap, "held": held, "verdict": verdict}


def check_verifiable(index_path: Path, weights: str) -> None:
    """Refuse at once, not after the advice, weights that have seen what would be judged on.

    Raises:
        LeakageError: If they are of a run on images that are not of the test part.
    """
    index = Index.load(index_path)
    seen = pl.col("split").is_null() | (pl.col("split") != "test")
    rows = index.frame.filter(seen).with_columns(split=pl.lit("test"))
    check_donor(RunFolder(Path(weights)), index.with_frame(rows))


def judged_index(advice: Advice, index_path: Path) -> tuple[str, Index]:
    """The training images, and as test part images that may be looked at; what those are."""
    training = advice.data.index
    whole = Index.load(index_path)
    if whole.frame["split"].is_null().all():  # as the advice did
        recipe = advice.recipe
        whole = split(whole, test=recipe.test, val=recipe.val, seed=recipe.seed)
    held_out = whole.part("val").frame
    if _has_classes(advice.data.target, held_out):
        moved = held_out.with_columns(split=pl.lit("test"))
        frame = pl.concat([training.frame, moved], how="vertical_relaxed")
        return "the validation part", training.with_frame(frame)
    return (
        "a quarter of the training patients, which were left out of training",
        split(training, test=SHARE, val=0.0, seed=advice.recipe.seed),
    )


def _has_classes(target: Target, frame: pl.DataFrame) -> bool:
    """Whether some label or class is both present and absent."""
    columns = target.matrix(frame).T
    return any((column == 1).any() and (column == 0).any() for column in columns)


def _train(index: Path, out: Path, recipe: Recipe, command: list[str]) -> RunFolder:
    plain = recipe.model_copy(update={"labels_per_class": None})  # they were drawn before
    run = train(index, out, plain, command=command)
    if run is None:
        raise TrainingError("advice must be verified in one process. Leave torchrun out.")
    return run


def _judged(run: RunFolder) -> pl.DataFrame:
    return pl.read_parquet(run.predictions).filter(pl.col("split") == "test")


def _question(advice: Advice, table: pl.DataFrame) -> Question:
    names = advice.data.target.names
    truth = table.select(pl.col(f"y_{name}").cast(pl.Float64) for name in names)
    targets = truth.fill_null(float("nan")).to_numpy()
    known = advice.data.index.patients_known
    return Question(
        np.where(targets < 0, np.nan, targets),
        table["patient_id"].fill_null(table["image_id"]).to_numpy() if known else None,
        names,
        advice.data.target.kind,
        advice.recipe.replicates,
        advice.recipe.seed,
    )


def _scores(table: pl.DataFrame, names: tuple[str, ...]) -> np.ndarray:
    return table.select(f"p_{name}" for name in names).to_numpy()


def _verdict(gap: dict[str, Any] | None) -> tuple[bool | None, str]:
    if gap is None or gap["low"] is None:
        return None, "The images to judge on do not tell whether the advice held."
    if gap["low"] > 0:
        return True, "The advice held: it is better, beyond chance."
    if gap["high"] < 0:
        return False, "The advice did not hold: the other training is better, beyond chance."
    return None, "Undecided: the difference is no more than chance on these images."
