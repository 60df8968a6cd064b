"""CBIS-DDSM: a film with its mask, one whose mask and cut-out lie in one folder, one with two lesions."""

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

HEAD = (
    "patient_id,breast_density,left or right breast,image view,abnormality id,abnormality type,"
    "mass shape,mass margins,assessment,pathology,subtlety,image file path,"
    "cropped image file path,ROI mask file path\n"
)


def write(path, values):
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    image.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    image.SOPClassUID, image.SOPInstanceUID = SecondaryCaptureImageStorage, "1.2.3"
    image.PatientID, image.Modality = path.parts[-4], "MG"  # the set names a series here
    image.Rows, image.Columns = values.shape
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    bits = values.itemsize * 8
    image.BitsAllocated, image.BitsStored, image.HighBit = bits, bits, bits - 1
    image.PixelRepresentation = 0
    image.PixelData = values.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save_as(path, enforce_file_format=True)


def make(root, picture):
    rng, lines, rows = np.random.default_rng(0), [], []
    told = (("P_00001", "LEFT", "CC", ["MALIGNANT"]), ("P_00004", "RIGHT", "MLO", ["BENIGN"]))
    for number, (patient, side, view, lesions) in enumerate(
        (*told, ("P_00009", "LEFT", "CC", ["BENIGN", "MALIGNANT"]))
    ):
        start = f"Mass-Training_{patient}_{side}_{view}"
        film = f"CBIS-DDSM/{start}/1.{number}/2.{number}/1-1.dcm"
        write(root / film, rng.integers(0, 9999, (12, 10), dtype=np.uint16))
        masks = []
        for lesion, pathology in enumerate(lesions, start=1):
            folder = f"{start}_{lesion}/3.1{number}{lesion}/4.1{number}{lesion}"
            other = folder if number == 1 else folder.replace("/4.", "/5.")
            mask, cut = (f"{folder}/1-{2 if number == 1 else 1}.dcm", f"{other}/1-1.dcm")
            masks.append(f"CBIS-DDSM/{mask}")
            write(root / f"CBIS-DDSM/{mask}", np.eye(12, 10, lesion, dtype=np.uint8) * 255)
            write(root / f"CBIS-DDSM/{cut}", rng.integers(0, 9999, (4, 4), dtype=np.uint16))
            published = [f"{where}/00000{k}.dcm" for k, where in ((0, other), (1, folder))]
            lines.append(
                f"{patient},3,{side},{view},{lesion},mass,OVAL,ILL_DEFINED,4,{pathology},4,"
                f"{start}/1.{number}/2.{number}/000000.dcm,{published[0]},{published[1]}"
            )
        rows.append(
            {
                "path": film,
                "patient_id": patient,
                "laterality": side[0],
                "view": view,
                "orig_split": "train",
                "pathology": "benign" if lesions == ["BENIGN"] else "malignant",
                "mask_path": "//".join(masks),
            }
        )
    (root / "mass_case_description_train_set.csv").write_text(HEAD + "\n".join(lines) + "\n")
    return {}, rows
