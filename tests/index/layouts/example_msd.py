"""A Decathlon task: two training volumes with masks, a test volume, what macOS left behind."""

import json

import nibabel
import numpy as np


def volume(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), path)


def make(root, picture):
    rng = np.random.default_rng(0)
    for number in (1, 3):
        volume(
            root / f"imagesTr/hippocampus_{number:03}.nii.gz",
            rng.integers(0, 99, (6, 5, 4), dtype=np.uint8),
        )
        volume(
            root / f"labelsTr/hippocampus_{number:03}.nii.gz",
            rng.integers(0, 3, (6, 5, 4), dtype=np.uint8),
        )
    volume(root / "imagesTs/hippocampus_002.nii.gz", rng.integers(0, 99, (6, 5, 4), dtype=np.uint8))
    (root / "imagesTr/._hippocampus_001.nii.gz").write_bytes(b"\x00\x05\x16\x07")
    pairs = [
        {
            "image": f"./imagesTr/hippocampus_{k:03}.nii.gz",
            "label": f"./labelsTr/hippocampus_{k:03}.nii.gz",
        }
        for k in (1, 3)
    ]
    told = {
        "name": "Hippocampus",
        "modality": {"0": "MRI"},
        "labels": {"0": "background", "1": "Anterior", "2": "Posterior"},
        "numTraining": 2,
        "numTest": 1,
        "training": pairs,
        "test": ["./imagesTs/hippocampus_002.nii.gz"],
    }
    (root / "dataset.json").write_text(json.dumps(told))
    rows = [
        {"path": p["image"][2:], "mask_path": p["label"][2:], "orig_split": "train"} for p in pairs
    ]
    return {}, [
        *rows,
        {"path": "imagesTs/hippocampus_002.nii.gz", "mask_path": None, "orig_split": "test"},
    ]
