"""A finished run asked again: the same images, looked at in other views."""

from __future__ import annotations

import polars as pl

from medgraft.errors import TableError
from medgraft.evaluate.table import read_frame
from medgraft.index import Index
from medgraft.prepare.store import Store, default_cache
from medgraft.runs import RunFolder
from medgraft.train.predict import load_ensemble


def predict_again(run: RunFolder, *, tta: str, device: str = "auto") -> pl.DataFrame:
    """The predictions of a run, computed anew over other views of its images.

    Args:
        run: A finished run, whose images must still lie where they were, or in the store of
            prepared images.
        tta: Views such as "corners"; "none" for the images as they are.
        device: Where to compute.

    Returns:
        ``predictions.parquet`` with other probabilities.

    Raises:
        TableError: If the run is not finished, or images of it cannot be prepared any more.
        UnknownNameError, ArgumentError: If the views are wrong, or the images are volumes.
    """
    ensemble, record = load_ensemble(run, device, tta=tta)
    before = read_frame(run.predictions)
    index = Index.load(run.index)
    index = index.with_frame(index.frame.filter(pl.col("split").is_not_null()))
    store = Store.open(
        index,
        record["steps"],
        cache=default_cache(),
        bits=8 if record["scale"] == 255 else 16,
    )
    if (store.rows < 0).any():
        first = store.rejects.row(0, named=True)
        raise TableError(
            f"all images of '{run.path}' must still be there, but {(store.rows < 0).sum()} cannot be"
            f" prepared: '{first['path']}': {first['reason']}. {first['remedy']}"
        )
    names, probability = record["labels"], ensemble.probabilities(store, store.rows)
    place = {name: row for row, name in enumerate(index.frame["image_id"])}
    rows = [place[name] for name in before["image_id"]]
    return before.with_columns(
        *(pl.Series(f"p_{name}", probability[rows, k]) for k, name in enumerate(names))
    )
