"""BraTS 2018 with grades, and a case by the names of 2020."""

import nibabel
import numpy as np


def volume(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), path)


def make(root, picture):
    rng, rows = np.random.default_rng(0), []
    for start, grade, ending in (
        ("HGG/Brats18_2013_10_1/Brats18_2013_10_1", "HGG", ".nii.gz"),
        ("more/BraTS20_Training_001/BraTS20_Training_001", None, ".nii"),
    ):
        mask = f"{start}_seg{ending}"
        volume(root / mask, rng.choice([0, 1, 2, 4], (5, 5, 4)).astype(np.uint8))
        for view in ("flair", "t1", "t1ce", "t2"):
            path = f"{start}_{view}{ending}"
            volume(root / path, rng.integers(0, 999, (5, 5, 4), dtype=np.int16))
            case = start.rpartition("/")[2]
            rows.append(
                {"path": path, "mask_path": mask, "view": view, "group": case, "grade": grade}
            )
    return {}, rows
