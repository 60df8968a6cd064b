"""The statistics of a study: 14 labels at once, and 32 runs compared, against loops over scikit-learn."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.timing import Table, in_turn, ratio, seconds
from medgraft.evaluate import evaluate
from medgraft.evaluate.measure import Measured, measure_table
from medgraft.evaluate.repeats import minus
from medgraft.evaluate.table import Predictions
from medgraft.files import write_json
from medgraft.report import write_comparison

REPLICATES, LOOPED = 1_000, 2
ROWS, LABELS, RUNS = 20_000, 14, 32


def table(seed: int, *, rows: int = ROWS, labels: int = LABELS) -> Predictions:
    """Rare labels, and probabilities that know a little of them; the same truth for every seed."""
    truth = (np.random.default_rng(0).random((rows, labels)) < 0.15).astype(float)
    noise = np.random.default_rng(seed).normal(size=truth.shape)
    names = tuple(f"label {k}" for k in range(labels))
    return Predictions(names, "independent", truth, 1 / (1 + np.exp(-truth - noise)), None, None)


def mean_auroc(run: Predictions) -> Measured:
    """Of all labels, in every replicate, every row a patient."""
    found = measure_table(run, wanted=("auroc",), replicates=REPLICATES, seed=0)
    return found.metrics["auroc"]


def in_pairs(runs: list[Predictions]) -> list[Measured]:
    """Every run minus every other one, on the same replicates."""
    means = [mean_auroc(run) for run in runs]
    return [minus(one, two) for one, two in itertools.combinations(means, 2)]


def save(run: Predictions, folder: Path) -> Path:
    """A folder as `medgraft evaluate` writes it, without intervals of its own."""
    found = evaluate(run.truth, run.probability, names=run.names, kind=run.kind, replicates=0)
    write_json(folder / "evaluation.json", found)
    run.frame().write_parquet(folder / "predictions.parquet")
    return folder


def loop(runs: list[Predictions]) -> list[float]:
    """The mean AUROC of each run in a few replicates, by scikit-learn."""
    from sklearn.metrics import roc_auc_score

    rows = len(runs[0].truth)
    draws = np.random.default_rng(1).integers(0, rows, (LOOPED, rows))
    return [
        float(roc_auc_score(run.truth[chosen], run.probability[chosen], average="macro"))
        for chosen in draws
        for run in runs
    ]


def row(
    what: str, own: Callable[[], object], runs: list[Predictions], repeats: int
) -> tuple[str, ...]:
    """Time both on the same tables."""
    timing = in_turn({"own": own, "loop": lambda: loop(runs)}, repeats=repeats, warm=repeats > 1)
    scaled = timing.median("loop") * REPLICATES / LOOPED
    took = timing.median("own")
    return (what, seconds(took), seconds(scaled), ratio(scaled / took), str(repeats))


def measure() -> Table:
    """One run, all pairs of many, and the page that compares many."""
    runs = [table(seed) for seed in range(RUNS)]
    with tempfile.TemporaryDirectory() as where:
        folders = [save(run, Path(where, f"run {k}")) for k, run in enumerate(runs)]
        rows = (
            row("AUROC of one run", lambda: mean_auroc(runs[0]), runs[:1], 5),
            row(
                f"AUROC of {RUNS} runs, all {RUNS * (RUNS - 1) // 2} pairs",
                lambda: in_pairs(runs),
                runs,
                1,
            ),
            row(
                f"`medgraft compare` of {RUNS} runs: all metrics of all labels, DeLong's tests, the page",
                lambda: write_comparison(
                    folders, Path(where, "compared"), only_pairs=True, replicates=REPLICATES
                ),
                runs,
                1,
            ),
        )
    return Table(
        title="The statistics of a study",
        text=(
            f"{LABELS} labels, {ROWS:,} rows, each a patient, {REPLICATES:,} replicates. The loop over"
            f" scikit-learn takes the AUROC alone (`roc_auc_score` of drawn rows), {LOOPED} replicates of"
            f" it, without the differences; its time is scaled by {REPLICATES // LOOPED}."
        ),
        header=(
            "what",
            "medgraft",
            "scikit-learn loop (scaled)",
            "medgraft is faster by",
            "repeats",
        ),
        rows=rows,
        packages=("numpy", "scipy", "scikit-learn"),
    )
