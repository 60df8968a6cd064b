"""Turn every volume the same way round."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np

from medgraft.errors import ReadError
from medgraft.prepare.steps import Step, step
from medgraft.read.scan import Scan


@step("orient")
class Orient(Step):
    """Order and flip the axes of a volume so that they run right, anterior, superior (RAS+).

    Only whole axes move: no value changes, and a volume that lies obliquely stays oblique. A
    two-dimensional image is left alone.
    """

    def __call__(self, scan: Scan) -> Scan:
        """The volume in the orientation nearest to RAS+.

        Raises:
            ReadError: If a volume does not say how it lies in the patient.
        """
        if scan.dims == 2:
            return scan
        order, flips = _nearest(scan)
        array = scan.array.transpose(0, *(axis + 1 for axis in order))
        array = array[(slice(None), *(slice(None, None, -1 if flip else 1) for flip in flips))]
        spacing = scan.spacing_mm and tuple(scan.spacing_mm[axis] for axis in order)
        affine = _turned(scan, order, flips)
        return replace(scan, array=np.ascontiguousarray(array), spacing_mm=spacing, affine=affine)


def _nearest(scan: Scan) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """For each of R, A, S: the axis that runs along it most, and whether it runs backwards."""
    if scan.affine is None or abs(np.linalg.det(scan.affine[:3, :3])) < 1e-12:
        raise ReadError(
            scan.source,
            "orient needs to know how the volume lies in the patient, and the file does not say it",
            "Leave orient out if all volumes lie the same way.",
        )
    directions = scan.affine[:3, :3] / np.linalg.norm(scan.affine[:3, :3], axis=0)
    order = max(permutations(range(3)), key=lambda axes: abs(directions[range(3), axes]).sum())
    return order, tuple(bool(flip) for flip in directions[range(3), order] < 0)


def _turned(scan: Scan, order: tuple[int, ...], flips: tuple[bool, ...]) -> np.ndarray:
    """The affine that goes with the new axes."""
    assert scan.affine is not None  # _nearest has refused it
    change = np.zeros((4, 4))
    change[3, 3] = 1
    for new, (old, flip) in enumerate(zip(order, flips, strict=True)):
        change[old, new] = -1 if flip else 1
        change[old, 3] = scan.array.shape[1 + old] - 1 if flip else 0
    return np.asarray(scan.affine @ change)
