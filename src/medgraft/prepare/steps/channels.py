"""Make every image grey, or every image three-channelled."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from medgraft.errors import ReadError
from medgraft.prepare.steps import Step, step
from medgraft.read.scan import Scan

LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as JPEG and DICOM use
CHANNELS_WITHOUT_ALPHA = {1: 1, 2: 1, 3: 3, 4: 3}


@step("channels", example="channels:count=1")
class Channels(Step):
    """Turn colour into grey by luminance (`count=1`), or grey into three equal channels.

    A second or fourth channel of a picture is its transparency, and is dropped. A volume with
    another number of channels than 1 or 3 is a series in time or of contrasts, and is refused:
    which of them to keep is not ours to choose.
    """

    count: Literal[1, 3]
    """Number of channels wanted."""

    def __call__(self, scan: Scan) -> Scan:
        """The scan with `count` channels.

        Raises:
            ReadError: If the scan has more channels than a picture can have.
        """
        opaque = CHANNELS_WITHOUT_ALPHA.get(scan.channels)
        if opaque is None or (scan.dims == 3 and opaque != scan.channels):
            raise ReadError(
                scan.source,
                f"it must have 1 or 3 channels, and has {scan.channels}",
                "Extract the channel or time point that is meant into a file of its own.",
            )
        array = scan.array[:opaque]
        if self.count == 1 and opaque == 3:
            array = _grey(array)
        elif self.count == 3 and opaque == 1:
            array = np.repeat(array, 3, axis=0)
        return replace(scan, array=array)


def _grey(array: np.ndarray) -> np.ndarray:
    """Luminance of (3, *S) as float32 (1, *S)."""
    red, green, blue = (
        np.multiply(channel, weight, dtype=np.float32)
        for channel, weight in zip(array, LUMINANCE, strict=True)
    )
    red += green
    red += blue
    grey: np.ndarray = red[None]
    return grey
