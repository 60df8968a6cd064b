"""Mammograms: films scanned with borders, tape, markers and dust, or digital ones."""

from __future__ import annotations

from typing import Literal

from medgraft.errors import ArgumentError
from medgraft.prepare.presets import Preset, preset


@preset("mammography")
class Mammography(Preset):
    """The breast alone, its chest wall to the left, as large as the image allows.

    In order: a dark ground; dust and scratches filled; white borders and tape, then all that is not
    breast erased; mirrored to one side; muscle erased if wanted; cropped; contrast; padded
    to a square and resized, proportions kept (Kim et al. 2017 name these steps, without saying how).
    Done a second time it changes nothing but rounding, unless contrast is `clahe`. Optical
    densities, where a reader gives them, become brightness first, in one window for all films.
    """

    pectoral: Literal["keep", "erase"] = "keep"
    """Whether the muscle of the chest stays on oblique views."""
    contrast: Literal["stretch", "clahe", "density", "none"] = "stretch"
    """`stretch` lets the brightest tissue be white, `clahe` evens contrast out as well; `density`
    leaves films comparable by optical density, and refuses those whose density is not known."""
    chest: Literal["left", "as_it_is"] = "left"
    """Whether films are mirrored so that the chest wall lies to the left."""

    def steps(self, values: list[str], size: int, channels: int) -> list[str]:
        """The specs of the steps.

        Raises:
            ArgumentError: If contrast is to be by density, and a window is asked for too.
        """
        by_density = self.contrast == "density"
        if by_density and values != ["intensity"]:
            raise ArgumentError(
                f"contrast=density is a window of its own; got {', '.join(values)} besides."
                " Leave one out."
            )
        density = ["density_window:other=refuse" if by_density else "density_window"]
        first, rest = (values[:1], values[1:]) if len(values) > 1 else ([], values)
        side = ["chest_left"] if self.chest == "left" else []
        muscle = ["erase_pectoral"] if self.pectoral == "erase" else []
        stretch = ["stretch"] if self.contrast in ("stretch", "clahe") else []
        return [
            *first,  # the window of the file, which the reader applies
            *(density if values[-1] == "intensity" else []),
            "channels:count=1",
            "dark_ground",
            "mend_scratches",
            *rest,
            "erase_frame",
            "keep_breast",
            *side,
            *muscle,
            "crop_to_kept",
            *stretch,
            "pad_square",
            f"resize:side={size}",
            *(["clahe"] if self.contrast == "clahe" else []),
            *(["channels:count=3"] if channels == 3 else []),
        ]
