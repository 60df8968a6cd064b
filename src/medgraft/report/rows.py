"""Whether runs were judged on the same rows, and their predictions in one order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import polars as pl

from medgraft.errors import TableError
from medgraft.evaluate.table import Predictions, of_run
from medgraft.report.saved import Saved
from medgraft.report.words import count

KEYS = ("image_id", "path")
BY_ORDER = (
    "The tables hold neither image_id nor path: their rows were matched by their order, and have"
    " the same truth and patients."
)


def same_rows(saved: Sequence[Saved], names: Sequence[str]) -> list[Predictions]:
    """The predictions of each run, in the order of the rows of the first.

    Args:
        saved: At least two runs; the first is what the others are compared with.
        names: What to call each in a message.

    Raises:
        TableError: If a run was judged on other rows, asks another question, or has another
            truth; the message says what differs and in how many rows.
    """
    first = saved[0]
    found = [_predictions(first, first.predictions)]
    for one, name in zip(saved[1:], names[1:], strict=True):
        pair = f"{names[0]!r} and {name!r}"
        _same_question(first, one, pair)
        found.append(_predictions(one, _in_order(first.predictions, one.predictions, pair)))
        _same_truth(found[0], found[-1], pair)
    return found


def by_order(saved: Sequence[Saved]) -> bool:
    """Whether nothing but their order says which rows belong together."""
    return not any(_keys(one.predictions) for one in saved)


def _predictions(saved: Saved, frame: pl.DataFrame) -> Predictions:
    if saved.evaluation.unit == "image":  # the run did not know its patients
        frame = frame.drop("patient_id", strict=False)
    return of_run(frame, kind=saved.evaluation.kind, positive=saved.evaluation.positive)


def _same_question(first: Saved, other: Saved, pair: str) -> None:
    one, two = first.evaluation, other.evaluation
    for what, a, b in (
        ("split", one.split, two.split),
        ("classes", one.names, two.names),
        ("kind of label", one.kind, two.kind),
        ("positive class", one.positive, two.positive),
        ("unit of resampling", one.unit, two.unit),
    ):
        if a != b:
            raise TableError(
                f"runs that are compared must have the same {what}, but {pair} have {a!r} and"
                f" {b!r}. Judge both alike with `medgraft evaluate`."
            )


def _keys(frame: pl.DataFrame) -> list[str]:
    return [key for key in KEYS if key in frame.columns]


def _in_order(first: pl.DataFrame, other: pl.DataFrame, pair: str) -> pl.DataFrame:
    """The rows of `other` in the order of those of `first`, by image and path."""
    keys = _keys(first)
    if keys != _keys(other):
        raise TableError(
            f"runs that are compared must say alike which image each row is, but {pair} have the"
            f" columns {keys} and {_keys(other)}. Compare runs with runs and tables with tables."
        )
    if not keys:
        return _by_order(first, other, pair)
    _same_images(first, other, keys, pair)
    places = [_sorted_places(frame, keys) for frame in (first, other)]
    back = np.empty_like(places[0])
    back[places[0]] = places[1]
    return other[back]


def _sorted_places(frame: pl.DataFrame, keys: list[str]) -> np.ndarray:
    """Where each row of the sorted table stands; rows of one image keep their order."""
    numbered = frame.select(pl.col(key).cast(pl.String) for key in keys).with_row_index("place")
    return numbered.sort(keys, maintain_order=True)["place"].to_numpy()


def _by_order(first: pl.DataFrame, other: pl.DataFrame, pair: str) -> pl.DataFrame:
    if first.height != other.height:
        raise TableError(
            f"runs that are compared must be judged on the same rows, but {pair} have"
            f" {first.height} and {other.height}, and no column image_id or path to match them by."
        )
    return other


def _same_images(first: pl.DataFrame, other: pl.DataFrame, keys: list[str], pair: str) -> None:
    for key in keys:
        one, two = (Counter(frame[key].cast(pl.String).to_list()) for frame in (first, other))
        lost, new = (one - two).total(), (two - one).total()
        if lost or new:
            raise TableError(
                f"runs that are compared must be judged on the same images, but {pair} differ in"
                f" {key}: {count(lost, 'row')} only in the first, {count(new, 'row')} only in the"
                f" second, of {first.height} and {other.height}. Train both on one index, or judge"
                " both on the same split."
            )
    one, two = (Counter(frame.select(keys).iter_rows()) for frame in (first, other))
    if swapped := (one - two).total():
        raise TableError(
            f"runs that are compared must have the same image at each path, but {pair} differ in"
            f" {count(swapped, 'row')}. Was a file replaced? Train both on one index."
        )


def _same_truth(first: Predictions, other: Predictions, pair: str) -> None:
    one, two = (np.nan_to_num(each.truth, nan=2) for each in (first, other))
    differs = one != two
    if wrong := int(differs.any(axis=1).sum()):
        columns = [name for k, name in enumerate(first.names) if differs[:, k].any()]
        raise TableError(
            f"runs that are compared must have the same truth, but {pair} differ in"
            f" {count(wrong, 'row')} (labels: {', '.join(columns[:8])}). Correct the labels, and"
            " train and judge both again."
        )
    if first.patients != other.patients:
        pairs = zip(first.patients or (), other.patients or (), strict=False)
        wrong = sum(a != b for a, b in pairs) or len(first.truth)  # one knows none at all
        raise TableError(
            f"runs that are compared must know the same patients, but {pair} differ in"
            f" {count(wrong, 'row')}. Train both on one index."
        )
