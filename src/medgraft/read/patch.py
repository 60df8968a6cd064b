"""A patch of a volume around a place in millimetres, such as a nodule that a table names."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medgraft.read.place import LPS_TO_RAS, lengths

NUMBER = r"(-?\d{1,6}(?:\.\d{1,12})?)"
WORDS = re.compile(rf"at/{NUMBER},{NUMBER},{NUMBER}/(\d{{1,4}})mm")


@dataclass(frozen=True)
class Patch:
    """A cube in the patient.

    Attributes:
        centre_lps: Its centre in millimetres, as files count them: x to the left, y to the back,
            z to the head.
        side_mm: Length of its sides, which lie along the axes of the volume.
    """

    centre_lps: tuple[float, float, float]
    side_mm: int

    @classmethod
    def parse(cls, member: str) -> Patch | None:
        """The patch that is named behind the ``#`` of a path; None if none is.

        Examples:
            >>> Patch.parse("at/-128.7,-175.3,-298/48mm")
            Patch(centre_lps=(-128.7, -175.3, -298.0), side_mm=48)
            >>> Patch.parse("12") is None
            True
        """
        found = WORDS.fullmatch(member)
        if found is None or found[4].strip("0") == "":
            return None
        x, y, z, side = found.groups()
        return cls((float(x), float(y), float(z)), int(side))

    def box(self, affine: np.ndarray, shape: Sequence[int]) -> tuple[slice, ...]:
        """The voxels of the patch, as slices of the three axes of a volume.

        A patch that reaches over the edge ends there. Each side has as many voxels as make up
        `side_mm`, and at least one.

        Args:
            affine: (4, 4), from index to millimetres, RAS+.
            shape: Sizes of the three axes.

        Raises:
            ValueError: If its centre lies outside of the volume, or the affine has no inverse.
        """
        try:
            turned = np.linalg.inv(affine) @ LPS_TO_RAS @ [*self.centre_lps, 1.0]
        except np.linalg.LinAlgError as error:
            raise ValueError("its header places all voxels in one plane") from error
        centre = turned[:3]
        if not all(-0.5 <= c < n - 0.5 for c, n in zip(centre, shape, strict=True)):
            told = ", ".join(f"{c:.1f}" for c in centre)
            raise ValueError(
                f"its centre lies at voxel {told}, outside of {' x '.join(map(str, shape))}"
            )
        sizes = [max(1, round(self.side_mm / step)) for step in lengths(affine, 3)]
        starts = [math.floor(c - n / 2 + 1) for c, n in zip(centre, sizes, strict=True)]
        return tuple(
            slice(max(0, start), min(n, start + size))
            for start, size, n in zip(starts, sizes, shape, strict=True)
        )


def moved(affine: np.ndarray, box: Sequence[slice]) -> np.ndarray:
    """The affine of the voxels in a box of a volume."""
    found = affine.copy()
    found[:3, 3] = affine[:3] @ [*(part.start for part in box), 1.0]
    return found
