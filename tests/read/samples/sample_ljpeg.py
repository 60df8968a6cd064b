"""Films of 12 and 16 bits, one with its size the wrong way round, one as optical density."""

import numpy as np
from sampling import Sample
from tests import ddsm_case as ddsm


def make(folder):
    views = {
        "LEFT_CC": (9, 7, 12, 50, False),
        "LEFT_MLO": (11, 6, 16, 43.5, False),
        "RIGHT_CC": (8, 5, 12, 50, False),
    }
    ddsm.overview(folder, "B_3024_1", views)
    samples = []
    for seed, (view, (rows, columns, bits, microns, _)) in enumerate(views.items()):
        path, values = folder / f"B_3024_1.{view}.LJPEG", ddsm.grey(rows, columns, bits, seed)
        ddsm.film(path, values, bits, predictor=seed * 3 + 1, turned=view == "RIGHT_CC")
        samples.append(Sample(path, values[None], (microns / 1000,) * 2))
    (folder / "B_3024_1.LEFT_CC.txt").write_text("tells the test to copy the whole case")
    (folder / "B_3024_1.LEFT_MLO.txt").write_text("likewise")
    (folder / "B_3024_1.RIGHT_CC.txt").write_text("likewise")
    assert samples[0].array.dtype == np.uint16
    return samples
