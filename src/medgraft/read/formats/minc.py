"""MINC 1 (netCDF) and MINC 2 (HDF5) (nibabel, h5py)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from medgraft.read.formats import reader
from medgraft.read.nifti_like import no_member, scan_of
from medgraft.read.request import Request
from medgraft.read.scan import Scan

NETCDF, HDF5 = (b"CDF\x01", b"CDF\x02"), b"\x89HDF\r\n\x1a\n"


def is_minc(head: bytes, path: Path) -> bool:
    """Whether a file is netCDF or HDF5 and calls itself MINC."""
    named = path.name.lower().endswith((".mnc", ".mnc2"))
    return named and head.startswith((*NETCDF, HDF5))


@reader("minc", suffixes=(".mnc", ".mnc2"), sniff=is_minc)
def minc(request: Request) -> Scan:
    """Read a MINC volume: (C, ...) with the spatial axes in the order of the file.

    That order is usually (z, y, x). Time becomes the channels.

    Raises:
        ReadError: If it is damaged or cut short.
    """
    import nibabel

    no_member(request)
    return scan_of(request, TimeLast(nibabel.load(request.path)))


class TimeLast:
    """A MINC image with its axis of time, which MINC puts first, as the last one."""

    def __init__(self, image: Any) -> None:
        self._image = image
        self._turn = len(image.shape) == 4
        self.affine = image.affine
        self.header = self

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes, time last."""
        shape = tuple(self._image.shape)
        return (*shape[1:], shape[0]) if self._turn else shape

    @property
    def dataobj(self) -> np.ndarray:
        """The values, time last; reads them."""
        array = np.asarray(self._image.dataobj)
        return np.moveaxis(array, 0, -1) if self._turn else array

    def get_data_dtype(self) -> np.dtype:
        """Type of the values on disk."""
        stored: np.dtype = np.dtype(self._image.get_data_dtype())
        return stored

    def get_zooms(self) -> tuple[float, ...]:
        """Spacing of the axes, time last."""
        zooms = tuple(self._image.header.get_zooms())
        return (*zooms[1:], zooms[0]) if self._turn else zooms
