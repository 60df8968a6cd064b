"""Dice coefficient: twice the overlap, divided by the sum of both volumes.

The same as F1 over voxels. Small structures lose more of it for the same error at the edge.

Examples:
    >>> dice([[1, 1, 0]], [[0, 1, 1]])
    0.5
    >>> dice([[0, 0]], [[0, 0]])
    1.0
"""

from __future__ import annotations

from medgraft.evaluate.segmentation.measures import measure
from medgraft.evaluate.segmentation.pair import Pair


@measure("dice", better="higher", both_empty=1.0, source="Dice 1945, Ecology 26")
def dice(pair: Pair) -> float:
    """2 |A ∩ B| / (|A| + |B|), in [0, 1]."""
    return 2 * pair.overlap / (pair.truth_voxels + pair.predicted_voxels)
