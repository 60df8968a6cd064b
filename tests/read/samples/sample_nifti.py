"""NIfTI and Analyze by nibabel."""

import nibabel as nib
import numpy as np
from sampling import Sample, ramp


def make(folder):
    volume, series = ramp(4, 5, 6), ramp(4, 5, 6, 3)
    affine = np.diag([-1.5, 2.0, 2.5, 1.0])
    spacing = (1.5, 2.0, 2.5)
    made = []
    for name in ("a.nii", "a.nii.gz", "pair.hdr"):
        kind = nib.Nifti1Pair if name.startswith("pair") else nib.Nifti1Image
        nib.save(kind(volume, affine), folder / name)
        made.append(Sample(folder / name, volume[None], spacing))
    nib.save(nib.Nifti2Image(series, affine), folder / "two.nii")
    made.append(Sample(folder / "two.nii", np.moveaxis(series, -1, 0), spacing))
    scaled = nib.Nifti1Image(volume, affine)
    scaled.header.set_slope_inter(0.25, -3)
    nib.save(scaled, folder / "scaled.nii.gz")
    made.append(Sample(folder / "scaled.nii.gz", (volume / 4 - 3).astype("float32")[None], spacing))
    nib.save(nib.AnalyzeImage(volume, affine), folder / "analyze.hdr")
    made.append(Sample(folder / "analyze.hdr", volume[None], spacing))
    big = nib.Nifti1Header(endianness=">")
    big.set_data_dtype(">i2")
    nib.save(nib.Nifti1Image(volume.astype(">i2"), affine, big), folder / "big.nii")
    made.append(Sample(folder / "big.nii", volume[None], spacing))
    rgb = ramp(4, 5, 6, 3, kind="uint8")
    named = rgb.copy().view([("R", "u1"), ("G", "u1"), ("B", "u1")])[..., 0]
    nib.save(nib.Nifti1Image(named, affine), folder / "rgb.nii")
    return [*made, Sample(folder / "rgb.nii", np.moveaxis(rgb, -1, 0), spacing)]
