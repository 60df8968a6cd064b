"""SIIM-ACR: two films of 1024 x 1024 in folders of their own, one with two outlines; a test film."""

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

IDS = ("1.2.276.0.7230010.3.1.4.8323329.14508.1517875252.443873", "1.2.276.0.7230010.1")


def film(path, uid, patient):
    """A film of one grey, stored in runs so that it takes no room."""
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    image.file_meta.MediaStorageSOPInstanceUID = uid
    image.SOPClassUID, image.SOPInstanceUID = SecondaryCaptureImageStorage, uid
    image.PatientID, image.StudyInstanceUID, image.Modality = patient, "1.2.3", "CR"
    image.ViewPosition = "PA"
    image.Rows = image.Columns = 1024
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 8, 8, 7, 0
    image.PixelData = np.arange(1024**2, dtype=np.uint32).astype(np.uint8).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save_as(path, enforce_file_format=True)


def make(root, picture):
    for number, uid in enumerate(IDS):
        film(root / f"dicom-images-train/1.{number}/2.{number}/{uid}.dcm", uid, f"P{number}")
    film(root / "dicom-images-test/1.9/2.9/1.9.9.dcm", "1.9.9", "P9")
    (root / "train-rle.csv").write_text(
        f"ImageId, EncodedPixels\n{IDS[0]}, 387620 23 996 33 986 43\n{IDS[0]}, 12 2\n{IDS[1]}, -1\n"
    )
    rows = [
        {
            "path": f"dicom-images-train/1.{number}/2.{number}/{uid}.dcm",
            "patient_id": f"P{number}",
            "pneumothorax": 1 - number,
            "mask_path": f"train-rle.csv#{uid}",
            "mask_counts": [1024**2 - 101, 101] if number == 0 else [1024**2, 0],
        }
        for number, uid in enumerate(IDS)
    ]
    return {}, [
        *rows,
        {
            "path": "dicom-images-test/1.9/2.9/1.9.9.dcm",
            "patient_id": "P9",
            "pneumothorax": None,
            "mask_path": None,
            "mask_counts": None,
        },
    ]
