"""IoU averaged over the thresholds 0.5, 0.55, ..., 0.95 at which a probability is called positive.

The number that the papers on generic self-supervised models of volumes report. Unlike the
IoU at one threshold it asks for probabilities that are sure. At a threshold where nothing is
called and nothing is there, the IoU is 1, as elsewhere.

Examples:
    Found in full up to 0.75, that is at six of ten thresholds.

    >>> round(iou_over_thresholds([[1, 1, 0]], [[0.76, 0.76, 0.1]]), 4)
    0.6
"""

from __future__ import annotations

import numpy as np

from medgraft.evaluate.segmentation.measures import measure
from medgraft.evaluate.segmentation.pair import Pair

THRESHOLDS = np.arange(50, 100, 5) / 100


@measure(
    "iou_over_thresholds",
    better="higher",
    both_empty=1.0,
    reads="probability",
    source="Zhou et al. 2021, Medical Image Analysis 67, arXiv:2004.07882",
)
def iou_over_thresholds(pair: Pair) -> float:
    """Mean over ten thresholds of |A ∩ B| / |A ∪ B|, in [0, 1]; at or above is called."""
    probability = np.asarray(pair.probability)
    # How many thresholds each voxel reaches says all: ten masks are never made. They are
    # compared in the precision of the map, so that 0.55 in float32 reaches 0.55.
    steps = THRESHOLDS.astype(probability.dtype)
    sure = probability >= steps[0]
    reached = np.searchsorted(steps, probability[sure], side="right")
    called, hit = (
        np.bincount(which, minlength=len(steps) + 1)[::-1].cumsum()[::-1][1:]
        for which in (reached, reached[pair.truth[sure]])
    )
    union = pair.truth_voxels + called - hit
    return float(np.where(union > 0, hit / np.maximum(union, 1), 1.0).mean())
