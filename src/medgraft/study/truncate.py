"""A run made smaller: cut after a stage, trained on the same rows, weighed and looked at."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from medgraft.errors import ArgumentError, TableError
from medgraft.evaluate.table import read_frame
from medgraft.explain import explain_answers
from medgraft.explain.losses import top_losses
from medgraft.files import check_free, read_json, write_json
from medgraft.index import Index
from medgraft.runs import RunFolder
from medgraft.train.predict import load_predictor
from medgraft.train.recipe import Recipe
from medgraft.train.train import train
from medgraft.train.truncation import shorter, weigh


def truncate(
    run_folder: Path,
    out: Path,
    recipe: Recipe,
    *,
    command: list[str],
    resume: bool = False,
    most: int = 8,
) -> RunFolder | None:
    """Cut the network of a run after a stage, train what is left, and lay both side by side.

    The smaller network keeps the weights of the stages that are left; its head (global average
    pooling and one linear layer, unless the strategy has another) is new. It has the rows, the
    split and the preparation of the run. Beside the run folder, `truncation` in it holds
    truncation.json (see `medgraft.train.truncation.weigh`) and the heat maps of both networks
    for the same images, each from its own last stage with enough cells.

    Args:
        run_folder: A finished run, whose images must still lie where they were.
        out: A new or empty folder; with `resume`, that of the run to go on with.
        recipe: How to train; `after` is the last stage to keep.
        command: How this was called, for the record.
        resume: Go on from the last checkpoint.
        most: Images to draw: half of them the costliest for the whole network, half the surest.

    Returns:
        The smaller run; None in every process but the first.

    Raises:
        TableError: If the run is not finished, or its images cannot be read.
        UnknownNameError, ArgumentError: If it cannot be cut there, or a setting is wrong.
        OutputError: If `out` is in use, or there is nothing to resume.
    """
    if most < 2:
        raise ArgumentError(f"--most must be at least 2, got {most}.")
    run = RunFolder.existing(run_folder)
    load_predictor(run, "cpu")  # refuses a run that is not finished, or damaged
    settings = shorter(run, recipe)
    asked = _to_look_at(run, most)
    if not resume:
        check_free(out)
    smaller = train(run.index, out, settings, command=command, resume=resume)
    if smaller is None:
        return None
    found = weigh(run, smaller, device=settings.device)
    drawn = {
        name: explain_answers(one, asked, smaller.truncation / name, device=settings.device)
        for name, one in (("whole", run), ("smaller", smaller))
    }
    for name, told in drawn.items():
        found[name] |= {"heat_stage": told.stage, "cells": list(told.cells)}
    write_json(smaller.truncation / "truncation.json", found)
    return smaller


def _to_look_at(run: RunFolder, most: int) -> list[tuple[str, str]]:
    """Test images and what to explain of each: the costliest answers, then the surest.

    Where one class is positive they are images of it: there is something to be found on them.
    """
    record = read_json(run.weights_record)
    names = record["labels"]
    table = read_frame(run.predictions).filter(pl.col("split") == "test")
    label = record["positive"] if record["kind"] == "exclusive" else None
    answers = top_losses(
        table, names, kind=record["kind"], most=len(table) * len(names), label=label
    )
    present = [answer for answer in answers if answer.present] or answers
    half = min(most // 2, len(present))
    chosen = present[:half] + present[half:][-(most - half) :]
    index = Index.load(run.index)
    gone = [path for one in chosen if not Path(path := index.file(table["path"][one.row])).exists()]
    if gone:
        raise TableError(
            f"the images of '{run.path}' must lie where they were, but '{gone[0]}' is gone"
            f" ({len(gone)} of {len(chosen)} to draw). Put them back, or train both networks anew."
        )
    return [(table["image_id"][one.row], names[one.label]) for one in chosen]
