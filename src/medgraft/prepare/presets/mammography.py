"""Mammograms: films scanned with borders, tape, markers and dust, or digital ones."""

from __future__ import annotations

from typing import Literal

from medgraft.prepare.presets import Preset, preset


@preset("mammography")
class Mammography(Preset):
    """The breast alone, its chest wall to the left, as large as the image allows.

    In order: a dark ground; dust and scratches filled; white borders and tape, then all that is not
    breast erased; mirrored to one side; muscle erased if wanted; cropped; contrast; padded
    to a square and resized, proportions kept (Kim et al. 2017 name these steps, without saying how).
    Done a second time it changes nothing but rounding, unless contrast is `clahe`.
    """

    pectoral: Literal["keep", "erase"] = "keep"
    """Whether the muscle of the chest stays on oblique views."""
    contrast: Literal["stretch", "clahe", "none"] = "stretch"
    """`stretch` lets the brightest tissue be white, `clahe` evens contrast out as well."""
    chest: Literal["left", "as_it_is"] = "left"
    """Whether films are mirrored so that the chest wall lies to the left."""

    def steps(self, values: list[str], size: int, channels: int) -> list[str]:
        """The specs of the steps."""
        first, rest = (values[:1], values[1:]) if len(values) > 1 else ([], values)
        side = ["chest_left"] if self.chest == "left" else []
        muscle = ["erase_pectoral"] if self.pectoral == "erase" else []
        contrast = {"none": [], "stretch": ["stretch"], "clahe": ["stretch", "clahe"]}
        return [
            *first,  # the window of the file, which the reader applies
            "channels:count=1",
            "dark_ground",
            "mend_scratches",
            *rest,
            "erase_frame",
            "keep_breast",
            *side,
            *muscle,
            "crop_to_kept",
            *contrast[self.contrast][:1],
            "pad_square",
            f"resize:side={size}",
            *contrast[self.contrast][1:],
            *(["channels:count=3"] if channels == 3 else []),
        ]
