"""Whether a classifier can tell the images of two archives apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medgraft.advise.frechet import between
from medgraft.advise.probe import probe


@dataclass(frozen=True)
class Apart:
    """How far two archives lie apart in the features of one stage.

    Attributes:
        error: Share of images that a classifier, judged on patients it never saw, gives to the wrong
            archive: 0 tells all apart, 0.5 none. None with fewer than two patients in one.
        proxy_a: 2 (1 - 2 error): 0 if they cannot be told apart, 2 if always (Ben-David et al.
            2007, "Analysis of representations for domain adaptation").
        frechet: See `medgraft.advise.frechet.between`; None if the source does not vary.
    """

    error: float | None
    proxy_a: float | None
    frechet: float | None


def tell_apart(
    target: np.ndarray, source: np.ndarray, patients: np.ndarray, source_patients: np.ndarray
) -> Apart:
    """Compare equal numbers of features.

    Args:
        target: Shape (N, D).
        source: Shape (N, D).
        patients: Of the target, shape (N,).
        source_patients: Of the source, shape (N,).
    """
    features = np.concatenate([target, source])
    archive = np.repeat([1.0, 0.0], [len(target), len(source)])
    groups = np.array(
        [f"target {name}" for name in patients] + [f"source {name}" for name in source_patients]
    )
    probability = probe(features, archive[:, None], groups, kind="independent")[:, 0]
    distance = between(target, source)
    frechet = None if np.isnan(distance) else distance
    if np.isnan(probability).all():
        return Apart(None, None, frechet)
    # an error above a half is that of a classifier that learnt nothing
    error = min(float(((probability > 0.5) != archive).mean()), 0.5)
    return Apart(error, 2 * (1 - 2 * error), frechet)
