"""Does a generator repeat itself? How far samples spread, and how many are twins."""

from __future__ import annotations

import numpy as np

from medgraft.evaluate.check import Floats
from medgraft.generate.quality.distances import check_sets, nearest_other


def spread_of_counts(
    real: Floats, generated: Floats, real_counts: Floats, generated_counts: Floats
) -> Floats:
    """How far samples lie from one another, in units of how far real images do, shape (R,).

    The ratio of the roots of the mean squared distance between two images of a set. 1 is as
    various as reality, 0 is one image for ever. Few images that lie far apart can have a ratio of 1:
    see `twins`.

    Args:
        real: Shape (N, D), N at least 2.
        generated: Shape (M, D), M at least 2.
        real_counts: How often each of R replicates counts each image, shape (R, N).
        generated_counts: Likewise, shape (R, M).

    Returns:
        At least 0; NaN where the real images do not vary.

    Examples:
        >>> line = np.array([[0.0], [2.0]])
        >>> spread_of_counts(line, line / 4, np.ones((1, 2)), np.ones((1, 2)))
        array([0.25])
    """
    check_sets(real, generated, least=2)
    own, theirs = _variance(real, real_counts), _variance(generated, generated_counts)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(own > 0, np.sqrt(theirs / own), np.nan)


def _variance(rows: Floats, counts: Floats) -> Floats:
    """Total variance, half the mean squared distance of pairs of different draws."""
    rows = rows - rows.mean(axis=0)
    total = counts.sum(axis=1)
    mean = counts @ rows / total[:, None]
    squares = counts @ (rows**2).sum(axis=1) / total
    variance: Floats = np.maximum(squares - (mean**2).sum(axis=1), 0.0) * total / (total - 1)
    return variance


def twins(real: Floats, generated: Floats, *, share: float = 0.01) -> Floats:
    """Which samples have another sample nearer than nearly all real images have a real one, (M,).

    Sets of equal size should be compared: among more images the nearest is nearer.

    Args:
        real: Shape (N, D), N at least 2.
        generated: Shape (M, D), M at least 2.
        share: Of real images that have another as near: so many samples are marked if nothing is wrong.

    Returns:
        1 where a sample has a twin, else 0.

    Examples:
        >>> real = np.array([[0.0], [1.0], [2.0], [3.5]])
        >>> twins(real, np.array([[0.0], [0.1], [5.0], [9.0]]))
        array([1., 1., 0., 0.])
    """
    check_sets(real, generated, least=2)
    near = np.quantile(nearest_other(real), share, method="lower")
    return (nearest_other(generated) < near).astype(float)
