"""Scores of a large pool, and core sets, against scikit-activeml."""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable

import numpy as np

from bench import timing
from bench.timing import Clock, Table, in_turn, ratio, seconds
from medgraft.active.acquisition.aift import Aift
from medgraft.active.acquisition.entropy import Entropy
from medgraft.active.acquisition.mutual_information import MutualInformation
from medgraft.active.evidence import Evidence
from medgraft.active.farthest import farthest_first

POOL, VIEWS = 100_000, 24
VALUES, CHOSEN, PART, SMALL = 512, 1_000, 50, 20
LOOPED = 300  # candidates of the loop over pairs, whose time is scaled


def measure() -> Table:
    """Time both sides on the same numbers; what both compute must agree."""
    return Table(
        title="Choosing what to label",
        text=(
            f"{POOL:,} candidates with {VIEWS} views of two classes; their scores, the check of the probabilities"
            f" included. The loop over pairs of views ran on {LOOPED} candidates and is scaled. Core sets of"
            f" {VALUES} values in single precision, {SMALL} labelled already, each run in a process of its own: both choose the same candidates in the same order."
            f" scikit-activeml keeps a row of utilities for each choice ({8 * POOL * CHOSEN / 1e6:,.0f} MB for {CHOSEN:,} of {POOL:,}),"
            " whose memory is counted as far as it ran. Memory is what the process held at most, beyond"
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
        taken = in_turn({"medgraft": first, "rival": second}, repeats=5)
        theirs = taken.median("rival") * scale
        rows.append(
            (
                what,
                rival,
                seconds(taken.median("medgraft")),
                seconds(theirs),
                ratio(theirs / taken.median("medgraft")),
                "",
                "",
                str(taken.repeats),
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
    """Core sets of two sizes, each run in a process of its own, where its memory can be told."""
    rows = []
    for pool, chosen, theirs, repeats in ((20_000, 200, 200, 3), (POOL, CHOSEN, PART, 1)):
        own, rival = [], []
        for _ in range(repeats):
            own.append(alone("medgraft", pool, chosen))
            rival.append(alone("rival", pool, theirs))
        if any(run["choice"] != own[0]["choice"][:theirs] for run in rival):
            raise AssertionError("both must choose the same candidates")
        took = statistics.median(run["seconds"] for run in own)
        scaled = statistics.median(run["seconds"] for run in rival) * chosen / theirs
        rows.append(
            (
                f"core set: {chosen:,} of {pool:,}",
                "scikit-activeml"
                + (f" ({theirs} of them, time scaled)" if theirs < chosen else ""),
                seconds(took),
                seconds(scaled),
                ratio(scaled / took),
                *(memory(runs) if pool == POOL else "" for runs in (own, rival)),
                str(repeats),
            )
        )
    return rows


def memory(runs: list[dict]) -> str:
    """Megabytes; of a small pool they vanish beside what the libraries once held."""
    return f"{max(run['megabytes'] for run in runs):,.0f} MB"


def points(count: int) -> np.ndarray:
    """Features in 50 clusters, the same ones each time."""
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(50, VALUES)).astype(np.float32)
    x = np.empty((count, VALUES), dtype=np.float32)
    for rows in np.array_split(np.arange(count), count // 1000):  # no more than the features
        x[rows] = rng.standard_normal((len(rows), VALUES), dtype=np.float32)
        x[rows] += centres[rng.integers(50, size=len(rows))]
    return x


def alone(name: str, pool: int, chosen: int) -> dict:
    """Seconds, megabytes and choice of one side in a process of its own."""
    words = [name, str(pool), str(chosen), timing.CLOCK.name]
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "bench.active", *words],
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(said.stdout)


def choose(name: str, pool: int, chosen: int, clock: Clock) -> dict:
    """Run one side; memory is what the process held at most beyond what it held before."""
    from skactiveml.pool import CoreSet

    x = points(pool)
    y = np.full(pool, np.nan)
    y[:SMALL] = 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = clock()
    if name == "medgraft":
        rng = np.random.default_rng(0)
        found = farthest_first(x[SMALL:], chosen, rng, covered=x[:SMALL]) + SMALL
    else:
        found = CoreSet(random_state=0).query(x, y, batch_size=chosen)
    took = clock() - began
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"seconds": took, "megabytes": held / 1024, "choice": [int(row) for row in found]}


if __name__ == "__main__":
    name, pool, chosen, clock = sys.argv[1:]
    print(json.dumps(choose(name, int(pool), int(chosen), Clock(clock))))
