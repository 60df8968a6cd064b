"""DICOM files (pydicom; openjpeg, CharLS and imagecodecs for compressed ones)."""

from __future__ import annotations

from medgraft.read.dicom.file import read_file, read_identity
from medgraft.read.dicom.loading import is_dicom
from medgraft.read.dicom.personal import of_file
from medgraft.read.formats import reader
from medgraft.read.request import Request
from medgraft.read.scan import Scan


@reader(
    "dicom",
    suffixes=(".dcm", ".dicom", ".ima"),
    sniff=is_dicom,
    identity=read_identity,
    personal=of_file,
)
def dicom(request: Request) -> Scan:
    """Read one DICOM file.

    Values are after the modality LUT or rescaling (HU in CT); with ``window`` also after the
    VOI LUT or window. MONOCHROME1 is turned over within the declared range, palettes and YBR
    become RGB. Several frames become (C, frames, rows, columns), in the order of the file.

    Raises:
        ReadError: If it is no image, damaged, or coded in a way that nothing here decodes.
    """
    return read_file(request)
