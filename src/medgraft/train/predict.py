"""Predictions for new files, prepared exactly as in training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from medgraft.errors import ReadError, ShapeError
from medgraft.files import read_json
from medgraft.nets import create
from medgraft.prepare import load, pipeline
from medgraft.progress import track
from medgraft.runs import RunFolder
from medgraft.train.batches import Placement
from medgraft.train.hardware import find_device
from medgraft.train.supervised import Normalisation, Predictor

BATCH = 64
SCALE = 255


@dataclass(frozen=True)
class Predicted:
    """What a run says about files.

    Attributes:
        table: One row per file that could be read: path, p_<name>..., predicted.
        rejects: The others: path, reason, remedy.
    """

    table: pl.DataFrame
    rejects: pl.DataFrame


@dataclass(frozen=True)
class Arrays:
    """Prepared images in memory, in the form in which the store keeps them."""

    array: np.ndarray
    scale: int

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Images at those rows."""
        return np.asarray(self.array[rows])


def load_predictor(run: RunFolder, device: str = "auto") -> tuple[Predictor, dict[str, Any]]:
    """The network of a finished run and what weights.json says of it.

    Raises:
        TableError: If the run is not finished.
        WeightsError: If its weights are damaged.
    """
    record = read_json(run.weights_record)
    place = find_device(device)
    made = create(
        record["backbone"],
        in_channels=record["channels"],
        classes=len(record["labels"]),
        weights=str(run.path),
        after=record["after"],
    )
    normalise = Normalisation(tuple(record["mean"]), tuple(record["std"]), record["statistics_of"])
    predictor = Predictor(
        made.network.to(place).eval(), record["kind"], normalise, Placement(place)
    )
    return predictor, record


def predict_files(run: RunFolder, files: list[Path], *, device: str = "auto") -> Predicted:
    """Read, prepare and predict files; what cannot be read is a reject, not an error.

    Computed in float32, so that a prediction does not depend on the machine's choice of precision.
    Values are rounded to the bits of the store, as they were for training.
    """
    predictor, record = load_predictor(run, device)
    steps = pipeline(record["steps"])
    shape = (record["channels"], *record["input_size"])
    scale = record["scale"]
    rows: list[dict[str, Any]] = []
    rejects: list[dict[str, str]] = []
    pending: list[tuple[Path, np.ndarray]] = []
    for file in track(files, what="predict"):
        try:
            image = load(file, steps)
            if image.shape != shape:
                raise ShapeError(f"prepared images must have shape {shape}, got {image.shape}")
        except ReadError as error:
            rejects.append({"path": str(file), "reason": error.reason, "remedy": error.remedy})
            continue
        except ShapeError as error:
            rejects.append({"path": str(file), "reason": str(error), "remedy": "Leave it out."})
            continue
        pending.append((file, image))
        if len(pending) == BATCH:
            rows += _predict(pending, predictor, record, scale)
            pending = []
    rows += _predict(pending, predictor, record, scale)
    schema = {"path": pl.String, **{f"p_{n}": pl.Float64 for n in record["labels"]}}
    return Predicted(
        pl.DataFrame(rows, schema={**schema, "predicted": pl.String}),
        pl.DataFrame(rejects, schema=dict.fromkeys(("path", "reason", "remedy"), pl.String)),
    )


def _predict(
    pending: list[tuple[Path, np.ndarray]],
    predictor: Predictor,
    record: dict[str, Any],
    scale: int,
) -> list[dict[str, Any]]:
    if not pending:
        return []
    kind = np.uint8 if scale == SCALE else np.uint16
    array = np.stack([(image * scale).round().astype(kind) for _, image in pending])
    logits = predictor.predict(Arrays(array, scale), np.arange(len(array)))
    probability = predictor.probabilities(logits)
    return [
        {
            "path": str(file),
            **{f"p_{name}": float(p) for name, p in zip(record["labels"], row, strict=True)},
            "predicted": said(row, record),
        }
        for (file, _), row in zip(pending, probability, strict=True)
    ]


def said(probability: np.ndarray, record: dict[str, Any]) -> str:
    """The class or labels that a row of probabilities amounts to, at the run's threshold."""
    names, threshold = record["labels"], record["threshold"]
    if record["kind"] == "exclusive":
        positive = record["positive"]
        if positive is None:
            return str(names[int(probability.argmax())])
        other = next(name for name in names if name != positive)
        return str(positive if probability[names.index(positive)] >= threshold else other)
    limits = threshold if isinstance(threshold, dict) else {names[0]: threshold}
    present = [n for n, p in zip(names, probability, strict=True) if p >= limits[n]]
    return ", ".join(present) or "none"
