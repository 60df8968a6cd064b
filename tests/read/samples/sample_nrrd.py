"""NRRD by SimpleITK, and by hand for what it does not write."""

import bz2
import gzip

import numpy as np
import SimpleITK as sitk
from sampling import Sample, ramp

HEADER = (
    "NRRD0004\ntype: int16\ndimension: 3\nsizes: 6 5 4\nspacings: 1.5 2 2.5\nendian: little\n"
    "encoding: {encoding}\n"
)


def make(folder):
    volume = ramp(4, 5, 6)  # (k, j, i), as SimpleITK has it
    image = sitk.GetImageFromArray(volume)
    image.SetSpacing((1.5, 2.0, 2.5))
    image.SetOrigin((10.0, 20.0, 30.0))
    made = []
    for name, packed in (("raw.nrrd", False), ("gzip.nrrd", True), ("beside.nhdr", False)):
        sitk.WriteImage(image, folder / name, useCompression=packed)
        made.append(Sample(folder / name, volume.T[None], (1.5, 2.0, 2.5)))
    vectors = ramp(4, 5, 6, 3, kind="uint8")
    image = sitk.GetImageFromArray(vectors, isVector=True)
    sitk.WriteImage(image, folder / "vector.nrrd")
    made.append(Sample(folder / "vector.nrrd", vectors.transpose(3, 2, 1, 0), (1.0, 1.0, 1.0)))
    raw = volume.tobytes()
    by_hand = {
        "bzip2": bz2.compress(raw),
        "gzip": gzip.compress(raw),
        "ascii": " ".join(map(str, volume.ravel())).encode(),
        "hex": raw.hex().encode(),
    }
    for encoding, content in by_hand.items():
        path = folder / f"{encoding}-by-hand.nrrd"
        path.write_bytes(HEADER.format(encoding=encoding).encode() + b"\n" + content)
        made.append(Sample(path, volume.T[None], (1.5, 2.0, 2.5)))
    for at, plane in enumerate(volume):
        (folder / f"plane{at}.raw").write_bytes(plane.tobytes())
    path = folder / "planes.nhdr"
    listed = "\n".join(f"plane{at}.raw" for at in range(len(volume)))
    path.write_text(HEADER.format(encoding="raw") + f"data file: LIST\n{listed}\n")
    made.append(Sample(path, volume.T[None], (1.5, 2.0, 2.5)))
    path = folder / "pattern.nhdr"
    path.write_text(HEADER.format(encoding="raw") + "data file: plane%d.raw 0 3 1\n\n")
    return [*made, Sample(path, np.ascontiguousarray(volume.T[None]), (1.5, 2.0, 2.5))]
