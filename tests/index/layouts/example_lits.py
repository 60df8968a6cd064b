"""LiTS: two training volumes with masks in two batches, one test volume."""

import nibabel
import numpy as np


def volume(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), path)


def make(root, picture):
    rng, rows = np.random.default_rng(0), []
    for number, batch in ((0, "Training Batch 1"), (30, "Training Batch 2")):
        path, mask = f"{batch}/volume-{number}.nii", f"{batch}/segmentation-{number}.nii"
        volume(root / path, rng.integers(-999, 999, (5, 5, 4), dtype=np.int16))
        volume(root / mask, rng.integers(0, 3, (5, 5, 4), dtype=np.uint8))
        rows.append(
            {"path": path, "mask_path": mask, "group": f"volume-{number}", "orig_split": "train"}
        )
    path = "LITS-Challenge-Test-Data/test-volume-0.nii"
    volume(root / path, rng.integers(-999, 999, (5, 5, 4), dtype=np.int16))
    last = {"path": path, "mask_path": None, "group": "test-volume-0", "orig_split": "test"}
    return {}, [*rows, last]
