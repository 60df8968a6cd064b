"""Phantom volumes as NIfTI files, each in the orientation that was drawn for it."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np

from medgraft.phantoms.volumes import SPACING_MM, Volume

COMMENT = b"SYNTHETIC, not clinical data"


def write_nifti(path: Path, values: np.ndarray, volume: Volume) -> np.ndarray:
    """Write values with axes R, A, S in the orientation of the volume; gives the file's affine.

    The centre of the volume lies at 0 mm.
    """
    import nibabel

    half = [(n - 1) / 2 * step for n, step in zip(values.shape, SPACING_MM, strict=True)]
    affine = np.diag([*SPACING_MM, 1.0])
    affine[:3, 3] = [-way for way in half]
    image: Any = nibabel.Nifti1Image(values, affine)
    turned = image.as_reoriented(_turn(volume.orientation))
    turned.header["descrip"] = COMMENT
    turned.header.set_xyzt_units("mm")
    path.write_bytes(gzip.compress(turned.to_bytes(), compresslevel=1, mtime=0))
    return np.asarray(turned.affine)


def _turn(orientation: str) -> Any:
    from nibabel.orientations import axcodes2ornt, ornt_transform

    return ornt_transform(axcodes2ornt(tuple("RAS")), axcodes2ornt(tuple(orientation)))


def voxel_of(volume: Volume, affine: np.ndarray, side: int) -> list[float]:
    """Where the centre of the lesion lies on the grid of the file."""
    assert volume.lesion is not None
    millimetres = [way * side / 2 for way in volume.lesion.centre]
    found: list[float] = (np.linalg.inv(affine) @ [*millimetres, 1.0])[:3].tolist()
    return found
