"""Let all breasts face one way."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np

from medgraft.prepare.grids import moved
from medgraft.prepare.steps import Step, step
from medgraft.prepare.steps._breast import chest_is_left
from medgraft.prepare.steps._film import reduced
from medgraft.read.scan import Scan


@step("chest_left")
class ChestLeft(Step):
    """Mirror films whose chest wall lies to the right, so that it lies to the left in all.

    The chest wall is on the side where the breast is widest. Files seldom say it, and what they
    say of left and right is about the patient: films are scanned either way round.
    """

    dims: ClassVar[frozenset[int]] = frozenset({2})

    def __call__(self, scan: Scan) -> Scan:
        """The scan, mirrored if its chest wall lies to the right."""
        if chest_is_left(reduced(scan)):
            return scan
        array = np.ascontiguousarray(scan.array[:, :, ::-1])
        done = moved(scan, array, scales=[1.0, -1.0], offsets=[0.0, float(array.shape[2] - 1)])
        return replace(done, spacing_mm=scan.spacing_mm)  # a distance has no sign
