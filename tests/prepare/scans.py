"""Small scans of all kinds for the tests of this folder."""

import numpy as np

from medgraft.read.scan import Scan

AFFINES = {  # by number of spatial axes: an oblique place in the patient
    2: np.array([[0.1, 0.7, 0, -20], [0.5, 0.1, 0, 3], [0.1, 0.0, 1, 5], [0, 0, 0, 1]]),
    3: np.array([[0.1, -0.7, 0, -20], [0.5, 0.1, 0.2, 3], [0.1, 0.0, 2, 5], [0, 0, 0, 1]]),
}


def scan(size, *, channels=1, dtype=np.uint8, seed=0, placed=True):
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        array = rng.integers(info.min, info.max, (channels, *size), dtype, endpoint=True)
        value_range = (float(info.min), float(info.max)) if dtype.kind == "u" else None
    else:
        array = rng.normal(-300, 500, (channels, *size)).astype(dtype)
        value_range = None
    affine = AFFINES[len(size)].copy() if placed else None
    spacing = (placed and tuple(np.linalg.norm(affine[:3, : len(size)], axis=0).tolist())) or None
    return Scan(array, spacing, affine, source="made up", value_range=value_range)
