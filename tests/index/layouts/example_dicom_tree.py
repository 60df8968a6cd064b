"""Two films of one series, and a volume of three slices."""

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid


def slice_of(path, number, patient, series, z=None, modality="CR"):
    """Write one uncompressed DICOM image; `z` puts it into the patient."""
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = CTImageStorage
    image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    image.SOPClassUID = CTImageStorage
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID
    image.PatientID, image.StudyInstanceUID, image.SeriesInstanceUID = patient, "1.2.3", series
    image.Modality, image.Rows, image.Columns = modality, 8, 8
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
    if z is not None:
        image.ImagePositionPatient, image.ImageOrientationPatient = [0, 0, z], [1, 0, 0, 0, 1, 0]
        image.PixelSpacing = [1, 1]
    values = np.random.default_rng(number).integers(0, 4096, (8, 8), dtype=np.uint16)
    image.PixelData = values.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save_as(path, enforce_file_format=True)


def make(root, picture):
    for number in range(2):
        slice_of(root / f"film/{number}", number, "P1", "1.2.3.1")
    for number in range(3):
        slice_of(root / f"ct/{number}.dcm", 10 + number, "P2", "1.2.3.2", z=number, modality="CT")
    shared = {"study_id": "1.2.3"}
    rows = [shared | {"path": f"film/{k}", "patient_id": "P1", "modality": "CR"} for k in range(2)]
    return {}, [*rows, shared | {"path": "ct", "patient_id": "P2", "modality": "CT"}]
