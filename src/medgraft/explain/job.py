"""Heat maps of a run's costliest answers, or of new files, as pictures in a folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from medgraft.errors import ArgumentError, TableError
from medgraft.evaluate.table import read_frame
from medgraft.explain.explainers import explainers
from medgraft.explain.losses import Answer, top_losses
from medgraft.explain.pictures import pair
from medgraft.explain.stages import choose_stage
from medgraft.files import replacing, write_json
from medgraft.index import Index
from medgraft.pool import Reply
from medgraft.registry import unknown_name
from medgraft.runs import RunFolder
from medgraft.train.ensemble import Ensemble
from medgraft.train.predict import Arrays, load_ensemble, prepared, said
from medgraft.train.slices import Slices

BATCH = 8  # images whose gradients are held at a time
METHOD = "grad_cam"
PICTURE = re.compile(r"\d{3,}(-heat)?\.png")


@dataclass(frozen=True)
class Explained:
    """What was drawn.

    Attributes:
        folder: Where the pictures and explain.json lie.
        stage: Whose maps were weighted.
        cells: Spatial shape of those maps; empty if no image could be read.
        items: One per picture, as explain.json holds them.
        rejects: What could not be read: path, reason, remedy.
        networks: How many answered; the heat is that of the best of them.
    """

    folder: Path
    stage: str
    cells: tuple[int, ...]
    items: list[dict[str, Any]]
    rejects: list[dict[str, str]]
    networks: int = 1


@dataclass(frozen=True)
class _Question:
    """An image, the label to explain (None for the one predicted), and what is known of it."""

    path: str
    label: int | None
    facts: dict[str, Any]


def explain_losses(
    run: RunFolder,
    folder: Path,
    *,
    split: str = "test",
    most: int = 24,
    stage: str | None = None,
    label: str | None = None,
    device: str = "auto",
) -> Explained:
    """Draw the images whose answers cost most, with what spoke for the truth.

    Of exclusive classes the heat is that of the actual class; of independent labels that of the
    label, whether or not the image has it.

    Args:
        run: A finished run, whose images must still lie where they were.
        folder: Where to; earlier pictures of this function there are replaced.
        split: Part of the split.
        most: How many answers.
        stage: Whose maps to weight; None for the last with at least 16 cells.
        label: Only answers about this label, or images of this class.
        device: Where to compute.

    Raises:
        TableError: If the run is not finished, or nothing is known of these images.
        ArgumentError: If `most` is below 1 or the maps of `stage` are too coarse.
        UnknownNameError: If there is no such stage or label.
    """
    if most < 1:
        raise ArgumentError(f"--most must be at least 1, got {most}.")
    ensemble, record = load_ensemble(run, device)
    _check_label(label, record)
    table = read_frame(run.predictions).filter(pl.col("split") == split)
    names = record["labels"]
    answers = top_losses(table, names, kind=record["kind"], most=most, label=label)
    questions = _questions(Index.load(run.index), table, answers, record)
    return _draw(ensemble, record, questions, folder, stage, {"split": split})


def explain_answers(
    run: RunFolder,
    asked: Sequence[tuple[str, str]],
    folder: Path,
    *,
    split: str = "test",
    stage: str | None = None,
    device: str = "auto",
) -> Explained:
    """Draw certain images of a run, each with what spoke for a certain label.

    So that several runs can be looked at side by side.

    Args:
        run: A finished run, whose images must still lie where they were.
        asked: Image and label (of exclusive classes the actual one), in the order to draw.
        folder: Where to; earlier pictures of this module there are replaced.
        split: Part of the split that they are in.
        stage: Whose maps to weight; None for the last with at least 16 cells.
        device: Where to compute.

    Raises:
        TableError: If the run is not finished, or does not know an image, or its label.
        ArgumentError: If the maps of `stage` are too coarse.
        UnknownNameError: If there is no such stage or label.
    """
    ensemble, record = load_ensemble(run, device)
    table = read_frame(run.predictions).filter(pl.col("split") == split)
    index = Index.load(run.index)
    questions = []
    for image_id, label in asked:
        _check_label(label, record)
        rows = table.filter(pl.col("image_id") == image_id)
        answers = top_losses(rows, record["labels"], kind=record["kind"], most=1, label=label)
        questions += _questions(index, rows, answers, record)
    return _draw(ensemble, record, questions, folder, stage, {"split": split})


def _questions(
    index: Index, table: pl.DataFrame, answers: Sequence[Answer], record: dict[str, Any]
) -> list[_Question]:
    rows = (table.row(answer.row, named=True) for answer in answers)
    return [
        _Question(index.file(row["path"]), answer.label, _facts(answer, row, record))
        for answer, row in zip(answers, rows, strict=True)
    ]


def explain_files(
    run: RunFolder,
    files: Sequence[Path],
    folder: Path,
    *,
    stage: str | None = None,
    label: str | None = None,
    device: str = "auto",
) -> Explained:
    """Draw new files, prepared as in training, with what spoke for a class.

    Args:
        run: A finished run.
        files: Images; a folder stands for a DICOM series.
        folder: Where to.
        stage: Whose maps to weight; None for the last with at least 16 cells.
        label: The class to explain; None for the one predicted, or the likeliest of
            independent labels.
        device: Where to compute.

    Raises:
        TableError: If the run is not finished.
        ArgumentError: If the maps of `stage` are too coarse.
        UnknownNameError: If there is no such stage or label.
    """
    ensemble, record = load_ensemble(run, device)
    _check_label(label, record)
    asked = None if label is None else record["labels"].index(label)
    questions = [_Question(str(file), asked, {"path": str(file)}) for file in files]
    return _draw(ensemble, record, questions, folder, stage, {"split": None})


def _check_label(label: str | None, record: dict[str, Any]) -> None:
    if label is not None and label not in record["labels"]:
        raise unknown_name("label", label, record["labels"])


def _facts(answer: Answer, row: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    """What explain.json says of an answer of the table."""
    names = record["labels"]
    name = names[answer.label]
    probability = np.array([row[f"p_{n}"] for n in names])
    if record["kind"] == "exclusive":
        predicted = said(probability, record)
    else:
        threshold = record["threshold"]
        limit = threshold[name] if isinstance(threshold, dict) else threshold
        predicted = _words(name, present=probability[answer.label] >= limit)
    return {
        **{key: row[key] for key in ("image_id", "path", "patient_id")},
        "actual": _words(name, present=answer.present),
        "predicted": predicted,
        "loss": round(answer.loss, 4),
        "probability": round(answer.probability, 4),
    }


def _words(name: str, *, present: bool) -> str:
    return name if present else f"no {name}"


def _draw(
    ensemble: Ensemble,
    record: dict[str, Any],
    questions: list[_Question],
    folder: Path,
    stage: str | None,
    about: dict[str, Any],
) -> Explained:
    if stage is not None:
        ensemble.best.network.backbone.position(stage)  # a name is checked before files are read
    items: dict[int, dict[str, Any]] = {}
    rejects: dict[int, dict[str, str]] = {}
    drawer = _Drawer(ensemble, record, questions, folder, stage)
    pending: list[Reply] = []
    with prepared([one.path for one in questions], record, what="explain") as replies:
        for reply, why in replies:
            if why is not None:
                path = questions[reply.place].path
                rejects[reply.place] = {"path": path, "reason": why[0], "remedy": why[1]}
                continue
            pending.append(reply)
            if len(pending) == BATCH:
                items |= drawer.draw(pending)
                pending = []
    if pending:
        items |= drawer.draw(pending)
    if not items:
        first = rejects[min(rejects)]
        raise TableError(
            f"at least one image must be readable, and none was: '{first['path']}':"
            f" {first['reason']}. {first['remedy']}"
        )
    shown = [items[place] for place in sorted(items)]
    missing = [rejects[place] for place in sorted(rejects)]
    networks = len(ensemble.predictors)
    about |= {"method": METHOD, "stage": drawer.stage, "cells": drawer.cells, "networks": networks}
    write_json(folder / "explain.json", {**about, "items": shown, "rejects": missing})
    _forget(folder, {item[key] for item in shown for key in ("file", "heat")})
    return Explained(folder, str(drawer.stage), drawer.cells, shown, missing, networks)


def _forget(folder: Path, kept: set[str]) -> None:
    """Remove pictures of an earlier, longer gallery."""
    for path in folder.glob("*.png"):
        if PICTURE.fullmatch(path.name) and path.name not in kept:
            path.unlink()


@dataclass
class _Drawer:
    """Draws images a batch at a time; the stage is chosen when the first have come."""

    ensemble: Ensemble
    record: dict[str, Any]
    questions: list[_Question]
    folder: Path
    stage: str | None
    cells: tuple[int, ...] = ()

    def draw(self, replies: list[Reply]) -> dict[int, dict[str, Any]]:
        """Write the pictures of prepared images; what explain.json says of each, by place."""
        arrays = np.stack([one.array for one in replies if one.array is not None])
        scale = self.record["scale"]
        stored = Arrays(arrays, scale)
        probability = self.ensemble.probabilities(stored, np.arange(len(arrays)))
        labels = [self._label(one, row) for one, row in zip(replies, probability, strict=True)]
        found = {}
        for one, (image, heated), row, label in zip(
            replies, self._seen(arrays, labels), probability, labels, strict=True
        ):
            pictures = pair(image, scale, heated)
            name = f"{one.place:03d}"
            with replacing(self.folder / f"{name}.png") as temporary:
                pictures.plain.save(temporary, format="PNG")
            with replacing(self.folder / f"{name}-heat.png") as temporary:
                pictures.heated.save(temporary, format="PNG")
            facts = self.questions[one.place].facts
            answer = {
                "predicted": said(row, self.record),
                "probability": round(float(row[label]), 4),
            }
            found[one.place] = {
                "file": f"{name}.png",
                "heat": f"{name}-heat.png",
                "explained": self.record["labels"][label],
                "peak": float(heated.max()),
                "plane": pictures.plane,
                **answer,
                **facts,  # of a known image the truth, and what the run itself had answered
            }
        return found

    def _label(self, reply: Reply, probability: np.ndarray) -> int:
        asked = self.questions[reply.place].label
        if asked is not None:
            return asked
        if self.record["kind"] == "exclusive":
            return int(self.record["labels"].index(said(probability, self.record)))
        return int(probability.argmax())

    def _seen(
        self, arrays: np.ndarray, labels: list[int]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Each image and its heat; of a volume that is looked at in slices, slices first."""
        slicing = self.ensemble.slicing
        if slicing is None:
            yield from zip(arrays, self._heat(arrays, labels), strict=True)
            return
        for volume, label in zip(arrays, labels, strict=True):
            pictures = Slices(Arrays(volume[None], self.record["scale"]), slicing)
            heat = [
                self._heat(pictures.gather(places), [label] * len(places))
                for places in np.split(np.arange(pictures.each), range(BATCH, pictures.each, BATCH))
            ]
            yield slicing.stack(volume).swapaxes(0, 1), np.concatenate(heat)

    def _heat(self, arrays: np.ndarray, labels: list[int]) -> np.ndarray:
        best = self.ensemble.best
        images = best.normalise(best.placement.images(arrays, self.record["scale"]))
        network = best.network
        if not self.cells:
            self.stage = choose_stage(network, images, self.stage)
        classes = torch.tensor(labels, device=images.device)
        heat = explainers.get(METHOD).explain(network, images, classes, str(self.stage))
        self.cells = tuple(heat.shape[1:])
        return np.asarray(heat.cpu().numpy())
