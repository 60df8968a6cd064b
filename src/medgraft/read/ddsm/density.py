"""From the grey levels of a scanner of DDSM to the optical density of the film.

The publishers scanned step wedges of known density on each scanner and fitted these lines:
http://www.eng.usf.edu/cvprg/Mammography/DDSM/calibrate/DBA_Scanner_info.html,
Lumisys_Scanner_info.html, and the pages of the two HOWTEK scanners beside them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Calibration = Callable[[np.ndarray], np.ndarray]


def _dba(grey: np.ndarray) -> np.ndarray:
    return np.asarray((np.log10(np.maximum(grey, 1)) - 4.80662) / -1.07553)


def _line(offset: float, slope: float) -> Calibration:
    return lambda grey: offset + slope * grey


def _lumisys(grey: np.ndarray) -> np.ndarray:
    return (grey - 4096.99) / -1009.01


SCANNERS: dict[tuple[str, str], Calibration] = {
    ("A", "DBA"): _dba,
    ("A", "HOWTEK"): _line(3.789, -0.00094568),
    ("B", "LUMISYS"): _lumisys,
    ("C", "LUMISYS"): _lumisys,
    ("D", "HOWTEK"): _line(3.96604095240593, -0.00099055807612),
}


def optical_density(grey: np.ndarray, digitizer: str | None, site: str) -> np.ndarray:
    """Optical density of each pixel: **higher is darker film**, about 0 to 4.

    The response of DBA is logarithmic, that of the others linear, so films of several scanners
    are alike in density only. A level of 0, of which DBA has no logarithm, counts as 1.

    Args:
        grey: Grey levels, any shape.
        digitizer: The scanner as the overview names it.
        site: First letter of the name of the case.

    Returns:
        Shape as `grey`, float32; a little below 0 where nothing is on the film.

    Raises:
        ValueError: If the site had no such scanner: there is no calibration for it.

    Examples:
        >>> optical_density(np.array([495, 4095]), "LUMISYS", "B").round(2).tolist()
        [3.569999933242798, 0.0]
    """
    calibrate = SCANNERS.get((site, digitizer or ""))
    if calibrate is None:
        known = ", ".join(f"{scanner} of {letter}" for letter, scanner in SCANNERS)
        raise ValueError(
            f"the density of a film is known for the scanners {known}, got {digitizer} of {site}"
        )
    return calibrate(grey.astype(np.float64)).astype(np.float32)
