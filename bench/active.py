"""Scores of a large pool, and core sets, against scikit-activeml."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable

import numpy as np

from bench.timing import Table, in_turn, ratio, seconds
from medgraft.active.acquisition.aift import Aift
from medgraft.active.acquisition.entropy import Entropy
from medgraft.active.acquisition.mutual_information import MutualInformation
from medgraft.active.evidence import Evidence
from medgraft.active.farthest import farthest_first

POOL, VIEWS = 100_000, 24
VALUES, CHOSEN, SMALL = 512, 1_000, 20
LOOPED = 300  # candidates of the loop over pairs, whose time is scaled


def measure() -> Table:
    """Time both sides on the same numbers; what both compute must agree."""
    return Table(
        title="Choosing what to label",
        text=(
            f"{POOL:,} candidates with {VIEWS} views of two classes; their scores, the check of the probabilities"
            f" included. The loop over pairs of views ran on {LOOPED} candidates and is scaled. Core sets of"
            f" {VALUES} values in single precision, {SMALL} labelled already: both choose the same candidates in the same order."
            " scikit-activeml keeps a row of utilities per choice. Memory is what the process held at most, beyond"
            " the features themselves (205 MB), with the same libraries loaded."
        ),
        header=(
            "what",
            "rival",
            "medgraft",
            "rival takes",
            "medgraft is faster by",
            "memory, medgraft",
            "memory, rival",
            "repeats",
        ),
        rows=(*scored(), *covered()),
        packages=("numpy", "scikit-activeml", "scikit-learn"),
    )


def scored() -> list[tuple[str, ...]]:
    """AIFT against its definition, entropy and disagreement against scikit-activeml."""
    from skactiveml.pool import average_kl_divergence, uncertainty_scores

    yes = np.random.default_rng(0).random((POOL, VIEWS))
    p = np.stack([1 - yes, yes], axis=2)
    whole = Aift(alpha=1, entropy=0)
    own = whole.scores(Evidence(p[:LOOPED]))
    np.testing.assert_allclose(own, pairs(p[:LOOPED]), rtol=1e-9)
    compared: list[tuple[str, str, Callable[[], object], Callable[[], object], int]] = [
        (
            "aift, a quarter of the views",
            "loop over pairs (all views, scaled)",
            lambda: Aift().scores(Evidence(p)),
            lambda: pairs(p[:LOOPED]),
            POOL // LOOPED,
        ),
        (
            "aift, all views",
            "loop over pairs (scaled)",
            lambda: whole.scores(Evidence(p)),
            lambda: pairs(p[:LOOPED]),
            POOL // LOOPED,
        ),
        (
            "entropy of the mean",
            "scikit-activeml",
            lambda: Entropy().scores(Evidence(p)),
            lambda: uncertainty_scores(p.mean(axis=1), method="entropy"),
            1,
        ),
        (
            "mutual information",
            "scikit-activeml",
            lambda: MutualInformation().scores(Evidence(p)),
            lambda: average_kl_divergence(p.transpose(1, 0, 2)),
            1,
        ),
    ]
    rows = []
    for what, rival, first, second, scale in compared:
        timing = in_turn({"medgraft": first, "rival": second}, repeats=5)
        theirs = timing.median("rival") * scale
        rows.append(
            (
                what,
                rival,
                seconds(timing.median("medgraft")),
                seconds(theirs),
                ratio(theirs / timing.median("medgraft")),
                "",
                "",
                str(timing.repeats),
            )
        )
    return rows


def pairs(p: np.ndarray) -> np.ndarray:
    """Diversity by its definition, one pair of views after the other."""
    logs = np.log(np.maximum(p, 1e-4))
    total = np.zeros(len(p))
    for j in range(p.shape[1]):
        for i in range(j):
            total += ((p[:, j] - p[:, i]) * (logs[:, j] - logs[:, i])).sum(axis=1)
    return total


def covered() -> list[tuple[str, ...]]:
    """Core sets of two sizes; memory is taken in processes of their own."""
    from skactiveml.pool import CoreSet

    rows = []
    for pool, chosen in ((20_000, 200), (POOL, CHOSEN)):
        x = points(pool)
        y = np.full(pool, np.nan)
        y[:SMALL] = 0

        chose: dict[str, np.ndarray] = {}

        def own(x: np.ndarray = x, chosen: int = chosen, chose: dict = chose) -> None:
            rng = np.random.default_rng(0)
            chose["own"] = farthest_first(x[SMALL:], chosen, rng, covered=x[:SMALL]) + SMALL

        def rival(
            x: np.ndarray = x, y: np.ndarray = y, n: int = chosen, chose: dict = chose
        ) -> None:
            chose["rival"] = CoreSet(random_state=0).query(x, y, batch_size=n)

        timing = in_turn({"medgraft": own, "rival": rival}, repeats=1, warm=False)
        if not (chose["own"] == chose["rival"]).all():
            raise AssertionError("both must choose the same candidates")
        memory = [held(name, pool, chosen) for name in ("medgraft", "rival")]
        rows.append(
            (
                f"core set: {chosen:,} of {pool:,}",
                "scikit-activeml",
                seconds(timing.median("medgraft")),
                seconds(timing.median("rival")),
                ratio(timing.times_faster("medgraft", "rival")),
                *(f"{size:,.0f} MB" for size in memory),
                str(timing.repeats),
            )
        )
    return rows


def points(count: int) -> np.ndarray:
    """Features in 50 clusters, the same ones each time."""
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(50, VALUES)).astype(np.float32)
    x = np.empty((count, VALUES), dtype=np.float32)
    for rows in np.array_split(np.arange(count), count // 1000):  # no more than the features
        x[rows] = rng.standard_normal((len(rows), VALUES), dtype=np.float32)
        x[rows] += centres[rng.integers(50, size=len(rows))]
    return x


def held(name: str, pool: int, chosen: int) -> float:
    """Megabytes that one side held at most, beyond the features, in a process of its own."""
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "bench.active", name, str(pool), str(chosen)],
        check=True,
        capture_output=True,
        text=True,
    )
    return float(said.stdout)


def _measure_one(name: str, pool: int, chosen: int) -> None:
    from skactiveml.pool import CoreSet

    x = points(pool)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if name == "medgraft":
        farthest_first(x[SMALL:], chosen, np.random.default_rng(0), covered=x[:SMALL])
    else:
        y = np.full(pool, np.nan)
        y[:SMALL] = 0
        CoreSet(random_state=0).query(x, y, batch_size=chosen)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)


if __name__ == "__main__":
    _measure_one(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
