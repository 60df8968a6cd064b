"""Precision, recall, density and coverage: do samples look real, and do they show everything?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medgraft.evaluate.check import Floats
from medgraft.generate.quality.distances import check_sets, nearest_other, square_distances


@dataclass(frozen=True)
class Manifold:
    """What each image says; the mean of each array is the measure.

    A ball is drawn around every image, as wide as its k-th nearest neighbour of the same set is
    away. The balls of a set stand for the region that it fills.

    Attributes:
        precise: Per sample, 1 if it lies in a ball of a real image, shape (M,). The mean, precision,
            is the share of samples that look real.
        recalled: Per real image, 1 if it lies in a ball of a sample, shape (N,). The mean, recall, is
            the share of real images that the generator could have made.
        dense: Per sample, the number of balls of real images that it lies in, divided by k, shape
            (M,). The mean, density, is about 1 for real images and can be above it; one outlier among
            the real images cannot raise it much, as it can precision.
        covered: Per real image, 1 if a sample lies in its ball, shape (N,). The mean, coverage, is the
            share of real images with a sample nearby.
    """

    precise: Floats
    recalled: Floats
    dense: Floats
    covered: Floats


def manifold(real: Floats, generated: Floats, k: int = 5) -> Manifold:
    """Compare the regions that two sets of features fill.

    Source: precision and recall: Kynkäänniemi et al. 2019, arXiv:1904.06991; density and coverage:
    Naeem et al. 2020, arXiv:2002.09797. All depend on the numbers of images: compare values of equal
    sets only.

    Args:
        real: Shape (N, D), N above k.
        generated: Shape (M, D), M above k.
        k: Neighbours that decide how wide a ball is: 3 in the first paper, 5 in the second.

    Raises:
        ShapeError, ArgumentError: If the sets cannot be compared, or have not so many images.

    Examples:
        >>> line = np.arange(6.0)[:, None]
        >>> found = manifold(line, line[:3] + 0.1, k=2)
        >>> found.precise.tolist(), found.recalled.tolist(), found.covered.tolist()
        ([1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0, 0.0, 0.0])
    """
    check_sets(real, generated)
    of_real, of_generated = nearest_other(real, k) ** 2, nearest_other(generated, k) ** 2
    dense = np.zeros(len(generated))
    recalled, covered = np.empty(len(real)), np.empty(len(real))
    for part, squares in square_distances(real, generated):
        inside = squares <= of_real[part, None]
        dense += inside.sum(axis=0)
        covered[part] = inside.any(axis=1)
        recalled[part] = (squares <= of_generated).any(axis=1)
    return Manifold((dense > 0).astype(float), recalled, dense / k, covered)
