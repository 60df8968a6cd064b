"""TypiClust: the most typical candidate of each cluster, for the first labels of all."""

from __future__ import annotations

import itertools
import warnings
from typing import ClassVar

import numpy as np
from pydantic import Field

from medgraft.active.acquisition import Selection, acquisition
from medgraft.active.distances import Points
from medgraft.active.evidence import Doubles, Evidence, Floats, Integers
from medgraft.active.selecting import check_budget

LEARNT = 20_000  # points that clusters are learnt from, drawn by chance from a larger pool
COMPARED = 5_000  # members of a cluster whose neighbours are compared, drawn by chance
EXACT = 50  # clusters up to which k-means sees all its points at every step, as in the paper
WORTH = 5  # members below which a cluster comes after the others, as in the paper


@acquisition("typiclust")
class TypiClust(Selection):
    """Typical candidates of clusters that hold no label yet.

    With few labels a model's doubts mean little, and typical candidates teach more than strange
    ones. The features (best: self-supervised ones) of all that is labelled or not are divided into
    as many clusters as there will be labels; the largest without a label gives its most typical
    member, the one with the smallest mean distance to its nearest neighbours in the cluster. With
    many labels and a good model it loses to acquisitions that ask the model.

    In pools beyond 20,000 candidates clusters are learnt from so many of them, and in clusters beyond
    5,000 members so many compete: memory and time stay bounded.
    """

    source: ClassVar[str] = "Hacohen et al. 2022, arXiv:2202.02794"
    reads_features: ClassVar[bool] = True

    neighbours: int = Field(default=20, ge=1)
    """Nearest neighbours that say how typical a candidate is."""
    most_clusters: int = Field(default=500, ge=1)
    """Clusters at most."""

    def select(self, evidence: Evidence, budget: int, rng: np.random.Generator) -> Integers:
        """Distinct candidates, shape (budget,), in the order in which clusters gave them."""
        check_budget(budget, evidence.candidates)
        points = Points.of(evidence.needed_features("typiclust"))
        labelled = [] if evidence.labelled is None else [Points.of(evidence.labelled)]
        done = sum(len(part.values) for part in labelled)
        centres = _centres([points, *labelled], min(budget + done, self.most_clusters), rng)
        given = np.zeros(len(centres.values), dtype=np.int64)
        for part in labelled:
            given += np.bincount(_nearest(part, centres), minlength=len(given))
        return self._pick(points, _members(points, centres), given, budget, rng)

    def _pick(
        self,
        points: Points,
        members: list[Integers],
        given: Integers,
        budget: int,
        rng: np.random.Generator,
    ) -> Integers:
        left = np.array([len(rows) for rows in members])
        small = left < WORTH
        queues: dict[int, list[int]] = {}
        taken: list[int] = []
        while len(taken) < budget:
            cluster = int(np.lexsort((-left, given, small, left == 0))[0])
            if cluster not in queues:
                rows = _some(members[cluster], COMPARED, rng)
                queues[cluster] = rows[
                    np.argsort(-typicality(points.take(rows), self.neighbours))
                ].tolist()
                rest = np.setdiff1d(members[cluster], rows)
                queues[cluster] += rng.permutation(rest).tolist()
            taken.append(queues[cluster].pop(0))
            given[cluster] += 1
            left[cluster] -= 1
        return np.array(taken, dtype=np.int64)


def typicality(points: Points, neighbours: int) -> Doubles:
    """One over the mean distance to the nearest neighbours, shape (N,); higher is more typical.

    Args:
        points: Of one cluster, in memory.
        neighbours: How many, or all others where there are fewer.

    Examples:
        >>> line = Points.of(np.array([[0.0], [1.0], [2.0], [9.0]]))
        >>> typicality(line, 2).round(2)
        array([0.67, 1.  , 0.67, 0.13])
    """
    count = min(neighbours, len(points.values) - 1)
    if count == 0:
        return np.ones(len(points.values))
    found = np.empty(len(points.values))
    for rows, block in points.blocks():
        near = block.square_distances(points)
        near[np.arange(len(near)), np.arange(rows.start, rows.stop)] = np.inf  # not of itself
        found[rows] = np.sqrt(np.partition(near, count - 1, axis=1)[:, :count]).mean(axis=1)
    return 1 / np.maximum(found, np.finfo(np.float32).tiny)


def _centres(parts: list[Points], count: int, rng: np.random.Generator) -> Points:
    """Centres of clusters of all points, learnt from some of them."""
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning

    seen = _sample(parts, rng)
    kind = KMeans if count <= EXACT else MiniBatchKMeans
    seed = int(rng.integers(2**31))
    with warnings.catch_warnings():  # of fewer distinct points than clusters: some stay empty
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = kind(min(count, len(seen)), n_init=3, random_state=seed).fit(seen)
    return Points.of(np.asarray(fitted.cluster_centers_, dtype=seen.dtype))


def _sample(parts: list[Points], rng: np.random.Generator) -> Floats:
    sizes = [len(part.values) for part in parts]
    rows = _some(np.arange(sum(sizes)), LEARNT, rng)
    starts = np.cumsum([0, *sizes])
    inside = [rows[(rows >= a) & (rows < b)] - a for a, b in itertools.pairwise(starts)]
    return np.concatenate([part.take(at).values for part, at in zip(parts, inside, strict=True)])


def _members(points: Points, centres: Points) -> list[Integers]:
    """Which candidates lie nearest to each centre."""
    cluster = _nearest(points, centres)
    order = np.argsort(cluster, kind="stable")
    ends = np.cumsum(np.bincount(cluster, minlength=len(centres.values)))
    return np.split(order, ends[:-1])


def _nearest(points: Points, centres: Points) -> Integers:
    found = np.empty(len(points.values), dtype=np.int64)
    for rows, block in points.blocks():
        found[rows] = block.square_distances(centres).argmin(axis=1)
    return found


def _some(rows: Integers, most: int, rng: np.random.Generator) -> Integers:
    return rows if len(rows) <= most else np.sort(rng.choice(rows, size=most, replace=False))
