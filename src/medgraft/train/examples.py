"""Small pictures of right and wrong predictions, for the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from medgraft.files import replacing, write_json
from medgraft.index.target import Target
from medgraft.train.slices import Slicing, Volumes

SIDE = 128  # pixels of the longer side of a picture, and of a slice
MOST = {2: 12, 3: 4}  # of each kind; a volume is many pictures
SLICES = 24  # of a volume; more of them are thinned out


def write_examples(
    folder: Path,
    predictions: pl.DataFrame,
    stored: np.ndarray,
    store: Volumes,
    target: Target,
    thresholds: dict[str, float],
    *,
    looking: Slicing,
    most: int | None = None,
) -> None:
    """Write the surest wrong and the surest right predictions as PNG, and examples.json.

    A picture of a volume is a strip: its slices under one another.

    Args:
        folder: Where to.
        predictions: One row per image, with y_ and p_ columns.
        stored: Row of the store of each of them, shape (N,).
        store: Where the images lie.
        target: What was predicted.
        thresholds: Of the labels that are decided by one.
        looking: Which slices of a volume are shown.
        most: Pictures of each kind; None for twelve, of volumes four.
    """
    most = most or MOST[len(store.shape) - 1]
    judged = _judge(predictions, target, thresholds)
    chosen = []
    for correct in (False, True):
        places = np.flatnonzero(judged["correct"] == correct)
        chosen += _surest(places, judged, most)
    folder.mkdir(parents=True, exist_ok=True)
    listed = []
    for number, place in enumerate(chosen):
        name = f"{number:03d}.png"
        image = store.image(int(stored[place]))
        shown = _shown(image, looking)
        slices = looking.stack(image)[shown] if shown else image[None]
        _write_strip(folder / name, slices, store.scale)
        row = predictions.row(int(place), named=True)
        kept = {key: row[key] for key in ("image_id", "path", "patient_id", "split")}
        told = {key: values[place] for key, values in judged.items()}
        strip = {"slices": shown, "of": looking.each(image.shape)} if shown else {}
        listed.append({"file": name, **kept, **told, **strip})
    write_json(folder / "examples.json", listed)


def _judge(
    predictions: pl.DataFrame, target: Target, thresholds: dict[str, float]
) -> dict[str, np.ndarray]:
    truth = predictions.select(f"y_{n}" for n in target.names).fill_null(np.nan).to_numpy()
    score = predictions.select(f"p_{n}" for n in target.names).to_numpy()
    names = np.array(target.names, dtype=object)
    if target.kind == "exclusive":
        said = score.argmax(axis=1)
        if target.positive is not None:
            place = target.names.index(target.positive)
            positive = score[:, place] >= thresholds[target.positive]
            said = np.where(positive, place, 1 - place)
        actual = truth.argmax(axis=1)
        rows = np.arange(len(score))
        return {
            "actual": names[actual],
            "predicted": names[said],
            "probability": score[rows, said].round(4),
            "correct": np.where(np.isnan(truth).any(axis=1), None, said == actual),
        }
    limits = np.array([thresholds[name] for name in target.names])
    known, said = (truth == 0) | (truth == 1), score >= limits
    wrong = known & (said != (truth == 1))
    surest = np.where(known, np.abs(score - limits), -1).argmax(axis=1)
    return {
        "actual": _listed(truth == 1, names),
        "predicted": _listed(said, names),
        "probability": score[np.arange(len(score)), surest].round(4),
        "correct": np.where(known.any(axis=1), ~wrong.any(axis=1), None),
    }


def _listed(present: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Names of what is present, per row.

    Examples:
        >>> _listed(np.array([[True, True], [False, False]]), np.array(["mass", "scar"])).tolist()
        ['mass, scar', 'none']
    """
    found = [", ".join(names[row]) or "none" for row in present]
    return np.array(found, dtype=object)


def _surest(places: np.ndarray, judged: dict[str, Any], most: int) -> list[int]:
    """The surest predictions, in turn from each actual class, so that none crowds out another."""
    by_class: dict[str, list[int]] = {}
    order = places[np.argsort(-judged["probability"][places].astype(float), kind="stable")]
    for place in order.tolist():
        by_class.setdefault(judged["actual"][place], []).append(place)
    turns = [
        turn for rank in range(most) for turn in (c[rank : rank + 1] for c in by_class.values())
    ]
    return [place for turn in turns for place in turn][:most]


def _shown(image: np.ndarray, looking: Slicing) -> list[int]:
    """The slices of a volume that are shown, evenly over it; none of a picture."""
    if image.ndim == 3:
        return []
    count = looking.each(image.shape)
    return [int(place) for place in np.linspace(0, count - 1, min(count, SLICES)).round()]


def write_picture(path: Path, image: np.ndarray, scale: int) -> None:
    """Write an image (C, *S) of whole numbers from 0 to `scale` as PNG; of a volume its middle slice."""
    if image.ndim == 4:
        image = image[:, image.shape[1] // 2]
    _write_strip(path, image[None], scale)


def _write_strip(path: Path, slices: np.ndarray, scale: int) -> None:
    """Write slices (N, C, rows, columns) under one another."""
    from PIL import Image

    pixels = np.concatenate([_pixels(one, scale) for one in slices])
    with replacing(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG")


def _pixels(image: np.ndarray, scale: int) -> np.ndarray:
    """A picture whose longer side is `SIDE`, uint8 (rows, columns) or (rows, columns, 3)."""
    from PIL import Image

    values = (image.astype(np.float32) * (255 / scale)).round().astype(np.uint8)
    picture = Image.fromarray(values[0] if len(values) != 3 else values.transpose(1, 2, 0))
    factor = SIDE / max(picture.size)
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    return np.asarray(picture.resize(size, Image.Resampling.BICUBIC))
