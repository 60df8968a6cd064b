"""Spacing and place in the patient of a DICOM image, from its tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medgraft.read.place import affine_from_lps

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

# What says the distance of pixels, in the order of trust: in the patient, at the detector
# (projection films, not corrected for magnification), on the scanned film.
SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
EVEN = 0.02  # share of the spacing by which a gap may differ; positions are rounded text
ROUNDING_MM = 0.01


@dataclass(frozen=True)
class Plane:
    """One slice in the patient, in millimetres, in DICOM's own frame.

    Attributes:
        position: Centre of the first pixel, shape (3,).
        down: Unit vector from one row to the next, shape (3,).
        right: Unit vector from one column to the next, shape (3,).
    """

    position: np.ndarray
    down: np.ndarray
    right: np.ndarray

    @property
    def normal(self) -> np.ndarray:
        """Unit vector across the slice, shape (3,)."""
        across: np.ndarray = np.cross(self.right, self.down)
        return across


def spacing(tags: Dataset, *groups: Dataset) -> tuple[float, float] | None:
    """Distance of rows and of columns in millimetres; None where the file does not say."""
    for holder in (tags, *groups):
        for keyword in SPACINGS:
            values = numbers(holder.get(keyword), 2)
            if values is not None and min(values) > 0:
                return values[0], values[1]
    return None


def plane(tags: Dataset, *groups: Dataset) -> Plane | None:
    """Where a slice lies; None where the file does not say, or says what cannot be."""
    holders = (tags, *groups)
    position = _first(holders, "ImagePositionPatient", 3)
    turned = _first(holders, "ImageOrientationPatient", 6)
    if position is None or turned is None:
        return None
    right, down = np.array(turned[:3]), np.array(turned[3:])
    size = np.linalg.norm(right), np.linalg.norm(down)
    if not np.allclose(size, 1, atol=0.01) or abs(right @ down) > 0.01:
        return None
    return Plane(np.array(position), down / size[1], right / size[0])


def _first(holders: Sequence[Dataset], keyword: str, count: int) -> list[float] | None:
    found = (numbers(holder.get(keyword), count) for holder in holders)
    return next((values for values in found if values is not None), None)


def numbers(value: object, count: int) -> list[float] | None:
    """`count` finite numbers of a tag, or None if it holds anything else."""
    try:
        values = [float(x) for x in value]  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        return None
    return values if len(values) == count and np.isfinite(values).all() else None


def picture(tags: Dataset, *groups: Dataset) -> tuple[tuple[float, ...] | None, np.ndarray | None]:
    """Spacing (rows, columns) and affine of one slice; its third axis is the slice's normal."""
    found, where = spacing(tags, *groups), plane(tags, *groups)
    if found is None or where is None:
        return found, None
    steps = [where.down * found[0], where.right * found[1], where.normal]
    return found, affine_from_lps(steps, where.position)


def stack(
    planes: Sequence[Plane], inner: tuple[float, float]
) -> tuple[tuple[float, ...], np.ndarray] | None:
    """Spacing and affine of parallel slices at even distances; None if they are not that."""
    heights = projected(planes)
    if len(planes) < 2 or heights is None:
        return None
    gaps = np.diff(heights)
    usual = float(np.median(gaps))
    if abs(usual) < ROUNDING_MM or uneven(gaps).any():
        return None
    step = (planes[-1].position - planes[0].position) / (len(planes) - 1)  # may be sheared
    between = float(np.linalg.norm(step))
    steps = [step, planes[0].down * inner[0], planes[0].right * inner[1]]
    return (between, *inner), affine_from_lps(steps, planes[0].position)


def projected(planes: Sequence[Plane]) -> np.ndarray | None:
    """Height of each slice along the normal of the first; None if they are not parallel."""
    first = planes[0]
    for other in planes:
        if not np.allclose(other.right, first.right, atol=1e-3):
            return None
        if not np.allclose(other.down, first.down, atol=1e-3):
            return None
    return np.array([other.position @ first.normal for other in planes])


def uneven(gaps: np.ndarray) -> np.ndarray:
    """Which gaps differ from the usual one by more than rounding, shape as `gaps`."""
    usual = np.median(gaps)
    wrong: np.ndarray = np.abs(gaps - usual) > max(EVEN * abs(usual), ROUNDING_MM)
    return wrong
