"""What layouts ask of a DICOM file without decoding it."""

from __future__ import annotations

from pathlib import Path


def size_of(file: Path) -> tuple[int, int] | None:
    """Rows and columns, from the tags alone; None if it is no DICOM file or has none."""
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        tags = dcmread(file, stop_before_pixels=True, specific_tags=["Rows", "Columns"])
        return int(tags.Rows), int(tags.Columns)
    except (OSError, InvalidDicomError, AttributeError, ValueError, TypeError, KeyError):
        return None
