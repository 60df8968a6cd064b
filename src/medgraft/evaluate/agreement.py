"""How far readers agree beyond chance: Cohen's and Fleiss' kappa."""

from __future__ import annotations

import numpy as np

from medgraft.evaluate.check import Floats
from medgraft.evaluate.sample import ratio


def cohen_kappa(tables: Floats) -> Floats:
    """Agreement of two readers about the same images, chance removed.

    Cohen 1960, "A coefficient of agreement for nominal scales". Not a measure of who is right.
    It depends on how frequent the classes are: two readers who agree on 95 of 100 images have
    a low kappa where 95 of 100 images are normal.

    Args:
        tables: Counts, shape (R, K, K): how often the first reader said class i while the second
            said class j.

    Returns:
        Shape (R,), at most 1; 0 is what chance gives; NaN where chance alone agrees on everything,
        or nothing was counted.

    Examples:
        >>> cohen_kappa(np.array([[[20.0, 5.0], [10.0, 15.0]]])).round(3)
        array([0.4])
    """
    total = tables.sum(axis=(1, 2))
    observed = ratio(np.einsum("rkk->r", tables), total)
    by_chance = ratio(np.einsum("rk,rk->r", tables.sum(axis=2), tables.sum(axis=1)), total**2)
    return _beyond_chance(observed, by_chance)


def fleiss_kappa(votes: Floats, counts: Floats) -> Floats:
    """Agreement of several readers, not necessarily the same for every image, chance removed.

    Fleiss 1971, "Measuring nominal scale agreement among many raters".

    Args:
        votes: How many readers gave each image each class, shape (N, K); every row has the same
            sum, at least 2.
        counts: How often each image is counted, shape (R, N).

    Returns:
        Shape (R,), as `cohen_kappa`.

    Examples:
        >>> votes = np.array([[2.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
        >>> fleiss_kappa(votes, np.ones((1, 3))).round(3)
        array([0.333])
    """
    readers = votes[0].sum() if len(votes) else 2.0
    alike = (votes * (votes - 1)).sum(axis=1) / (readers * (readers - 1))
    images = counts.sum(axis=1)
    observed = ratio(counts @ alike, images)
    shares = ratio(counts @ votes, (readers * images)[:, None])
    return _beyond_chance(observed, (shares**2).sum(axis=1))


def _beyond_chance(observed: Floats, by_chance: Floats) -> Floats:
    return ratio(observed - by_chance, np.where(by_chance < 1 - 1e-12, 1 - by_chance, 0.0))
