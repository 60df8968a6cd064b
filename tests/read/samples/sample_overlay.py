"""A square and a triangle, drawn by hand."""

import numpy as np
from sampling import Sample
from tests import ddsm_case as ddsm


def make(folder):
    ddsm.overview(folder, "A_1_1", {"LEFT_CC": (9, 8, 12, 50, True)})
    path = folder / "A_1_1.LEFT_CC.OVERLAY"
    square = ("BOUNDARY", 1, 1, "2224446660" + "0")
    ddsm.overlay(
        path,
        ddsm.abnormality(1, "MALIGNANT", square, ("CORE", 2, 2, "")),
        ddsm.abnormality(2, "BENIGN", ("BOUNDARY", 6, 5, "3566" + "1"), kind=ddsm.CALCIFICATION),
    )
    wanted = np.zeros((9, 8), dtype=np.uint8)
    wanted[1:5, 1:5] = 1
    wanted[5, 6] = wanted[6, 7] = 1  # right and down, then back along the row below
    wanted[7, 4:7] = wanted[6, 5:7] = 1
    (folder / "A_1_1.LEFT_CC.txt").write_text("tells the test to copy the whole case")
    return [Sample(path, wanted[None], (0.05, 0.05))]
