"""Does a generator memorise? Samples against images that it has never seen, by how near they come."""

from __future__ import annotations

from dataclasses import dataclass
from math import erfc, sqrt
from typing import Any

import numpy as np

from medgraft.errors import UndefinedMetricError
from medgraft.evaluate import check
from medgraft.evaluate.check import Floats
from medgraft.evaluate.delong import delong


@dataclass(frozen=True)
class Copying:
    """Whether samples lie nearer to the training images than unseen images do.

    Attributes:
        share: Chance that a sample lies nearer to its nearest training image than an unseen image
            does to its own: 0.5 if the generator copies as little as reality does, 1 if it always does. Below
            0.5 samples keep away from the training images: they are blurred, or unlike them.
        low: Lower end of its interval.
        high: Upper end of its interval.
        p: Chance of a share at least as large if the true one were 0.5, one-sided. Small: it copies.
    """

    share: float
    low: float
    high: float
    p: float


def copying(
    generated: Floats, unseen: Floats, patients: Any = None, *, confidence: float = 0.95
) -> Copying:
    """Test whether a generator copies its training images.

    The area of Mann and Whitney between the distances of samples and those of unseen images, each
    to its nearest training image. Its variance takes the unseen images of a patient together.

    Copies of a few images among many original samples raise the share only a little: see `copies`.

    Source: Meehan, Chaudhuri and Dasgupta 2020, arXiv:2004.05675, over one cell; variance: DeLong
    1988, Obuchowski 1997.

    Args:
        generated: Distance of each sample to its nearest training image, shape (M,).
        unseen: Likewise of each unseen image, of other patients than those trained on, shape (N,).
        patients: Whose image each unseen one is, shape (N,); None takes them as independent.
        confidence: Of the interval.

    Raises:
        UndefinedMetricError: If there are fewer than 2 of either.

    Examples:
        >>> found = copying(np.array([0.1, 0.2, 0.3, 2.5]), np.array([1.0, 2.0, 3.0, 4.0]))
        >>> round(found.share, 3), round(found.p, 4)
        (0.875, 0.0047)
    """
    if min(len(generated), len(unseen)) < 2:
        raise UndefinedMetricError(
            "copying needs at least 2 samples and 2 unseen images, got"
            f" {len(generated)} and {len(unseen)}. Split the index so that some stay unseen."
        )
    units = check.units(patients, len(unseen))
    whose = np.concatenate([units.count + np.arange(len(generated)), units.of_row])
    nearness = -np.concatenate([generated, unseen])
    truth = np.repeat([1.0, 0.0], [len(generated), len(unseen)])
    found = delong(truth, np.zeros(len(truth)), nearness, whose, confidence=confidence)
    p = _above(found.difference, found.error)
    return Copying(found.second, max(0.0, 0.5 + found.low), min(1.0, 0.5 + found.high), p)


def _above(difference: float, error: float) -> float:
    """Chance of so large a difference or a larger one, if there were none."""
    if error == 0:
        return 0.5 if difference == 0 else float(difference < 0)
    return erfc(difference / error / sqrt(2)) / 2


def copies(generated: Floats, unseen: Floats, *, share: float = 0.01) -> Floats:
    """Which samples lie nearer to a training image than nearly all unseen images do, shape (M,).

    Args:
        generated: Distance of each sample to its nearest training image, shape (M,).
        unseen: Likewise of each unseen image, shape (N,).
        share: Of unseen images that lie as near: so many of original samples are marked, too.

    Returns:
        1 where a sample looks like a copy, else 0.

    Examples:
        >>> copies(np.array([0.0, 0.5, 2.0]), np.array([1.0, 2.0, 3.0]))
        array([1., 1., 0.])
    """
    return (generated < np.quantile(unseen, share, method="lower")).astype(float)
