"""Intersection over union (Jaccard index).

Examples:
    >>> round(iou([[1, 1, 0]], [[0, 1, 1]]), 4)
    0.3333
"""

from __future__ import annotations

from medgraft.evaluate.segmentation.measures import measure
from medgraft.evaluate.segmentation.pair import Pair


@measure("iou", better="higher", both_empty=1.0, source="Jaccard 1912, New Phytologist 11")
def iou(pair: Pair) -> float:
    """|A ∩ B| / |A ∪ B|, in [0, 1]; D / (2 - D) for a Dice coefficient D."""
    return pair.overlap / (pair.truth_voxels + pair.predicted_voxels - pair.overlap)
