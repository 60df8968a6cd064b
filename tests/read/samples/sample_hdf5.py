"""HDF5 with one array: a volume, a colour picture in compressed pieces."""

import h5py
import numpy as np
from sampling import Sample, ramp


def make(folder):
    volume, colour = ramp(4, 5, 6), ramp(7, 8, 3, kind="uint8")
    with h5py.File(folder / "volume.h5", "w") as file:
        file["scan"] = volume
    with h5py.File(folder / "colour.hdf5", "w") as file:
        file.create_dataset("x", data=colour, chunks=(4, 4, 3), compression="gzip")
    return [
        Sample(folder / "volume.h5", volume[None]),
        Sample(folder / "colour.hdf5", np.moveaxis(colour, -1, 0)),
    ]
