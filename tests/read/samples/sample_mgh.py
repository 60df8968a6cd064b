"""MGH and MGZ by nibabel."""

import nibabel as nib
import numpy as np
from sampling import Sample, ramp


def make(folder):
    volume = ramp(4, 5, 6)
    affine = np.diag([-1.5, 2.0, 2.5, 1.0])
    for name in ("a.mgh", "a.mgz"):
        nib.save(nib.MGHImage(volume, affine), folder / name)
    return [Sample(folder / name, volume[None], (1.5, 2.0, 2.5)) for name in ("a.mgh", "a.mgz")]
