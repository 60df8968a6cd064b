"""INbreast: two films of one woman, one of them outlined; a probably benign film of another."""

import plistlib

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation as Mammography
from pydicom.uid import ExplicitVRLittleEndian

HEAD = "Patient ID;Patient age;Laterality;View;Acquisition date;File Name;ACR;Bi-Rads\n"


def write(path, values):
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID = Mammography
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID = "1.2.3"
    image.PatientID, image.Modality = "removed", "MG"
    image.Rows, image.Columns = values.shape
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 14, 13, 0
    image.PixelData = values.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save_as(path, enforce_file_format=True)


def make(root, picture):
    films = (
        ("20586908", "6c613a14b80a8591", "R", "CC", "4", "4b ", 1),
        ("20586934", "6c613a14b80a8591", "L", "MLO", "4", "1", 0),
        ("22670465", "36dea4e7f4e2d6b5", "L", "CC", "2", "3", -1),
    )
    rng, rows, lines = np.random.default_rng(0), [], []
    for number, (film, woman, side, view, density, birads, label) in enumerate(films):
        path = f"AllDICOMs/{film}_{woman}_MG_{side}_{view}_ANON.dcm"
        write(root / path, rng.integers(0, 2**14, (9, 7 + number), dtype=np.uint16))
        lines.append(f"removed;removed;{side};{view};201001;{film};{density};{birads}")
        rows.append(
            {
                "path": path,
                "patient_id": woman,
                "laterality": side,
                "view": view,
                "suspicious": label,
                "mask_path": None if number else f"AllXML/{film}.xml#9x7",
                "mask_counts": None if number else [9 * 7 - 13, 13],
            }
        )
    points = [f"({x:f}, {y:f})" for x, y in ((1, 1), (3.6, 1), (4.2, 3), (1, 3))]
    rois = [
        {"Name": "Mass", "NumberOfPoints": 4, "Point_px": points},
        {"Name": "Calcification", "NumberOfPoints": 1, "Point_px": ["(6.0, 8.0)"]},
    ]
    (root / "AllXML").mkdir()
    told = {"Images": [{"ImageIndex": 0, "NumberOfROIs": 2, "ROIs": rois}]}
    (root / "AllXML/20586908.xml").write_bytes(plistlib.dumps(told))
    (root / "INbreast.csv").write_text(HEAD + "\n".join(lines) + "\n")
    return {}, rows
