"""What layouts ask of a DICOM file without decoding it."""

from __future__ import annotations

from pathlib import Path


def size_of(file: Path) -> tuple[int, int] | None:
    """Rows and columns, from the tags alone; None if it is no DICOM file or has none."""
    said = tags_of(file, "Rows", "Columns")
    try:
        return (int(said[0]), int(said[1])) if said else None
    except ValueError:
        return None


def tags_of(file: Path, *names: str) -> tuple[str, ...] | None:
    """Some tags as text, empty where it has none; None if it is no DICOM file."""
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        found = dcmread(file, stop_before_pixels=True, specific_tags=list(names))
        values = [found.get(name) for name in names]
    except (OSError, InvalidDicomError, AttributeError, ValueError, TypeError, KeyError):
        return None
    return tuple("" if value is None else str(value) for value in values)
