"""The planes in which a volume is looked at, as radiologists look at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Of the world: which axis (right, front, head) and which way. A slice is seen as if the patient
# faced the reader, or lay with the feet towards them: the patient's right side is on the left.
VIEWS = {
    "axial": ((2, 1), (1, -1), (0, -1)),  # from the feet to the head; rows to the back
    "coronal": ((1, -1), (2, -1), (0, -1)),  # from the front to the back; rows to the feet
    "sagittal": ((0, -1), (2, -1), (1, -1)),  # from the right to the left; columns to the back
}
LETTERS = ("LR", "PA", "IS")  # of each axis of the world, its low end and its high end


@dataclass(frozen=True)
class Plane:
    """One way of cutting a volume into slices.

    Attributes:
        name: "axial", "coronal" or "sagittal"; "slices" where the file does not say how the
            volume lies.
        axes: Of the array: the one that the slices follow each other along, rows, columns.
        flips: Whether each of these is turned round.
        sides: Letters at the upper, right, lower and left side of each slice (R is the right
            side of the patient); None where nobody knows.
    """

    name: str
    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool] = (False, False, False)
    sides: tuple[str, str, str, str] | None = None

    def slices(self, array: np.ndarray) -> np.ndarray:
        """A view of an array (I, J, K), with more axes after these, as (slices, rows, columns)."""
        turned = np.moveaxis(array, self.axes, (0, 1, 2))
        backwards = tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)
        view: np.ndarray = turned[backwards]
        return view

    def lengths_mm(
        self, shape: Sequence[int], spacing_mm: Sequence[float] | None
    ) -> tuple[float, float]:
        """Height and width of a slice; in voxels where the file does not say more."""
        steps = spacing_mm or (1.0, 1.0, 1.0)
        _, rows, columns = self.axes
        return shape[rows] * steps[rows], shape[columns] * steps[columns]


def planes_of(affine: np.ndarray | None) -> tuple[Plane, ...]:
    """The three planes of a volume that lies at `affine`; its own slices where that is unknown.

    A volume that lies obliquely is cut along its own axes, called by the nearest directions.

    Args:
        affine: (4, 4), RAS+.

    Examples:
        >>> [(plane.name, plane.axes, plane.sides) for plane in planes_of(np.eye(4))][:2]
        [('axial', (2, 1, 0), ('A', 'L', 'P', 'R')), ('coronal', (1, 2, 0), ('S', 'L', 'I', 'R'))]
    """
    own = (Plane("slices", (0, 1, 2)),)
    if affine is None:
        return own
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    towards = affine[:3, :3] / np.where(lengths > 0, lengths, 1)
    of_world = [int(axis) for axis in np.abs(towards).argmax(axis=1)]
    if len(set(of_world)) < 3:
        return own
    return tuple(_plane(name, view, of_world, towards) for name, view in VIEWS.items())


def _plane(
    name: str, view: Sequence[tuple[int, int]], of_world: Sequence[int], towards: np.ndarray
) -> Plane:
    through, down, across = (of_world[world] for world, _ in view)
    past, below, beside = (bool(towards[w, of_world[w]] * way < 0) for w, way in view)
    ends = [LETTERS[world][::way] for world, way in view]  # where it begins, where it ends
    sides = (ends[1][0], ends[2][1], ends[1][1], ends[2][0])
    return Plane(name, (through, down, across), (past, below, beside), sides)
