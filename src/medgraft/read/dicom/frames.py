"""Where the frames of one multi-frame DICOM file lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medgraft.read.dicom import place
from medgraft.read.place import affine_from_lps

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

MACROS = ("PixelMeasuresSequence", "PlanePositionSequence", "PlaneOrientationSequence")
Placed = tuple[tuple[float, ...] | None, np.ndarray | None]


def placed(data: Dataset, frames: int) -> Placed:
    """Spacing (frames, rows, columns) and affine; None for what the file does not say.

    The frames stay in the order of the file: their numbers mean something to those who
    labelled them. Frames that are no even stack of slices (films, several directions)
    have neither.
    """
    shared = data.get("SharedFunctionalGroupsSequence") or []
    own = data.get("PerFrameFunctionalGroupsSequence") or []
    if len(own) == frames:
        common = macros(shared[0]) if shared else []
        groups = [(*macros(group), *common) for group in own]
        inner = place.spacing(data, *groups[0])
        planes = [found for group in groups if (found := place.plane(data, *group))]
        if inner is not None and len(planes) == frames:
            return place.stack(planes, inner) or (None, None)
    return _offsets(data, frames)


def macros(group: Dataset) -> list[Dataset]:
    """The parts of a functional group that say where a frame lies."""
    return [group[macro].value[0] for macro in MACROS if group.get(macro)]


def _offsets(data: Dataset, frames: int) -> Placed:
    """The stack of a dose grid, or of a file that gives one distance for all frames."""
    inner, first = place.spacing(data), place.plane(data)
    heights = place.numbers(data.get("GridFrameOffsetVector"), frames)
    if heights is not None and frames > 1 and not place.uneven(np.diff(heights)).any():
        between = (heights[-1] - heights[0]) / (frames - 1)
    else:
        between = float(data.get("SpacingBetweenSlices") or 0)
    if inner is None or between == 0:
        return None, None
    distances = (abs(between), *inner)
    if first is None:
        return distances, None
    steps = [first.normal * between, first.down * inner[0], first.right * inner[1]]
    return distances, affine_from_lps(steps, first.position)
