"""1,000 bootstrap replicates of an AUROC against a loop over scikit-learn."""

from __future__ import annotations

import numpy as np

from bench.timing import Table, in_turn, ratio, seconds
from medgraft.evaluate.bootstrap import replicate
from medgraft.evaluate.metrics import metrics
from medgraft.evaluate.sample import Cases

ROWS, REPLICATES, LOOPED = 20_000, 1_000, 25


def measure() -> Table:
    """Time both on the same rows, every row a patient of its own."""
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    truth = rng.random(ROWS) < 0.3
    score = rng.normal(size=ROWS) + truth
    unit = np.arange(ROWS)
    auroc = metrics.get("auroc")

    def own(replicates: int) -> np.ndarray:
        # A new object each time: the sort is part of the work.
        cases = Cases(truth, score, score > 0.5, unit, ROWS)
        return replicate([(cases, [auroc])], replicates=replicates, seed=0)[0][0]

    def loop() -> list[float]:
        draws = np.random.default_rng(1).integers(0, ROWS, (LOOPED, ROWS))
        return [float(roc_auc_score(truth[rows], score[rows])) for rows in draws]

    check(own(REPLICATES), loop())
    timing = in_turn({"medgraft": lambda: own(REPLICATES), "loop": loop}, repeats=7)
    scaled = timing.median("loop") * REPLICATES / LOOPED
    return Table(
        title="Bootstrap of an AUROC",
        text=(
            f"{REPLICATES:,} replicates x {ROWS:,} rows, each row a patient. The scikit-learn loop"
            f" (`roc_auc_score` of drawn rows) ran {LOOPED} replicates; its time is scaled by"
            f" {REPLICATES // LOOPED}."
        ),
        header=("medgraft", "scikit-learn loop (scaled)", "medgraft is faster by", "repeats"),
        rows=(
            (
                seconds(timing.median("medgraft")),
                seconds(scaled),
                ratio(scaled / timing.median("medgraft")),
                str(timing.repeats),
            ),
        ),
        packages=("numpy", "scikit-learn"),
    )


def check(own: np.ndarray, looped: list[float]) -> None:
    """Both must describe the same distribution, or their times say nothing."""
    tolerance = 5 * own.std() / len(looped) ** 0.5
    if abs(own.mean() - np.mean(looped)) > tolerance:
        raise AssertionError(f"means differ: {own.mean()} and {np.mean(looped)}")
