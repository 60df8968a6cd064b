"""Mean surface distance, both directions together (average symmetric surface distance).

Examples:
    >>> surface_distance([[1, 0, 0, 0]], [[0, 1, 1, 0]], spacing_mm=(1, 3))
    4.0
"""

from __future__ import annotations

import numpy as np

from medgraft.evaluate.segmentation.measures import measure
from medgraft.evaluate.segmentation.pair import Pair


@measure(
    "surface_distance",
    better="lower",
    range=(0.0, np.inf),
    unit="mm",
    both_empty=0.0,
    needs_both=True,
    source="Heimann et al. 2009, IEEE Transactions on Medical Imaging 28 (ASSD)",
)
def surface_distance(pair: Pair) -> float:
    """Mean distance of all boundary voxels to the other surface, in mm."""
    return float(pair.surfaces.joined.mean())
