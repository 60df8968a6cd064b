"""Keep the breast on a mammogram, and erase all that lies beside it."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from medgraft.errors import ReadError
from medgraft.prepare.steps import Erasing, step
from medgraft.prepare.steps._breast import find_breast
from medgraft.prepare.steps._film import enlarged, reduced
from medgraft.read.scan import Scan

LEAST = 0.02  # share of the film that a breast covers at least


@step("keep_breast", example="keep_breast:missing=keep")
class KeepBreast(Erasing):
    """Blacken side markers, film numbers, vendor text, dirt and air: all but the breast.

    The breast is the largest part that is brighter than the air of this very film; what hangs on
    it by a thread, and what lies nearer to a letter than to the breast, does not belong to it.
    Skin, nipple, the muscle of the chest and folds of the body stay.
    """

    dims: ClassVar[frozenset[int]] = frozenset({2})
    missing: Literal["refuse", "keep"] = "refuse"
    """What becomes of a film without a breast: refused, or kept whole."""

    def kept(self, scan: Scan) -> np.ndarray:
        """The breast, bool (rows, columns).

        Raises:
            ReadError: If no breast is found and such films are to be refused.
        """
        small = reduced(scan)
        found = find_breast(small)
        if found.mean() >= LEAST:
            return enlarged(found, scan.array.shape[1:])
        if self.missing == "refuse":
            raise ReadError(
                scan.source,
                "no breast was found on it: nothing bright covers as much as a fiftieth of the film",
                "Look at the film; leave it out, or pass keep_breast:missing=keep to keep it whole.",
            )
        return np.ones(scan.array.shape[1:], bool)
