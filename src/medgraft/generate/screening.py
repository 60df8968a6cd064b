"""Which samples are representative? A discriminator that diagnoses says so, and the best are kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from medgraft.errors import ArgumentError, TableError
from medgraft.files import check_free, new_folder, write_json
from medgraft.generate.pictures import save_sheet
from medgraft.index import Index
from medgraft.index.target import Target
from medgraft.prepare.store import Store, default_cache
from medgraft.runs import RunFolder
from medgraft.train.batches import Images
from medgraft.train.predict import load_predictor
from medgraft.train.recipe import load_recipe
from medgraft.train.semi_supervised import check_kinds, class_logits, real_probability
from medgraft.train.setup import tells_real
from medgraft.train.supervised import Predictor, portions

KEPT = "samples.parquet"
SHOWN, ACROSS = 32, 8


@dataclass(frozen=True)
class Scores:
    """What a discriminator says of N samples.

    Attributes:
        real: Probability that each is a real image, shape (N,).
        classes: Probabilities of the classes, given that it is real, shape (N, K); of one label those
            of its absence and its presence.
        named: The class of each, shape (N,): the one it was drawn for, else the likeliest.
    """

    real: np.ndarray
    classes: np.ndarray
    named: np.ndarray

    @property
    def confidence(self) -> np.ndarray:
        """Probability of the class of each, shape (N,)."""
        return np.asarray(self.classes[np.arange(len(self.named)), self.named])

    @property
    def score(self) -> np.ndarray:
        """How representative each is, in [0, 1]: real, and surely of its class, shape (N,)."""
        return np.asarray(self.real * self.confidence)


def judge_samples(
    predictor: Predictor, images: Images, rows: np.ndarray, drawn_for: np.ndarray | None = None
) -> Scores:
    """Ask a discriminator about samples.

    Args:
        predictor: Its network, trained beside generated images.
        images: Where the samples lie.
        rows: Which, shape (N,).
        drawn_for: Number of the class that each was drawn for, shape (N,), -1 where none was asked
            for; None where that is so of all.
    """
    predictor.network.eval()
    found: list[np.ndarray] = []
    with torch.inference_mode(), class_logits(predictor.network) as said:
        for part in portions(images, rows):
            predictor.logits(predictor.placement.images(images.gather(rows[part]), images.scale))
            found.append(said.pop().double().cpu().numpy())
    logits = np.concatenate(found)
    classes = np.exp(logits - logits.max(axis=1, keepdims=True))
    classes /= classes.sum(axis=1, keepdims=True)
    named = logits.argmax(axis=1)
    if drawn_for is not None:
        named = np.where(drawn_for >= 0, drawn_for, named)
    return Scores(real_probability(logits), classes, named)


def chosen(scores: Scores, keep: float) -> np.ndarray:
    """The most representative samples, best first, the same share of each class.

    A share of all samples would keep the class that a generator draws best, and leave others out.

    Args:
        scores: Of N samples.
        keep: Share to keep, in (0, 1]; of each class at least one.

    Returns:
        Their numbers.

    Raises:
        ArgumentError: If `keep` is out of range.
    """
    if not 0 < keep <= 1:
        raise ArgumentError(f"keep must be in (0, 1], got {keep}")
    order = np.argsort(-scores.score, kind="stable")
    named = scores.named[order]
    kept = [
        order[named == one][: max(1, round(keep * (named == one).sum()))]
        for one in set(named.tolist())
    ]
    together = np.concatenate(kept)
    return np.asarray(together[np.argsort(-scores.score[together], kind="stable")])


def screen(
    run: RunFolder,
    samples: Path,
    out: Path,
    *,
    keep: float,
    device: str = "auto",
    command: list[str],
) -> dict[str, Any]:
    """Score samples, keep the best, and write an index of them, screening.json and a sheet of both.

    The images stay where they are. The kept ones have the labels that they were drawn for, else those
    that the discriminator gives them, and the columns `p_real`, `p_class` and `score`.

    Args:
        run: A run of `medgraft train --samples`, or of `medgraft generate discriminate`.
        samples: Index of samples, see `medgraft generate sample`.
        out: New folder.
        keep: Share of each class to keep, in (0, 1].
        device: Where to compute.
        command: How this was called, for the record.

    Returns:
        What screening.json holds.

    Raises:
        ArgumentError: If `keep` is out of range, or the run has not seen generated images.
        TableError: If there is no such run or index, or an image of it is not generated.
        OutputError: If `out` is in use.
    """
    check_free(out)
    predictor, record = load_predictor(run, device)
    _check(run)
    index = _generated(Index.load(samples), samples)
    store = Store.open(index, record["steps"], cache=default_cache())
    index = index.with_frame(index.frame.filter(pl.Series(store.rows >= 0)))
    rows = store.rows[store.rows >= 0]
    target = Target.of(Index.load(run.index), positive=record["positive"])
    scores = judge_samples(predictor, store, rows, _drawn_for(index, target))
    order = chosen(scores, keep)
    folder = new_folder(out)
    _kept(index, target, scores, order).save(folder / KEPT)
    worst = np.setdiff1d(np.arange(len(rows)), order)
    worst = worst[np.argsort(scores.score[worst], kind="stable")]
    for name, these in (("kept", order), ("left", worst)):
        if len(these):
            _sheet(folder / f"{name}.png", store, rows[these[:SHOWN]])
    names = _names(target)
    written = {
        "run": str(run.path),
        "samples": str(samples),
        "command": command,
        "keep": keep,
        "images": len(rows),
        "kept": len(order),
        "rule": "probability of being real times probability of its class",
        "classes": {
            name: {
                "images": int((scores.named == k).sum()),
                "kept": int((scores.named[order] == k).sum()),
            }
            for k, name in enumerate(names)
        },
        "kept_means": _means(scores, order),
        "left_means": _means(scores, worst),
    }
    write_json(folder / "screening.json", written)
    return written


def name_samples(run: RunFolder, samples: Path, out: Path, *, device: str = "auto") -> Path:
    """Give every sample the class that a run finds likeliest, in an index like that of `screen`.

    Args:
        run: Any run that learnt exclusive classes or one label.
        samples: Index of samples.
        out: New folder.
        device: Where to compute.

    Returns:
        Path of the index; the images stay where they are.

    Raises:
        TableError: If there is no such run or index, or an image of it is not generated.
        OutputError: If `out` is in use.
    """
    check_free(out)
    predictor, record = load_predictor(run, device)
    index = _generated(Index.load(samples), samples)
    store = Store.open(index, record["steps"], cache=default_cache())
    index = index.with_frame(index.frame.filter(pl.Series(store.rows >= 0)))
    target = Target.of(Index.load(run.index), positive=record["positive"])
    check_kinds(target, None)
    logits = predictor.predict(store, store.rows[store.rows >= 0])
    likeliest = logits.argmax(axis=1) if target.kind == "exclusive" else logits[:, 0] > 0
    named = labelled(index, target, likeliest.astype(np.int64))
    named.save(new_folder(out) / KEPT)
    return out / KEPT


def _check(run: RunFolder) -> None:
    if not tells_real(load_recipe(run.recipe)):
        raise ArgumentError(
            f"screening needs a network that learnt to tell real images from generated ones, and"
            f" '{run.path}' saw none. Train one: `medgraft train INDEX --samples SAMPLES --out RUN`."
        )


def _generated(index: Index, path: Path) -> Index:
    if "generated" not in index.frame.columns or not index.frame["generated"].all():
        raise TableError(
            f"samples must be generated images, but '{path}' has others. Give the index that"
            " `medgraft generate sample` wrote."
        )
    return index


def _names(target: Target) -> tuple[str, ...]:
    """Names of the classes; of one label its absence and its presence."""
    if target.kind == "exclusive":
        return target.names
    return (f"{target.names[0]} = 0", f"{target.names[0]} = 1")


def _drawn_for(index: Index, target: Target) -> np.ndarray | None:
    """Number of the class that each sample has a label of, -1 where it has none."""
    if target.columns[0] not in index.frame.columns:
        return None
    truth = target.matrix(index.frame)
    known = ~np.isnan(truth).any(axis=1)
    numbers = truth[:, 0] if target.kind == "independent" else np.nan_to_num(truth).argmax(axis=1)
    return np.where(known, np.nan_to_num(numbers), -1).astype(np.int64)


def labelled(index: Index, target: Target, numbers: np.ndarray) -> Index:
    """The rows of an index with classes given by number, shape (N,), in the column of the label."""
    column = target.columns[0]
    values = target.names if target.kind == "exclusive" else (0, 1)
    named = pl.Series(column, [values[number] for number in numbers])
    return Index(
        index.frame.with_columns(named),
        index.root,
        labels=(column,),
        layout=index.layout,
        patients_known=False,
    )


def _kept(index: Index, target: Target, scores: Scores, order: np.ndarray) -> Index:
    told = {"p_real": scores.real, "p_class": scores.confidence, "score": scores.score}
    every = labelled(index, target, scores.named)
    scored = every.frame.with_columns(pl.Series(name, values) for name, values in told.items())
    return every.with_frame(scored[order])


def _means(scores: Scores, these: np.ndarray) -> dict[str, float] | None:
    if not len(these):
        return None
    told = {"real": scores.real, "confidence": scores.confidence, "score": scores.score}
    return {name: float(values[these].mean()) for name, values in told.items()}


def _sheet(path: Path, store: Store, rows: np.ndarray) -> None:
    images = store.gather(rows).astype(np.float32) * (255 / store.scale)
    save_sheet(
        path, torch.from_numpy(images.round().astype(np.uint8)), across=min(ACROSS, len(rows))
    )
