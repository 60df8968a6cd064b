"""Volume difference: predicted minus true volume (area in 2-D).

Signed, so that its mean over images shows a habit of drawing too much or too little; it says
nothing about place, and errors of both signs cancel.

Examples:
    >>> volume_difference([[1, 1, 0]], [[0, 1, 0]], spacing_mm=(2, 0.5))
    -1.0
"""

from __future__ import annotations

import numpy as np

from medgraft.evaluate.segmentation.measures import measure
from medgraft.evaluate.segmentation.pair import Pair


@measure(
    "volume_difference",
    better="zero",
    range=(-np.inf, np.inf),
    unit="mm^d",
    both_empty=0.0,
    source="(|B| - |A|) times the volume of a voxel",
)
def volume_difference(pair: Pair) -> float:
    """Predicted minus true volume, in mm³ (mm² in 2-D)."""
    return (pair.predicted_voxels - pair.truth_voxels) * pair.voxel_volume
