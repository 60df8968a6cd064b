"""Mammograms drawn from formulas, with what is breast and what must go known to the pixel."""

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw

from medgraft.read.scan import Scan


@dataclass(frozen=True, eq=False)
class Drawn:
    """A film: values in [0, 1], and masks of what is on it, bool (rows, columns)."""

    values: np.ndarray
    breast: np.ndarray
    frame: np.ndarray
    marker: np.ndarray
    tape: np.ndarray

    def scan(self, bits=8, *, inverted=False, high=None):
        most = 2**bits - 1
        array = np.rint(self.values * (most if high is None else high)).astype(f"u{bits // 8}")
        return Scan(
            (most - array if inverted else array)[None], source="drawn.png", value_range=(0, most)
        )

    def mirrored(self):
        return replace(self, **{name: value[:, ::-1] for name, value in vars(self).items()})


def mammogram(
    size=(384, 320), *, border=8, tilt=0.0, marker=True, tape=False, wide=False, air=0.02, seed=0
):
    """A breast whose chest wall lies to the left, dimming towards its skin.

    Args:
        size: Rows and columns.
        border: Width of a white frame around the film; 0 for none.
        tilt: Rows by which the frame's upper edge rises per column.
        marker: A white plate with letters, and a number beside it, in the air.
        tape: A strip along the upper side, darker where the breast lies under it.
        wide: The breast reaches the upper and the lower side too.
        air: Its level.
        seed: Of the grain.
    """
    height, width = size
    rows, columns = np.indices(size)
    tall = 0.75 if wide else 0.4
    far = ((rows - 0.5 * height) / (tall * height)) ** 2 + (columns / (0.62 * width)) ** 2
    breast = far < 1
    rng = np.random.default_rng(seed)
    grain = rng.normal(0, 0.006, size)
    tissue = 0.2 + 0.5 * np.sqrt((1 - far).clip(0)) + 0.03 * np.sin(rows / 9) * np.cos(columns / 7)
    values = np.where(breast, tissue, air) + grain
    frame = np.zeros(size, bool)
    if border:
        edge = border + tilt * (columns - width / 2)
        frame = (rows < edge) | (rows >= height - border)
        frame |= (columns < border) | (columns >= width - border)
    plate, strip = np.zeros(size, bool), np.zeros(size, bool)
    if marker:
        picture = Image.new("L", (width, height))
        pen = ImageDraw.Draw(picture)
        left, top = int(0.78 * width), int(0.1 * height)
        pen.rectangle((left, top, left + width // 9, top + height // 8), fill=255)
        pen.text((left + 4, top + 4), "R\nMLO", fill=0)
        pen.text((left, top + height // 6), "17 MED-CAT", fill=200)
        drawn = np.asarray(picture) / 255
        plate = drawn > 0
        plate[top : top + height // 8 + 1, left : left + width // 9 + 1] = True
        values = np.where(plate, drawn, values)
    if tape:
        strip = rows < border + 0.1 * height
        values = np.where(strip, np.where(breast, 0.5 * values, 0.25 + grain), values)
    values = np.where(frame, 1.0, values).clip(0, 1)
    breast = breast & ~frame & ~strip
    return Drawn(values, breast, frame, plate & ~frame & ~breast, strip)
