"""95 % Hausdorff distance: 95 of 100 boundary voxels are at most this far from the other surface.

The percentile is taken of both directions joined. Some libraries (MONAI) take that of each
direction and report the larger one, which is never smaller by more than interpolation.

Examples:
    >>> hd95([[1, 0, 0, 0]], [[0, 0, 0, 1]], spacing_mm=(1, 0.5))
    1.5
    >>> hd95([[1, 0]], [[0, 0]])
    Traceback (most recent call last):
    medgraft.errors.UndefinedMetricError: hd95 needs two masks; the prediction is empty
"""

from __future__ import annotations

import numpy as np

from medgraft.evaluate.segmentation.measures import measure
from medgraft.evaluate.segmentation.pair import Pair


@measure(
    "hd95",
    better="lower",
    range=(0.0, np.inf),
    unit="mm",
    both_empty=0.0,
    needs_both=True,
    source="Huttenlocher et al. 1993; percentile of both directed sets of distances, joined",
)
def hd95(pair: Pair) -> float:
    """95th percentile (linear) of the distances of all boundary voxels, in mm."""
    return float(np.quantile(pair.surfaces.joined, 0.95))
