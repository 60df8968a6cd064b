"""From stored values to what they mean: modality LUT, VOI LUT or window, and brightness."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from medgraft.read.dicom.pixels import Stored

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

BLOCK = 2**22  # values at a time, so that pydicom's float64 copies stay small
MACROS = ("PixelValueTransformationSequence", "FrameVOILUTSequence")
LUT_KEYWORDS = (
    "ModalityLUTSequence",
    "RescaleSlope",
    "RescaleIntercept",
    "VOILUTSequence",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
)


@dataclass(frozen=True)
class Meant:
    """Values as they are meant.

    Attributes:
        array: Same shape as what is stored.
        low: Least value that the file can hold; None where any is possible.
        high: Greatest such value.
    """

    array: np.ndarray
    low: float | None
    high: float | None


def meant(data: Dataset, stored: Stored, *, window: bool) -> Meant:
    """Apply the modality transform, on request the window, and make higher mean brighter.

    Integers stay integers where the rescaling is one of integers, in the smallest type that
    holds the *declared* range, so that all slices of a series agree; otherwise float32.
    MONOCHROME1 is turned over within the declared range, never within the values at hand;
    floats, which declare no range, are negated.
    """
    if stored.colour:
        return Meant(stored.array, stored.low, stored.high)
    groups = frame_tags(data, len(stored.array))
    if len({_key(group) for group in groups}) == 1:
        return _frame(groups[0], stored.array, stored, window=window)
    parts = [
        _frame(group, frame, stored, window=window)
        for group, frame in zip(groups, stored.array, strict=True)
    ]
    if window:
        parts = [_alike(part, parts[0]) for part in parts]
    array = np.stack([part.array for part in parts])
    lows = [part.low for part in parts if part.low is not None]
    highs = [part.high for part in parts if part.high is not None]
    if len(lows) < len(parts) or len(highs) < len(parts):
        return Meant(array, None, None)
    return Meant(array, min(lows), max(highs))


def _alike(part: Meant, first: Meant) -> Meant:
    """A windowed frame in the range of the first one, so that both show alike."""
    if part.low is None or part.high is None or first.low is None or first.high is None:
        return part
    to = (first.low, first.high)
    return Meant(moved(part.array, (part.low, part.high), to), *to)


def moved(array: np.ndarray, ends: tuple[float, float], to: tuple[float, float]) -> np.ndarray:
    """Values of one range in another, float32.

    Examples:
        >>> moved(np.array([0, 50, 100]), (0, 100), (-1, 1))
        array([-1.,  0.,  1.], dtype=float32)
    """
    scale = (to[1] - to[0]) / (ends[1] - ends[0] or 1)
    kind = np.dtype(np.float32)
    return blockwise(array, lambda block: (block - ends[0]) * scale + to[0], kind)


def frame_tags(data: Dataset, frames: int) -> list[Dataset]:
    """The tags that give values a meaning: of each frame, or one set that holds for all.

    An enhanced file keeps them in functional groups, shared or per frame.
    """
    from pydicom.dataset import Dataset

    common = Dataset()
    for keyword in (
        "PhotometricInterpretation",
        "BitsStored",
        "PixelRepresentation",
        *LUT_KEYWORDS,
    ):
        if keyword in data:
            common[keyword] = data[keyword]
    shared = data.get("SharedFunctionalGroupsSequence") or []
    own = data.get("PerFrameFunctionalGroupsSequence") or []
    _adopt(common, shared[0] if shared else None)
    if len(own) != frames:
        return [common]
    result = []
    for group in own:
        tags = Dataset()
        tags.update(common)
        _adopt(tags, group)
        result.append(tags)
    return result


def _adopt(tags: Dataset, group: Dataset | None) -> None:
    for macro in MACROS:
        items = group.get(macro) if group is not None else None
        for keyword in LUT_KEYWORDS if items else ():
            if items and keyword in items[0]:
                tags[keyword] = items[0][keyword]


def _key(tags: Dataset) -> str:
    return repr([str(tags[keyword].value) if keyword in tags else None for keyword in LUT_KEYWORDS])


def _frame(tags: Dataset, array: np.ndarray, stored: Stored, *, window: bool) -> Meant:
    result = _modality(tags, array, stored)
    if window:
        result = _window(tags, result)
    if tags.get("PhotometricInterpretation") == "MONOCHROME1":
        result = _turned_over(result)
    return result


def _modality(tags: Dataset, array: np.ndarray, stored: Stored) -> Meant:
    from pydicom.pixels.processing import apply_modality_lut

    if tags.get("ModalityLUTSequence"):
        bits = int(tags.ModalityLUTSequence[0].LUTDescriptor[2])
        kind = np.dtype(np.uint8 if bits <= 8 else np.uint16)
        lut = blockwise(array, lambda block: apply_modality_lut(block, tags), kind)
        return Meant(lut, 0, 2**bits - 1)
    if tags.get("RescaleSlope") is None or tags.get("RescaleIntercept") is None:
        return Meant(array, stored.low, stored.high)
    slope, intercept = float(tags.RescaleSlope), float(tags.RescaleIntercept)
    if (slope, intercept) == (1.0, 0.0):
        return Meant(array, stored.low, stored.high)
    if stored.low is None or stored.high is None:
        low = high = None
        kind = array.dtype
    else:
        low, high = sorted((stored.low * slope + intercept, stored.high * slope + intercept))
        whole = slope.is_integer() and intercept.is_integer()
        kind = smallest_integer(low, high) if whole else np.dtype(np.float32)
    return Meant(blockwise(array, lambda block: apply_modality_lut(block, tags), kind), low, high)


def _window(tags: Dataset, values: Meant) -> Meant:
    from pydicom.pixels.processing import apply_voi_lut

    ends = voi_range(tags)
    if ends is None:
        return values
    kind = np.dtype(np.float32)
    return Meant(blockwise(values.array, lambda block: apply_voi_lut(block, tags), kind), *ends)


def voi_range(tags: Dataset) -> tuple[float, float] | None:
    """The range of pydicom's `apply_voi_lut`; None where the tags give no window."""
    if tags.get("VOILUTSequence"):
        return 0.0, 2.0 ** int(tags.VOILUTSequence[0].LUTDescriptor[2]) - 1
    if tags.get("WindowCenter") is None or tags.get("WindowWidth") is None:
        return None
    bits = int(tags.BitsStored)
    if tags.get("ModalityLUTSequence"):
        return 0.0, 2.0 ** int(tags.ModalityLUTSequence[0].LUTDescriptor[2]) - 1
    signed = int(tags.get("PixelRepresentation") or 0)
    low, high = (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) if signed else (0.0, 2.0**bits - 1)
    if tags.get("RescaleSlope") is None or tags.get("RescaleIntercept") is None:
        return low, high
    slope, intercept = float(tags.RescaleSlope), float(tags.RescaleIntercept)
    low, high = sorted((low * slope + intercept, high * slope + intercept))
    return low, high


def shown_window(data: Dataset) -> tuple[float, float] | None:
    """The window that a file asks for, in the values of `meant` with ``window=False``.

    Of several windows the first one, of a VOI lookup table its ends, of several frames that of
    the first; None where the tags give none, or one that makes no sense.
    """
    frames = len(data.get("PerFrameFunctionalGroupsSequence") or []) or 1
    tags = frame_tags(data, frames)[0]
    window = _window_of(tags)
    if window is None or tags.get("PhotometricInterpretation") != "MONOCHROME1":
        return window
    if "BitsStored" not in tags:  # floats declare no range, and are negated
        return -window[1], -window[0]
    low, high = voi_range(tags) or (0.0, 0.0)
    return low + high - window[1], low + high - window[0]


def _window_of(tags: Dataset) -> tuple[float, float] | None:
    """Before brightness is turned over: DICOM PS3.3, C.11.2.1."""
    if tags.get("VOILUTSequence"):
        descriptor = tags.VOILUTSequence[0].get("LUTDescriptor")
        entries, first = _number(descriptor, 0), _number(descriptor, 1)
        if entries is None or first is None:
            return None
        return first, first + (entries or 2**16) - 1
    centre, width = _number(tags.get("WindowCenter"), 0), _number(tags.get("WindowWidth"), 0)
    if centre is None or width is None or width <= 1:
        return None
    if tags.get("VOILUTFunction") in ("LINEAR_EXACT", "SIGMOID"):
        return centre - width / 2, centre + width / 2
    return centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2


def _number(value: Any, place: int) -> float | None:
    """One of several numbers, or the only one; None if there is none that is finite."""
    from pydicom.multival import MultiValue

    try:
        number = float(value[place] if isinstance(value, (MultiValue, list)) else value)
    except (TypeError, ValueError, IndexError):
        return None
    return number if math.isfinite(number) else None


def _turned_over(values: Meant) -> Meant:
    if values.low is None or values.high is None:
        return Meant(-values.array, None, None)
    low, high, kind = values.low, values.high, values.array.dtype
    whole = kind.kind in "iu"  # int64, because float64 rounds the largest of 64 bits

    def turn(block: np.ndarray) -> np.ndarray:
        if whole:
            return np.clip(int(low) + int(high) - block.astype(np.int64), int(low), int(high))
        return np.clip(low + high - block.astype(np.float64), low, high)

    return Meant(blockwise(values.array, turn, kind), low, high)


def smallest_integer(low: float, high: float) -> np.dtype:
    """The smallest integer type that holds a range.

    Examples:
        >>> smallest_integer(-1024, 3071), smallest_integer(200, 4295)
        (dtype('int16'), dtype('uint16'))
    """
    for kind in (np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return np.dtype(kind)
    return np.dtype(np.int64)


def blockwise(
    array: np.ndarray, function: Callable[[np.ndarray], np.ndarray], kind: np.dtype
) -> np.ndarray:
    """A pointwise function over a large array, a block at a time, as values of one type."""
    flat = np.ascontiguousarray(array).reshape(-1)
    out = np.empty(flat.shape, kind)
    for start in range(0, flat.size, BLOCK):
        block = function(flat[start : start + BLOCK])
        out[start : start + BLOCK] = np.rint(block) if kind.kind in "iu" else block
    return out.reshape(array.shape)
