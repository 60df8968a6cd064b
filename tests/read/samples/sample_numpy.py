"""NPY and NPZ by numpy."""

import numpy as np
from sampling import Sample, ramp


def make(folder):
    grey, colour, volume = ramp(5, 7, kind="uint16"), ramp(5, 7, 3, kind="uint8"), ramp(4, 5, 7)
    np.save(folder / "grey.npy", grey)
    np.save(folder / "colour.npy", colour)
    np.save(folder / "volume.npy", np.asfortranarray(volume.astype(">i2")))
    np.savez(folder / "one.npz", image=volume)
    np.savez_compressed(folder / "packed.npz", image=volume)
    return [
        Sample(folder / "grey.npy", grey[None]),
        Sample(folder / "colour.npy", colour.transpose(2, 0, 1)),
        Sample(folder / "volume.npy", volume[None]),
        Sample(folder / "one.npz", volume[None]),
        Sample(folder / "packed.npz", volume[None]),
    ]
