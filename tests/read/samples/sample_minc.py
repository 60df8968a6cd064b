"""MINC 1 by scipy's netCDF writer, MINC 2 by h5py, from the definition of MINC."""

import h5py
import numpy as np
from sampling import Sample, ramp
from scipy.io import netcdf_file

AXES = {"zspace": 2.5, "yspace": 2.0, "xspace": 1.5}


def make(folder):
    volume = ramp(4, 5, 6)
    top = int(volume.max())
    with netcdf_file(folder / "one.mnc", "w") as file:
        for (name, step), size in zip(AXES.items(), volume.shape, strict=True):
            file.createDimension(name, size)
            axis = file.createVariable(name, "i", ())
            axis.step, axis.start, axis.spacing = step, 0.0, b"regular__"
        image = file.createVariable("image", "h", tuple(AXES))
        image[:] = volume
        image.signtype, image.valid_range = b"signed__", np.array([0.0, float(top)])
        for name, value in (("image-min", 0.0), ("image-max", float(top))):
            file.createVariable(name, "d", ())[...] = value
    with h5py.File(folder / "two.mnc", "w") as file:
        minc = file.create_group("minc-2.0")
        for name, step in AXES.items():
            axis = minc.create_dataset(f"dimensions/{name}", data=0)
            axis.attrs["step"], axis.attrs["start"] = step, 0.0
            axis.attrs["spacing"], axis.attrs["length"] = np.bytes_("regular__"), 1
            axis.attrs["length"] = volume.shape[list(AXES).index(name)]
        image = minc.create_dataset("image/0/image", data=volume)
        image.attrs["dimorder"] = np.bytes_(",".join(AXES))
        image.attrs["valid_range"] = np.array([0.0, float(top)])
        for name, value in (("image-min", 0.0), ("image-max", float(top))):
            minc.create_dataset(f"image/0/{name}", data=value)
    wanted = volume.astype("float32")[None]
    return [Sample(folder / f"{n}.mnc", wanted, tuple(AXES.values())) for n in ("one", "two")]
