"""MetaImage by SimpleITK."""

import SimpleITK as sitk
from sampling import Sample, ramp


def make(folder):
    volume = ramp(4, 5, 6)  # (k, j, i), as SimpleITK has it
    image = sitk.GetImageFromArray(volume)
    image.SetSpacing((1.5, 2.0, 2.5))
    made = []
    for name, packed in (("raw.mha", False), ("packed.mha", True), ("beside.mhd", False)):
        sitk.WriteImage(image, folder / name, useCompression=packed)
        made.append(Sample(folder / name, volume.T[None], (1.5, 2.0, 2.5)))
    vectors = ramp(4, 5, 6, 3, kind="uint8")
    sitk.WriteImage(sitk.GetImageFromArray(vectors, isVector=True), folder / "vector.mha")
    made.append(Sample(folder / "vector.mha", vectors.transpose(3, 2, 1, 0), (1.0, 1.0, 1.0)))
    picture = ramp(5, 7, kind="uint8")
    sitk.WriteImage(sitk.GetImageFromArray(picture), folder / "flat.mha")
    return [*made, Sample(folder / "flat.mha", picture.T[None], (1.0, 1.0))]
