"""What nibabel reads becomes a scan: NIfTI, Analyze, AFNI, MINC, MGH, PAR/REC."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medgraft.read.place import lengths
from medgraft.read.request import HEADER_BYTES, Request
from medgraft.read.scan import Scan

BLOCK = 2**22  # values scaled at a time
DAMAGED = "The file is damaged or cut short; copy or export it again."


def scan_of(
    request: Request, image: Any, *, modality: str | None = None, unit_mm: float = 1.0
) -> Scan:
    """A nibabel image as a scan, its size checked before its values are read.

    Axes are the file's own (i, j, k); a fourth one (time) or a fifth (vectors) becomes the
    channels. Integers stay integers unless the file scales them; scaled values are floats.

    Args:
        request: The file that is being read.
        image: What nibabel opened, its values still on disk.
        modality: DICOM code, where the format says it.
        unit_mm: Millimetres in the unit of its distances.

    Raises:
        ReadError: If it is too large, complex, cut short, or has too many axes.
    """
    shape = tuple(int(size) for size in image.shape)
    stored = np.dtype(image.get_data_dtype())
    if stored.kind not in "iufV" or (stored.kind == "V" and stored.names is None):
        raise request.refusal(f"its values are of type {stored}", "Save its magnitude as floats.")
    request.afford(shape, 8 * stored.itemsize)
    spatial, outer = _axes(request, shape)
    if stored.kind == "V":  # RGB: named fields of one byte each
        if outer > 1:
            raise request.refusal("it has both colours and time points", "Save them as files.")
        array = _colours(request, np.asanyarray(image.dataobj), stored)
    else:
        array = _values(request, image.dataobj, stored)
    array = array.reshape((*shape[:spatial], -1), order="F")
    array = np.moveaxis(array, -1, 0).astype(array.dtype.newbyteorder("="), copy=False)
    spacing, affine = _place(image, spatial, unit_mm)
    return Scan(
        np.ascontiguousarray(array),
        spacing,
        affine,
        modality,
        request.name,
        (0, 255) if array.dtype == np.uint8 else None,
    )


def _place(
    image: Any, spatial: int, unit_mm: float
) -> tuple[tuple[float, ...] | None, np.ndarray | None]:
    """Spacing and affine; None for what the header does not say or says amiss."""
    affine = np.array(image.affine, dtype=np.float64)
    affine[:3] *= unit_mm
    sound = bool(np.isfinite(affine).all()) and min(lengths(affine, 3)) > 0
    zooms = tuple(float(zoom) * unit_mm for zoom in image.header.get_zooms()[:spatial])
    usable = len(zooms) == spatial and all(math.isfinite(zoom) and zoom > 0 for zoom in zooms)
    spacing = zooms if usable else lengths(affine, spatial) if sound else None
    return spacing, affine if sound else None


def _axes(request: Request, shape: Sequence[int]) -> tuple[int, int]:
    """How many axes are spatial, and how many channels the others make."""
    outer = [size for size in shape[3:] if size > 1]
    if len(shape) < 2 or len(outer) > 1:
        raise request.refusal(
            f"it has the shape {tuple(shape)}; an image has 2 or 3 axes in space and one besides",
            "Save each image of it as a file.",
        )
    return min(len(shape), 3), outer[0] if outer else 1


def _values(request: Request, data: Any, stored: np.dtype) -> np.ndarray:
    """Values on disk; floats where the file scales them."""
    from nibabel.arrayproxy import ArrayProxy

    if type(data) is not ArrayProxy:  # scaled slice by slice: nibabel does it, in float64
        request.afford(data.shape, 64)
        array = np.array(data)
        wide = array.dtype == np.float64 and stored.kind in "iu" and stored.itemsize < 4
        return array.astype(np.float32) if wide else array
    raw = np.array(data.get_unscaled())  # a copy: the file is closed afterwards
    if (data.slope, data.inter) == (1, 0):
        return raw if raw.dtype.itemsize <= 8 else raw.astype(np.float64)
    kind = np.dtype(np.float32 if stored.itemsize < 4 or stored == np.float32 else np.float64)
    request.afford(data.shape, 8 * kind.itemsize)
    slope, inter = float(data.slope), float(data.inter)
    flat = raw.reshape(-1, order="A")
    out = np.empty(flat.shape, kind)
    for start in range(0, flat.size, BLOCK):
        out[start : start + BLOCK] = flat[start : start + BLOCK] * slope + inter
    return out.reshape(raw.shape, order="F" if raw.flags.f_contiguous else "C")


def _colours(request: Request, array: np.ndarray, kind: np.dtype) -> np.ndarray:
    names = kind.names or ()
    if not {"R", "G", "B"} <= set(names):
        raise request.refusal(f"its values have the fields {names}", "Save them as files.")
    return np.stack([array[name] for name in "RGB"], axis=-1)


def small_header(request: Request, path: Path) -> None:
    """Refuse a text header that is too long to be one: nibabel takes it in whole."""
    if path.stat().st_size > HEADER_BYTES:
        raise request.refusal(f"its header '{path.name}' is more than 64 MiB long", DAMAGED)


def no_member(request: Request) -> None:
    """Refuse a request for a part of a file that has none."""
    if request.member is not None:
        raise request.refusal("a volume has no members", "Leave out what follows the '#'.")
