"""A folder of DICOM files: one series, one volume (pydicom)."""

from __future__ import annotations

from pathlib import Path

from medgraft.read.dicom.personal import of_series
from medgraft.read.dicom.series import read_identity, read_series
from medgraft.read.formats import reader
from medgraft.read.request import Request
from medgraft.read.scan import Scan


def is_folder(head: bytes, path: Path) -> bool:
    """Whether a path is a folder."""
    return not head and path.is_dir()


@reader("dicom_series", suffixes=(), sniff=is_folder, identity=read_identity, personal=of_series)
def dicom_series(request: Request) -> Scan:
    """Read a folder of DICOM slices as one volume (C, slices, rows, columns).

    Raises:
        ReadError: If the folder is no single series of evenly spaced slices of one size.
    """
    return read_series(request)
