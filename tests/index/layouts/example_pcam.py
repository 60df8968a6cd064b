"""PatchCamelyon: three patches of two slides in train, one in test, as HDF5."""

import h5py
import numpy as np


def make(root, picture):
    rng, rows = np.random.default_rng(0), []
    told = {
        "train": ([0, 1, 0], ["tumor_001", "tumor_001", "normal_002"]),
        "test": ([1], ["test_003"]),
    }
    for part, (labels, slides) in told.items():
        start = f"camelyonpatch_level_2_split_{part}"
        with h5py.File(root / f"{start}_x.h5", "w") as file:
            file["x"] = rng.integers(0, 256, (len(labels), 96, 96, 3), dtype=np.uint8)
        with h5py.File(root / f"{start}_y.h5", "w") as file:
            file["y"] = np.array(labels, dtype=np.uint8).reshape(-1, 1, 1, 1)
        lines = [f"{k},1,2,False,False,{slide}" for k, slide in enumerate(slides)]
        head = ",coord_y,coord_x,tumor_patch,center_tumor_patch,wsi"
        (root / f"{start}_meta.csv").write_text("\n".join([head, *lines]) + "\n")
        rows += [
            {"path": f"{start}_x.h5#x/{k}", "label": label, "group": slide, "orig_split": part}
            for k, (label, slide) in enumerate(zip(labels, slides, strict=True))
        ]
    return {}, rows
