"""A folder of slices, whose file names, instance numbers and positions disagree on the order."""

import sys
from pathlib import Path

import numpy as np
from sampling import Sample, ramp

sys.path.insert(0, str(Path(__file__).parent))
from sample_dicom import dataset, save


def write_series(folder, volume, heights, *, series="1.2.3", names=None, **tags):
    """One file per slice of `volume` (slices, rows, columns), at `heights` along the patient."""
    folder.mkdir(exist_ok=True)
    for at, (plane, height) in enumerate(zip(volume, heights, strict=True)):
        ds = dataset(
            plane,
            SeriesInstanceUID=series,
            InstanceNumber=len(volume) - at,
            ImagePositionPatient=[-10.0, -20.0, height],
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            **tags,
        )
        save(ds, folder / (names[at] if names else f"IM{at * 7 % 10}"))
    return folder


def make(folder):
    volume = ramp(4, 5, 7)
    heights = np.array([3.0, 0.0, 4.5, 1.5])
    path = write_series(folder / "series", volume, heights)
    (path / "README.txt").write_text("not an image")
    return [Sample(path, volume[np.argsort(heights)][None], (1.5, 0.5, 0.25))]
