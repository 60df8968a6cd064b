"""A phantom film as a DICOM file that says what it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medgraft.phantoms.films import Film

SPACING_MM = 0.2


def write_dicom(path: Path, values: np.ndarray, film: Film, seed: int) -> None:
    """Write grey values (rows, columns), uint8 or uint16, as a secondary capture.

    Every tag that a person might read says that the image is a phantom; the same film has the
    same UIDs each time it is written.
    """
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

    bits = values.dtype.itemsize * 8
    study, series, image = _uids(film, seed)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = UID(image)
    data = Dataset()
    data.file_meta = meta
    data.SOPClassUID, data.SOPInstanceUID = SecondaryCaptureImageStorage, image
    data.StudyInstanceUID, data.SeriesInstanceUID = study, series
    data.PatientName, data.PatientID = f"PHANTOM^{film.patient}", f"PHANTOM-{film.patient}"
    data.Modality, data.ConversionType, data.ImageType = "OT", "SYN", ["DERIVED", "PRIMARY"]
    data.ImageComments = "Synthetic phantom drawn by medgraft; not clinical data"
    data.BurnedInAnnotation = "YES"
    data.ViewPosition, data.ImageLaterality = film.view, film.laterality
    data.InstanceNumber = 1
    data.Rows, data.Columns = values.shape
    data.PixelSpacing = [SPACING_MM, SPACING_MM]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit = bits, bits, bits - 1
    data.PixelRepresentation = 0
    data.add_new("PixelData", "OB" if bits == 8 else "OW", _padded(values))
    data.save_as(path, enforce_file_format=True)


def _uids(film: Film, seed: int) -> tuple[str, str, str]:
    """Study, series and image: a study per patient, a series per view."""
    from pydicom.uid import generate_uid

    who = ["medgraft phantom", str(seed), film.patient, str(film.texture_seeds[0])]
    return (
        generate_uid(entropy_srcs=who),
        generate_uid(entropy_srcs=[*who, film.view, "series"]),
        generate_uid(entropy_srcs=[*who, film.view, "image"]),
    )


def _padded(values: np.ndarray) -> bytes:
    """Little-endian bytes, of even length as the standard wants."""
    data = values.astype(values.dtype.newbyteorder("<")).tobytes()
    return data + b"\0" * (len(data) % 2)
