"""Predictions for new files, prepared exactly as in training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from medgraft.errors import ArgumentError, TableError
from medgraft.files import read_json
from medgraft.nets import create
from medgraft.pool import Reply, spread
from medgraft.runs import RunFolder
from medgraft.train.batches import Placement
from medgraft.train.ensemble import Ensemble, open_members
from medgraft.train.hardware import find_device
from medgraft.train.slices import Slicing
from medgraft.train.supervised import Normalisation, Predictor
from medgraft.train.tta import find_views

BATCH = 64
MASKS = "segmentation"  # what weights.json calls a run that learnt masks
FEW = 16  # files for which starting other processes does not pay


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

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one of them, (C, *S)."""
        return self.array.shape[1:]

    def image(self, row: int) -> np.ndarray:
        """One of them, not copied."""
        return np.asarray(self.array[row])

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Images at those rows."""
        return np.asarray(self.array[rows])


def read_answering(run: RunFolder) -> dict[str, Any]:
    """What weights.json of a finished run says, of one that answers: with labels or with masks.

    Raises:
        TableError: If the run is not finished, or is a pretraining.
    """
    if not run.weights_record.is_file():
        raise TableError(
            f"'{run.path}' must be a finished run, and is not."
            f" Finish it with `medgraft train INDEX --out {run.path} --resume`."
        )
    record: dict[str, Any] = read_json(run.weights_record)
    if record.get("kind") == "generator":
        raise TableError(
            f"'{run.path}' must be a run that learnt labels, and is a generative model, which answers"
            f" nothing. Draw samples of it: `medgraft generate sample {run.path} --out SAMPLES`."
        )
    if "labels" not in record:
        raise TableError(
            f"'{run.path}' must be a run that learnt labels, and is a pretraining, which answers"
            f" nothing. Begin with it: `medgraft train INDEX --weights {run.path} --out RUN`."
        )
    return record


def check_whole(run: RunFolder, record: dict[str, Any], *, what: str) -> None:
    """Refuse a run that looks at volumes in slices, where its network is asked about whole images.

    Raises:
        ArgumentError: With what answers instead.
    """
    if Slicing.of_record(record) is not None:
        raise ArgumentError(
            f"{what} needs a run that looks at whole images, and '{run.path}' looks at volumes in"
            " slices. Take another run; its own answers come from `medgraft predict`."
        )


def load_predictor(run: RunFolder, device: str = "auto") -> tuple[Predictor, dict[str, Any]]:
    """The network of a finished run (of an ensemble the best) and what weights.json says of it.

    Raises:
        TableError: If the run is not finished.
        WeightsError: If its weights are damaged.
    """
    record = read_answering(run)
    if record["kind"] == MASKS:
        raise ArgumentError(
            f"labels can be asked of a run that learnt labels, and '{run.path}' learnt masks of"
            f" {', '.join(record['labels'][1:])}. Take another run, or `medgraft predict`."
        )
    place = find_device(device)
    made = create(
        record["backbone"],
        in_channels=record["channels"],
        classes=len(record["labels"]),
        weights=str(run.path),
        after=record["after"],
        head=record.get("head", "linear"),
    )
    normalise = Normalisation(tuple(record["mean"]), tuple(record["std"]), record["statistics_of"])
    predictor = Predictor(
        made.network.to(place).eval(), record["kind"], normalise, Placement(place)
    )
    return predictor, record


def load_ensemble(
    run: RunFolder, device: str = "auto", *, tta: str | None = None
) -> tuple[Ensemble, dict[str, Any]]:
    """All that answers in a finished run, and what weights.json says of it.

    Args:
        run: A finished run.
        device: Where to compute.
        tta: Views to answer over, "none" for the image as it is; None takes those of the run.

    Raises:
        TableError: If the run is not finished.
        WeightsError: If its weights are damaged.
        UnknownNameError, ArgumentError: If the views are wrong, or the images are volumes.
    """
    best, record = load_predictor(run, device)
    views = find_views(tta or record.get("tta"), dims=best.network.backbone.dims)
    slicing = Slicing.of_record(record)
    return Ensemble((best, *open_members(run, record, best)), views, slicing), record


def predict_files(
    run: RunFolder, files: list[Path], *, device: str = "auto", tta: str | None = None
) -> Predicted:
    """Read, prepare and predict files; what cannot be read is a reject, not an error.

    Computed in float32, so that a prediction does not depend on the machine's choice of precision.
    Values are rounded to the bits of the store, as they were for training.

    Args:
        run: A finished run.
        files: Images; a folder stands for a DICOM series.
        device: Where to compute.
        tta: As for `load_ensemble`.

    Raises:
        TableError, WeightsError, UnknownNameError, ArgumentError: As `load_ensemble`.
    """
    ensemble, record = load_ensemble(run, device, tta=tta)
    paths = [str(file) for file in files]
    answers: dict[int, dict[str, Any]] = {}
    rejects: dict[int, tuple[str, str]] = {}
    pending: list[Reply] = []
    with prepared(paths, record) as replies:
        for reply, why in replies:
            if why is not None:
                rejects[reply.place] = why
                continue
            pending.append(reply)
            if len(pending) == BATCH:
                answers |= _predict(pending, ensemble, record)
                pending = []
    answers |= _predict(pending, ensemble, record)
    schema = {"path": pl.String, **{f"p_{n}": pl.Float64 for n in record["labels"]}}
    return Predicted(
        pl.DataFrame(
            [{"path": paths[place], **answers[place]} for place in sorted(answers)],
            schema={**schema, "predicted": pl.String},
        ),
        pl.DataFrame(
            [(paths[place], *rejects[place]) for place in sorted(rejects)],
            schema=dict.fromkeys(("path", "reason", "remedy"), pl.String),
            orient="row",
        ),
    )


@contextmanager
def prepared(
    paths: list[str], record: dict[str, Any], *, what: str = "predict"
) -> Iterator[Iterator[tuple[Reply, tuple[str, str] | None]]]:
    """Files prepared as a run prepared its own, in any order.

    Each comes with None, and its array in the form in which the store keeps it, or with the
    reason and the remedy why the run cannot take it.

    Args:
        paths: What to read.
        record: What weights.json of the run says.
        what: Shown beside the progress.
    """
    with spread(
        "medgraft.prepare.answers:preparing",
        paths,
        what=what,
        settings={"specs": record["steps"], "bits": int(record["scale"]).bit_length()},
        workers=None if len(paths) > FEW else 0,
    ) as replies:
        yield ((reply, _reject(reply, stored_shape(record))) for reply in replies)


def stored_shape(record: dict[str, Any]) -> tuple[int, ...]:
    """Shape of a prepared image of a run, (C, *S): of a volume also where it looks at slices."""
    slices = record.get("slices")
    if slices is not None:
        return tuple(slices["volume"])
    return (record["channels"], *record["input_size"])


def _reject(reply: Reply, shape: tuple[int, ...]) -> tuple[str, str] | None:
    """Reason and remedy for a file that cannot be predicted; None if it can."""
    if reply.failure is not None:
        return reply.failure
    if reply.array is None:
        return reply.said["reason"], reply.said["remedy"]
    if reply.array.shape == shape:
        return None
    found, wanted = (" x ".join(map(str, s)) for s in (reply.array.shape, shape))
    return (
        f"prepared, it is {found} (channels first), but the run was trained on {wanted}",
        "Leave it out, or use a run that was trained on such images.",
    )


def _predict(
    pending: list[Reply], ensemble: Ensemble, record: dict[str, Any]
) -> dict[int, dict[str, Any]]:
    if not pending:
        return {}
    images = Arrays(
        np.stack([one.array for one in pending if one.array is not None]), record["scale"]
    )
    probability = ensemble.probabilities(images, np.arange(len(pending)))
    return {
        one.place: {
            **{f"p_{name}": float(p) for name, p in zip(record["labels"], row, strict=True)},
            "predicted": said(row, record),
        }
        for one, row in zip(pending, probability, strict=True)
    }


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
