"""Where the values of an array lie in the patient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Vector = Sequence[float] | np.ndarray

# DICOM, NRRD's "left-posterior-superior" and MetaImage count x to the left and y to the back;
# Scan counts to the right and to the front, as NIfTI does.
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def affine_from_lps(steps: Sequence[Vector], origin: Vector) -> np.ndarray:
    """The affine of an array whose axes and origin are given in the frame of DICOM.

    Args:
        steps: For each of three axes, the way in millimetres from one index to the next,
            (x to the left, y to the back, z to the head).
        origin: Centre of the element (0, 0, 0), in millimetres, same frame.

    Returns:
        Shape (4, 4), from index to millimetres, RAS+.

    Examples:
        >>> affine_from_lps([(0, 0, 5), (0, 2, 0), (1, 0, 0)], (10, 20, 30))
        array([[  0.,   0.,  -1., -10.],
               [  0.,  -2.,   0., -20.],
               [  5.,   0.,   0.,  30.],
               [  0.,   0.,   0.,   1.]])
    """
    affine = np.eye(4)
    affine[:3, :3] = np.array(steps, dtype=np.float64).T
    affine[:3, 3] = origin
    return LPS_TO_RAS @ affine + 0.0  # adding zero turns -0. into 0.


def lengths(affine: np.ndarray, dims: int) -> tuple[float, ...]:
    """Distance between neighbours along the first `dims` axes, in millimetres."""
    return tuple(float(x) for x in np.linalg.norm(affine[:3, :dims], axis=0))
