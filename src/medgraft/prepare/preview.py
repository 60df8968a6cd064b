"""Four small pictures of a prepared file: as it came, what was kept, what was removed, as it goes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from medgraft.files import replacing
from medgraft.prepare.steps import ground_of
from medgraft.prepare.tracing import Traced
from medgraft.read.scan import Scan

SIDE = 320  # pixels of the longer side
PARTS = ("before", "kept", "removed", "after")
COLOURS = ("#d55e00", "#56b4e9", "#cc79a7", "#e69f00")  # Okabe and Ito; a fifth step begins anew
MENDED = "#009e73"
ROOT = 0.5  # exponent for display before preparation, so that faint letters are seen
QUALITY = 88


def write_preview(stem: str, scan: Scan, traced: Traced) -> None:
    """Write ``STEM-before.jpg`` and so on for all `PARTS`.

    In the picture of what was removed the film is dim, what each step erased has the colour that
    `colour_of` gives to its place among them, and what was mended is drawn thick.
    """
    grey = _grey(scan) ** ROOT
    pictures = {
        "before": _rgb(grey),
        "kept": _rgb(traced.kept.astype(np.float32)),
        "removed": _removed(grey, traced),
        "after": _rgb(traced.array.mean(axis=0)),
    }
    for part, picture in pictures.items():
        with replacing(Path(f"{stem}-{part}.jpg")) as temporary:
            temporary.write_bytes(_jpeg(picture))


def colour_of(place: int) -> str:
    """The colour of the step that comes at this place among those that erase, from 0."""
    return COLOURS[place % len(COLOURS)]


def _bytes(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def _grey(scan: Scan) -> np.ndarray:
    """The scan as it came, its own range made [0, 1]."""
    values = scan.array.mean(axis=0, dtype=np.float64)
    low, high = ground_of(scan), float(np.percentile(values, 99.9))
    return np.asarray(((values - low) / max(high - low, 1e-12)).clip(0, 1))


def _removed(grey: np.ndarray, traced: Traced) -> np.ndarray:
    picture = _rgb(0.35 * grey).astype(np.float32)
    for place, lost in enumerate(traced.removed.values()):
        # The brighter what was erased, the stronger its colour: empty air was nothing.
        weight = np.where(lost, 0.25 + 0.75 * grey, 0)[..., None]
        picture = (1 - weight) * picture + weight * np.array(_bytes(colour_of(place)), np.float32)
    thick = traced.mended.copy()
    reach = max(1, max(grey.shape) // SIDE)
    for shift in range(-reach, reach + 1):
        thick |= np.roll(traced.mended, shift, axis=0) | np.roll(traced.mended, shift, axis=1)
    picture[thick] = _bytes(MENDED)
    return picture.astype(np.uint8)


def _rgb(grey: np.ndarray) -> np.ndarray:
    return np.repeat(np.rint(255 * grey).astype(np.uint8)[..., None], 3, axis=2)


def _jpeg(picture: np.ndarray) -> bytes:
    from PIL import Image

    image = Image.fromarray(picture)
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=QUALITY)
    return buffer.getvalue()
