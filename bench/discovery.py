"""Nearest neighbours of all references among 10,000 descriptors against a sort of all distances."""

from __future__ import annotations

import numpy as np

from bench.timing import Table, in_turn, ratio, seconds
from medgraft.pretext.discovery.neighbours import nearest

SCANS, VALUES, LOOPED = 10_000, 512, 10
CASES = ((100, 1_000), (200, 200))  # references, neighbours of each


def measure() -> Table:
    """Time both for the published numbers of patterns; they must agree row by row."""
    descriptors = np.random.default_rng(0).normal(size=(SCANS, VALUES)).astype(np.float32)
    rows = []
    for references, count in CASES:
        queries = descriptors[:references]

        def own(queries: np.ndarray = queries, count: int = count) -> np.ndarray:
            return nearest(descriptors, queries, count)[0]

        def loop(queries: np.ndarray = queries, count: int = count) -> np.ndarray:
            exact = descriptors.astype(np.float64)
            return np.stack(
                [
                    np.argsort(((exact - query) ** 2).sum(axis=1), kind="stable")[:count]
                    for query in queries[:LOOPED]
                ]
            )

        if not (own()[:LOOPED] == loop()).all():
            raise AssertionError("the two must find the same neighbours")
        timing = in_turn({"medgraft": own, "loop": loop}, repeats=3)
        scaled = timing.median("loop") * references / LOOPED
        rows.append(
            (
                f"{references:,}",
                f"{count:,}",
                seconds(timing.median("medgraft")),
                seconds(scaled),
                ratio(scaled / timing.median("medgraft")),
                str(timing.repeats),
            )
        )
    return Table(
        title="Self-discovery: nearest neighbours",
        text=(
            f"{SCANS:,} descriptors of {VALUES} values; the exact nearest neighbours of all references,"
            " ties in the order of rows. The loop sorts all distances in float64, one reference after"
            f" the other, for {LOOPED} of them, and its time is scaled; both find the same rows."
        ),
        header=(
            "references",
            "neighbours",
            "medgraft",
            "loop over argsort (scaled)",
            "medgraft is faster by",
            "repeats",
        ),
        rows=tuple(rows),
        packages=("numpy", "faiss-cpu"),
    )
