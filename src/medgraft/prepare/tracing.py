"""What the steps did to a scan, told on the grid of its file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medgraft.prepare.geometry import Geometry, between, restore, with_place
from medgraft.prepare.pipeline import check_axes, finished
from medgraft.prepare.steps import Erasing, Step, erased
from medgraft.read.scan import Scan


@dataclass(frozen=True, eq=False)
class Traced:
    """A prepared image, and what became of every pixel of its file.

    Attributes:
        array: float32 (C, *S) in [0, 1], as `medgraft.prepare.prepare` gives it.
        geometry: Where it lies in the file.
        kept: bool (*given): pixels of the file that the prepared image shows.
        removed: For each step that erases, in order, what it erased and none before it,
            bool (*given).
        mended: Pixels of the file that were filled from their neighbours, bool (*given).
    """

    array: np.ndarray
    geometry: Geometry
    kept: np.ndarray
    removed: dict[str, np.ndarray]
    mended: np.ndarray


def prepare_traced(scan: Scan, chain: Sequence[Step]) -> Traced:
    """Apply the steps in order, and remember what they erase.

    Raises:
        ReadError: If a step cannot work on this scan, or it has no pixels.
        ArgumentError: If the steps do not bring the values into [0, 1].
    """
    given = with_place(scan, chain)
    size = given.array.shape[1:]
    now, removed, mended = given, dict[str, np.ndarray](), np.zeros(size, bool)
    for step in chain:
        check_axes(now, step)
        if isinstance(step, Erasing):
            kept = step.kept(now)
            lost = removed.setdefault(step.name, np.zeros(size, bool))
            if not kept.all():
                gone = restore(~kept[None], between(given, now))[0].astype(bool)
                lost |= gone & ~np.any([*removed.values()], axis=0)
            now = erased(now, kept)
        elif step.mends:
            done = step(now)
            differs = (done.array != now.array).any(axis=0)
            mended |= restore(differs[None], between(given, now))[0].astype(bool)
            now = done
        else:
            now = step(now)
    array = finished(now)
    geometry = between(given, now)
    shown = restore(np.ones((1, *array.shape[1:]), np.uint8), geometry)[0].astype(bool)
    for lost in removed.values():
        shown &= ~lost
    return Traced(array, geometry, shown, removed, mended)
