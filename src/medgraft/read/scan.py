"""What every reader returns: an array, and where it lies in the patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from medgraft.errors import ShapeError


@dataclass(frozen=True)
class Scan:
    """One image or volume as its file holds it.

    Attributes:
        array: Values, shape (C, *spatial) with C channels first (1 grey, 3 colour, or the
            time points of a series) and two or three spatial axes: (rows, columns) for a
            picture, (frames, rows, columns) for a DICOM or TIFF stack, and the file's own
            (i, j, k) for NIfTI, NRRD and MHA. The bits of the file are kept: 8 stay uint8, 12 and 16
            stay 16. DICOM values are after the modality transform (HU in CT) and a higher
            value is always brighter (MONOCHROME1 is turned over).
        spacing_mm: Distance between neighbours along each spatial axis, in the order of the
            array's axes; None where the file does not say.
        affine: (4, 4), from index (i, j, k) of the spatial axes to millimetres, RAS+ as in
            NIfTI; None for pictures without a place in the patient.
        modality: DICOM code such as "CT", "MR", "CR", "MG"; None where unknown.
        source: The path it was read from.
        value_range: Least and greatest value that the file *can* hold, such as (0, 255) or
            (0, 4095); None where any value is possible (floats, HU).
        unit: "OD" where values are known to be optical densities of a film, **higher is darker**
            (DICOM's name of that unit); None for all else.
    """

    array: np.ndarray
    spacing_mm: tuple[float, ...] | None = None
    affine: np.ndarray | None = None
    modality: str | None = None
    source: str = ""
    value_range: tuple[float, float] | None = None
    unit: Literal["OD"] | None = None

    def __post_init__(self) -> None:
        if self.array.ndim not in (3, 4):
            raise ShapeError(
                f"a scan must have shape (C, *spatial) with 2 or 3 spatial axes, got {self.array.shape}"
            )
        if self.spacing_mm is not None and len(self.spacing_mm) != self.dims:
            raise ShapeError(
                f"spacing_mm must have {self.dims} values, one per spatial axis, got {self.spacing_mm}"
            )
        if self.affine is not None and self.affine.shape != (4, 4):
            raise ShapeError(f"affine must have shape (4, 4), got {self.affine.shape}")

    @property
    def dims(self) -> int:
        """Number of spatial axes: 2 or 3."""
        return self.array.ndim - 1

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.array.shape[0])
