"""Turn films round that were saved with a white ground."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np

from medgraft.prepare.steps import Step, ground_of, step
from medgraft.prepare.steps._film import reduced
from medgraft.read.scan import Scan

RIM = 20  # the rim is a twentieth of the shorter side wide
WHITE, BLACK = 0.85, 0.15  # of the film's range
SURPLUS = 0.15  # of white over black in the rim, in shares of it: none of 322 real films has it


@step("dark_ground")
class DarkGround(Step):
    """Make what was little exposed dark, as in DICOM, where it was saved the other way round.

    Much more white than black in the rim of the image, where air is, and more in all of it, mean
    that the film is inverted. A frame of light box around a film is white too, so in doubt
    nothing is done.
    """

    dims: ClassVar[frozenset[int]] = frozenset({2})

    def __call__(self, scan: Scan) -> Scan:
        """The scan, its values mirrored within its range if its rim is white."""
        small = reduced(scan)
        if _surplus(_rim(small)) <= SURPLUS or _surplus(small) <= 0:
            return scan
        low = ground_of(scan)
        high = float(scan.array.max()) if scan.value_range is None else scan.value_range[1]
        kind = scan.array.dtype
        turned = (low + high) - scan.array.astype(np.float64)
        return replace(scan, array=turned.astype(kind))


def _surplus(values: np.ndarray) -> float:
    return float((values > WHITE).mean() - (values < BLACK).mean())


def _rim(small: np.ndarray) -> np.ndarray:
    width = max(1, min(small.shape) // RIM)
    outer = np.ones(small.shape, bool)
    outer[width:-width, width:-width] = False
    return small[outer]
