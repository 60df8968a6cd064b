"""Both sets side by side: a mask of Shenzhen, masks of each lung of a film of Montgomery."""

import numpy as np
from PIL import Image


def make(root, picture):
    films = (
        ("MontgomerySet/CXR_png/MCUCXR_0001_0.png", "MCUCXR_0001", "Montgomery", "normal"),
        ("MontgomerySet/CXR_png/MCUCXR_0104_1.png", "MCUCXR_0104", "Montgomery", "tuberculosis"),
        ("ChinaSet_AllFiles/CXR_png/CHNCXR_0001_0.png", "CHNCXR_0001", "Shenzhen", "normal"),
    )
    for number, (path, *_) in enumerate(films):
        picture(root / path, number)
    mask = "ChinaSet_AllFiles/mask/CHNCXR_0001_0_mask.png"
    halves = [
        f"MontgomerySet/ManualMask/{half}/MCUCXR_0001_0.png" for half in ("leftMask", "rightMask")
    ]
    for shift, path in enumerate((mask, *halves)):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.eye(24, 20, shift, dtype=np.uint8) * 255).save(root / path)
    text = root / "MontgomerySet/ClinicalReadings/MCUCXR_0001_0.txt"
    text.parent.mkdir()
    text.write_text("Patient's Sex: F\nPatient's Age: 027Y\nnormal\n")
    names = ("path", "patient_id", "site", "label")
    rows = [dict(zip(names, film, strict=True)) | {"mask_path": None} for film in films]
    rows[0]["mask_path"], rows[2]["mask_path"] = "//".join(halves), mask
    return {}, rows
