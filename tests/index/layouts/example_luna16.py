"""LUNA16: a scan with two nodules, one without, in two subsets; the lungs of one."""

import numpy as np


def scan(path, kind, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = path.with_suffix(".raw")
    raw.write_bytes(values.tobytes())
    path.write_text(
        f"ObjectType = Image\nNDims = 3\nDimSize = 4 5 6\nElementSpacing = 0.7 0.7 1.25\n"
        f"Offset = -10 -20 -30\nElementType = {kind}\nElementDataFile = {raw.name}\n"
    )


def make(root, picture):
    rng = np.random.default_rng(0)
    uids = ("1.3.6.1.4.1.14519.5.2.1.6279.6001.100225287222365663678666836860", "1.3.6.1")
    paths = [f"subset{3 * k}/{uid}.mhd" for k, uid in enumerate(uids)]
    for path in paths:
        scan(root / path, "MET_SHORT", rng.integers(-999, 999, (6, 5, 4), dtype=np.int16))
    lungs = f"seg-lungs-LUNA16/{uids[0]}.mhd"
    scan(root / lungs, "MET_UCHAR", rng.choice([0, 3, 4, 5], (6, 5, 4)).astype(np.uint8))
    (root / "annotations.csv").write_text(
        "seriesuid,coordX,coordY,coordZ,diameter_mm\n"
        f"{uids[0]},-128.69,-175.31,-298.38,5.65\n{uids[0]},103.78,-211.92,-227.12,4.22\n"
    )
    (root / "candidates_V2.csv").write_text("seriesuid,coordX,coordY,coordZ,class\n")
    nodules = [
        {"x": -128.69, "y": -175.31, "z": -298.38, "diameter_mm": 5.65},
        {"x": 103.78, "y": -211.92, "z": -227.12, "diameter_mm": 4.22},
    ]
    return {}, [
        {"path": paths[0], "nodule": 1, "nodules": nodules, "fold": 0, "mask_path": lungs},
        {"path": paths[1], "nodule": 0, "nodules": [], "fold": 3, "mask_path": None},
    ]
