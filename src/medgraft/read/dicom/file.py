"""One DICOM file as a scan, and its tags as an identity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medgraft.read.dicom import frames, loading, pixels, place, values
from medgraft.read.request import Request
from medgraft.read.scan import Scan
from medgraft.read.tags import Identity

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def read_file(request: Request) -> Scan:
    """One DICOM file: (C, rows, columns), or (C, frames, rows, columns) if it has several."""
    if request.member is not None:
        raise request.refusal("a DICOM file has no members", "Leave out what follows the '#'.")
    tags = loading.load(request, pixels=False)
    loading.require_image(request, tags)
    pixels.shape(request, tags)
    request.afford_file()
    data = loading.load(request, pixels=True)
    loading.require_pixels(request, data)
    return scan(request, data)


def scan(request: Request, data: Dataset) -> Scan:
    """A loaded data set as a scan."""
    stored = pixels.decode(request, data)
    request.afford(stored.array.shape, 8 * stored.array.dtype.itemsize)
    found = values.meant(data, stored, window=request.window)
    array = np.moveaxis(found.array, -1, 0)
    count = array.shape[1]
    if count == 1:
        array = array[:, 0]
        spacing, affine = place.picture(data, *_groups(data))
    else:
        spacing, affine = frames.placed(data, count)
    return Scan(
        np.ascontiguousarray(array),
        spacing,
        affine,
        modality=text(data, "Modality"),
        source=request.name,
        value_range=_value_range(request, data, stored, found),
    )


def _groups(data: Dataset) -> list[Dataset]:
    """The geometry of the single frame of an enhanced file."""
    result: list[Dataset] = []
    for keyword in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        groups = data.get(keyword) or []
        result += frames.macros(groups[0]) if len(groups) == 1 else []
    return result


def _value_range(
    request: Request, data: Dataset, stored: pixels.Stored, found: values.Meant
) -> tuple[float, float] | None:
    """What the file can hold; None for quantities (HU, signed values), where any is possible."""
    if found.low is None or found.high is None:
        return None
    windowed = request.window and found.array.dtype.kind == "f"
    quantity = data.get("Modality") == "CT" or stored.low != 0
    return None if quantity and not stored.colour and not windowed else (found.low, found.high)


def read_identity(request: Request) -> Identity:
    """The tags of one DICOM file."""
    tags = loading.load(request, pixels=False)
    loading.require_image(request, tags)
    where = place.numbers(tags.get("ImagePositionPatient"), 3)
    return Identity(
        patient_id=text(tags, "PatientID"),
        study_id=text(tags, "StudyInstanceUID"),
        series_id=text(tags, "SeriesInstanceUID"),
        view=_view(tags),
        laterality=text(tags, "ImageLaterality") or text(tags, "Laterality"),
        modality=text(tags, "Modality"),
        position=(where[0], where[1], where[2]) if where else None,
        instance=whole(tags, "InstanceNumber"),
        window=values.shown_window(tags),
    )


def _view(tags: Dataset) -> str | None:
    if found := text(tags, "ViewPosition"):
        return found
    codes = tags.get("ViewCodeSequence")
    return text(codes[0], "CodeMeaning") if codes else None


def text(tags: Dataset, keyword: str) -> str | None:
    """A tag as text; None if it is absent or blank."""
    return str(tags.get(keyword) or "").strip() or None


def whole(tags: Dataset, keyword: str) -> int | None:
    """A tag as a whole number; None if it is absent or no number."""
    try:
        return int(str(tags.get(keyword)))
    except ValueError:
        return None
