"""Measures: numbers that judge the predicted mask of one class in one image.

To add one, add a module to this folder with a function from a `Pair` to a number. Declare what
it is where both masks are empty, and whether it is undefined where only one is. Its contract
is checked by ``tests/evaluate/test_segmentation_measures.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from medgraft.errors import ArgumentError, UndefinedMetricError
from medgraft.evaluate.segmentation.pair import Pair, pair
from medgraft.registry import Registry

Formula = Callable[[Pair], float]
Unit = Literal["", "mm", "mm^d"]


@dataclass(frozen=True)
class Measure:
    """One number about one class in one image; call it with the truth and what it reads.

    Attributes:
        name: As in `evaluation.json`.
        better: Whether a higher value, a lower one, or one nearer to zero is better.
        range: Least and greatest value it can take.
        unit: "" for a share, "mm" for a distance, "mm^d" for a volume (mm³) or area (mm²).
        both_empty: Its value where the class is neither there nor predicted.
        needs_both: Whether it is undefined where one of the two masks is empty.
        reads: "mask", or "probability": a map in [0, 1].
        source: Where it is defined.
        formula: From a pair of masks, not both empty, to the value.
    """

    name: str
    better: Literal["higher", "lower", "zero"]
    range: tuple[float, float]
    unit: Unit
    both_empty: float
    needs_both: bool
    reads: Literal["mask", "probability"]
    source: str
    formula: Formula

    def __call__(
        self, truth: Any, prediction: Any, *, spacing_mm: Any = None, tolerance_mm: float = 1.0
    ) -> float:
        """The value for these masks.

        Args:
            truth: Where the class is: zeros and ones or booleans, shape (*S), 2-D or 3-D.
            prediction: A mask of that shape, or for a measure that reads probabilities a map.
            spacing_mm: Distance of neighbouring voxels along each axis; None: 1 each, and
                lengths are in voxels.
            tolerance_mm: How far a surface may be off (read by `surface_dice` only).

        Raises:
            UndefinedMetricError: If one mask is empty and the measure needs both.
            ArgumentError: If a mask is no mask, or a number is out of its range.
            ShapeError: If shapes differ, or are neither 2-D nor 3-D.
        """
        probability = None
        if self.reads == "probability":
            probability = np.asarray(prediction)
            prediction = probability >= 0.5
        both = pair(
            truth,
            prediction,
            spacing_mm=spacing_mm,
            tolerance_mm=tolerance_mm,
            probability=probability,
        )
        value = self.of(both)
        if value is None:
            which = "truth" if not both.truth_voxels else "prediction"
            raise UndefinedMetricError(f"{self.name} needs two masks; the {which} is empty")
        return value

    def of(self, both: Pair) -> float | None:
        """The value by the declared policy for empty masks; None where undefined."""
        if both.empty == 2 and self.reads == "mask":
            return self.both_empty
        if both.empty and self.needs_both:
            return None
        if self.reads == "probability" and both.probability is None:
            raise ArgumentError(f"{self.name} reads probabilities, and none were given")
        return float(self.formula(both))


measures: Registry[Measure] = Registry("segmentation measure", __name__)


def measure(
    name: str,
    *,
    better: Literal["higher", "lower", "zero"],
    range: tuple[float, float] = (0.0, 1.0),  # noqa: A002 (the word that tables and reports use)
    unit: Unit = "",
    both_empty: float,
    needs_both: bool = False,
    reads: Literal["mask", "probability"] = "mask",
    source: str,
) -> Callable[[Formula], Measure]:
    """Register a formula as the measure `name`."""

    def register(formula: Formula) -> Measure:
        made = Measure(name, better, range, unit, both_empty, needs_both, reads, source, formula)
        return measures.add(name, made)

    return register
