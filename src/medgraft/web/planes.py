"""How a scan lies on a screen: which of its axes run across, down and into the depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medgraft.read import Scan

# As a reader of films expects it: the patient is seen from the feet or from the front, so that
# the patient's right is on the left of the screen.
SEEN = {  # name: letters that lie in the depth, at the top and on the left
    "axial": ("S", "A", "R"),
    "coronal": ("A", "S", "R"),
    "sagittal": ("R", "S", "A"),
}
LETTERS = (("R", "L"), ("A", "P"), ("S", "I"))  # towards the end and the beginning of RAS+


@dataclass(frozen=True)
class Plane:
    """One way to lay a scan on a screen.

    Attributes:
        name: "axial", "coronal" or "sagittal"; "picture" or "frames" where the file does not say.
        axes: Spatial axes of the array that run into the depth (None for a flat image), down
            and across.
        backwards: Whether each of them is shown from its end.
        slices: How many slices there are.
        shape: Rows and columns of one of them.
        spacing_mm: Distance of rows and of columns; None where unknown.
        sides: Where the patient's top, right, bottom and left of the screen lie: "R", "L", "A",
            "P", "S", "I"; None where the file does not say.
    """

    name: str
    axes: tuple[int | None, int, int]
    backwards: tuple[bool, bool, bool]
    slices: int
    shape: tuple[int, int]
    spacing_mm: tuple[float, float] | None
    sides: tuple[str, str, str, str] | None

    def cut(self, array: np.ndarray, number: int) -> np.ndarray:
        """One slice of the scan's array (*spatial), or of a coarser one over the same extent."""
        depth, down, across = self.axes
        if depth is not None:
            cells = array.shape[depth]
            place = int((number + 0.5) * cells / self.slices)
            array = array.take(cells - 1 - place if self.backwards[0] else place, axis=depth)
        if down > across:
            array = array.T
        return array[tuple(slice(None, None, -1 if b else None) for b in self.backwards[1:])]


def planes(scan: Scan) -> tuple[Plane, ...]:
    """Every way to look at a scan, the usual one first.

    Of a volume that says how it lies that is the plane in which it was taken: the one across
    its widest spacing, the axial one where all are alike. A flat image lies in one plane; where
    the file does not say how, its first axis runs down and its second across.
    """
    letters = _letters(scan)
    if letters is None:
        flat = scan.dims == 2
        axes = (None, 0, 1) if flat else (0, 1, 2)
        return (_plane(scan, "picture" if flat else "frames", axes, (False, False, False)),)
    found = [one for name in SEEN if (one := _seen(scan, name, letters)) is not None]
    spacing = scan.spacing_mm or (1.0,) * scan.dims
    return tuple(
        sorted(found, key=lambda one: 0 if one.axes[0] is None else -round(spacing[one.axes[0]], 3))
    )


def _seen(scan: Scan, name: str, letters: Sequence[str]) -> Plane | None:
    """The scan in a plane; None for the planes in which a flat image does not lie."""
    axes: list[int | None] = []
    backwards = []
    for wanted in SEEN[name]:
        pair = next(pair for pair in LETTERS if wanted in pair)
        axis = next((k for k, letter in enumerate(letters) if letter in pair), None)
        axes.append(axis)
        # on the screen an axis begins at the letter that is wanted, in the depth it ends there
        backwards.append(axis is not None and (letters[axis] == wanted) == bool(axes[1:]))
    depth, down, across = axes
    if down is None or across is None:
        return None
    return _plane(scan, name, (depth, down, across), (backwards[0], backwards[1], backwards[2]))


def _plane(
    scan: Scan,
    name: str,
    axes: tuple[int | None, int, int],
    backwards: tuple[bool, bool, bool],
) -> Plane:
    depth, down, across = axes
    shape = scan.array.shape[1:]
    letters = _letters(scan)
    spacing = scan.spacing_mm
    return Plane(
        name,
        axes,
        backwards,
        slices=1 if depth is None else shape[depth],
        shape=(shape[down], shape[across]),
        spacing_mm=None if spacing is None else (spacing[down], spacing[across]),
        sides=None if letters is None else _sides(letters[down], letters[across], backwards[1:]),
    )


def _sides(down: str, across: str, backwards: Sequence[bool]) -> tuple[str, str, str, str]:
    """Top, right, bottom, left, from where the two axes run in the array."""
    bottom, top = (down, _opposite(down))[:: -1 if backwards[0] else 1]
    right, left = (across, _opposite(across))[:: -1 if backwards[1] else 1]
    return top, right, bottom, left


def _opposite(letter: str) -> str:
    pair = next(pair for pair in LETTERS if letter in pair)
    return pair[1 - pair.index(letter)]


def _letters(scan: Scan) -> tuple[str, ...] | None:
    """Where in the patient each spatial axis runs to; None if the file does not say."""
    if scan.affine is None or abs(np.linalg.det(scan.affine[:3, :3])) < 1e-12:
        return None
    from nibabel.orientations import io_orientation

    towards = io_orientation(scan.affine)[: scan.dims]
    if not np.isfinite(towards).all():
        return None
    return tuple(LETTERS[int(axis)][0 if sign > 0 else 1] for axis, sign in towards)
