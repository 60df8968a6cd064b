"""Normalised surface Dice: the share of both surfaces that lies within a tolerance of the other.

Choose the tolerance as large as two readers differ. Surfaces are counted in boundary voxels;
the publication weighs them by their area, which differs where voxels are not cubes.

Examples:
    >>> surface_dice([[1, 1, 1, 1]], [[1, 1, 0, 0]], tolerance_mm=1)
    0.8333333333333334
"""

from __future__ import annotations

import numpy as np

from medgraft.evaluate.segmentation.measures import measure
from medgraft.evaluate.segmentation.pair import Pair


@measure(
    "surface_dice",
    better="higher",
    both_empty=1.0,
    source="Nikolov et al. 2021, arXiv:1809.04430; boundary voxels instead of area",
)
def surface_dice(pair: Pair) -> float:
    """Share of boundary voxels at most the tolerance away, in [0, 1]; 0 if one mask is empty."""
    # 3 x 0.1 must be within 0.3 whatever the last bits say.
    within = pair.surfaces.joined <= pair.tolerance_mm * (1 + 1e-9)
    return float(np.count_nonzero(within) / len(within))
