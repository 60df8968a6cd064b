"""AFNI, written by hand from its definition."""

import numpy as np
from sampling import Sample, ramp


def attribute(kind, name, values):
    if kind == "string":
        return f"type = string-attribute\nname = {name}\ncount = {len(values) + 1}\n'{values}~\n\n"
    text = " ".join(map(str, values))
    return f"type = {kind}-attribute\nname = {name}\ncount = {len(values)}\n{text}\n\n"


def make(folder):
    series = ramp(4, 5, 6, 2)
    header = "".join(
        [
            attribute("string", "TYPESTRING", "3DIM_HEAD_ANAT"),
            attribute("string", "BYTEORDER_STRING", "LSB_FIRST"),
            attribute("string", "TEMPLATE_SPACE", "ORIG"),
            attribute("integer", "SCENE_DATA", [0, 2, 0]),
            attribute("integer", "DATASET_RANK", [3, 2]),
            attribute("integer", "DATASET_DIMENSIONS", [4, 5, 6]),
            attribute("integer", "BRICK_TYPES", [1, 1]),
            attribute("float", "BRICK_FLOAT_FACS", [0.0, 0.0]),
            attribute("float", "DELTA", [1.5, 2.0, 2.5]),
            attribute("float", "ORIGIN", [0.0, 0.0, 0.0]),
            attribute("integer", "ORIENT_SPECIFIC", [0, 3, 4]),
            attribute("float", "IJK_TO_DICOM_REAL", np.diag([1.5, 2, 2.5, 1])[:3].ravel()),
        ]
    )
    (folder / "a+orig.HEAD").write_text("\n" + header.rstrip() + "\n")
    (folder / "a+orig.BRIK").write_bytes(series.tobytes(order="F"))
    return [Sample(folder / "a+orig.HEAD", np.moveaxis(series, -1, 0), (1.5, 2.0, 2.5))]
