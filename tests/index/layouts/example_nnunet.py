"""Raw data of nnU-Net 2: a case of two channels with its mask, a test case."""

import json

import nibabel
import numpy as np


def volume(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), path)


def make(root, picture):
    rng = np.random.default_rng(0)
    paths = [
        f"{folder}_{k:04}.nii.gz"
        for folder in ("imagesTr/la_003", "imagesTs/la_001")
        for k in (0, 1)
    ]
    for path in paths:
        volume(root / path, rng.integers(0, 99, (6, 5, 4), dtype=np.uint8))
    volume(root / "labelsTr/la_003.nii.gz", rng.integers(0, 2, (6, 5, 4), dtype=np.uint8))
    told = {
        "channel_names": {"0": "T2", "1": "ADC"},
        "labels": {"background": 0, "prostate": 1},
        "numTraining": 1,
        "file_ending": ".nii.gz",
    }
    (root / "dataset.json").write_text(json.dumps(told))
    train = {"group": "la_003", "mask_path": "labelsTr/la_003.nii.gz", "orig_split": "train"}
    test = {"group": "la_001", "mask_path": None, "orig_split": "test"}
    return {}, [
        {"path": path, "view": ("T2", "ADC")[k % 2], **(train if k < 2 else test)}
        for k, path in enumerate(paths)
    ]
