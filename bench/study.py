"""The statistics of a study: 14 labels at once, and 32 runs compared in pairs, against loops over scikit-learn."""

from __future__ import annotations

import itertools

import numpy as np

from bench.timing import Table, in_turn, ratio, seconds
from medgraft.evaluate import measure as of_table
from medgraft.evaluate.measure import Measured
from medgraft.evaluate.repeats import minus

REPLICATES, LOOPED = 1_000, 2
ROWS, LABELS = 20_000, 14
RUNS, RUN_ROWS, TASKS = 32, 2_000, 6


def measure_all(truth: np.ndarray, score: np.ndarray) -> dict[str, Measured]:
    """AUROC of every label in every replicate, every row a patient."""
    names = [f"label {k}" for k in range(truth.shape[1])]
    found = of_table.measure(
        truth,
        score,
        names=names,
        kind="independent",
        patients=None,
        thresholds=None,
        positive=None,
        wanted=("auroc",),
        replicates=REPLICATES,
        seed=0,
    )
    return found.metrics


def table(rows: int, labels: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rare labels, and probabilities that know a little of them."""
    rng = np.random.default_rng(0)
    truth = (rng.random((rows, labels)) < 0.15).astype(float)
    noise = np.random.default_rng(seed).normal(size=truth.shape)
    return truth, 1 / (1 + np.exp(-truth - noise))


def compare(tables: list[tuple[np.ndarray, np.ndarray]]) -> list[Measured]:
    """Every run minus every other one, on the same replicates."""
    means = [measure_all(truth, score)["auroc"] for truth, score in tables]
    return [minus(one, two) for one, two in itertools.combinations(means, 2)]


def loop(tables: list[tuple[np.ndarray, np.ndarray]]) -> list[float]:
    """The mean AUROC of each run in a few replicates, by scikit-learn."""
    from sklearn.metrics import roc_auc_score

    rows = len(tables[0][0])
    draws = np.random.default_rng(1).integers(0, rows, (LOOPED, rows))
    return [
        float(roc_auc_score(truth[chosen], score[chosen], average="macro"))
        for chosen in draws
        for truth, score in tables
    ]


def measure_one(name: str, tables: list[tuple[np.ndarray, np.ndarray]]) -> tuple[str, ...]:
    """Time both on the same tables."""
    timing = in_turn({"medgraft": lambda: compare(tables), "loop": lambda: loop(tables)}, repeats=3)
    scaled = timing.median("loop") * REPLICATES / LOOPED
    own = timing.median("medgraft")
    return (name, seconds(own), seconds(scaled), ratio(scaled / own), str(timing.repeats))


def measure_tables() -> tuple[tuple[str, ...], ...]:
    """Both sizes."""
    one = [table(ROWS, LABELS, 1)]
    many = [table(RUN_ROWS, TASKS, seed) for seed in range(RUNS)]
    return (
        measure_one(f"{LABELS} labels, {ROWS:,} rows", one),
        measure_one(
            f"{RUNS} runs in all {RUNS * (RUNS - 1) // 2} pairs, {TASKS} labels, {RUN_ROWS:,} rows",
            many,
        ),
    )


def measure() -> Table:
    """The table of the page."""
    return Table(
        title="The statistics of a study",
        text=(
            f"{REPLICATES:,} replicates, each row a patient. The loop over scikit-learn ran {LOOPED}"
            f" replicates without the differences; its time is scaled by {REPLICATES // LOOPED}."
        ),
        header=(
            "what",
            "medgraft",
            "scikit-learn loop (scaled)",
            "medgraft is faster by",
            "repeats",
        ),
        rows=measure_tables(),
        packages=("numpy", "scikit-learn"),
    )
