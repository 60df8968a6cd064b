"""The overview of a case of DDSM: its ``.ics`` file, and what the names of its films say.

Checked against http://www.eng.usf.edu/cvprg/Mammography/DDSM/case_description.html.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

NAME = re.compile(
    r"^(?P<site>[A-D])_(?P<number>\d+)_(?P<visit>\d+)\.(?P<side>LEFT|RIGHT)_(?P<view>CC|MLO)"
    r"\.(?:LJPEG|OVERLAY)$",
    re.IGNORECASE,
)
VIEWS = ("LEFT_CC", "LEFT_MLO", "RIGHT_CC", "RIGHT_MLO")
LINE = re.compile(
    r"LINES (?P<rows>\d{1,6}) PIXELS_PER_LINE (?P<columns>\d{1,6}) BITS_PER_PIXEL (?P<bits>\d{1,2})"
    r" RESOLUTION (?P<microns>\d{1,4}(?:\.\d+)?) (?P<overlay>OVERLAY|NON_OVERLAY)"
)
MOST_BYTES = 2**16  # an overview has a dozen lines


@dataclass(frozen=True)
class Name:
    """What the name of a film or of its outlines says, such as ``A_1234_1.LEFT_CC.LJPEG``.

    Attributes:
        site: Where it was filmed: A (Massachusetts General Hospital), B or C (Wake Forest), D
            (Washington University and Sacred Heart).
        case: Site, number and visit, such as ``A_1234_1``.
        patient: Site and number; no woman has two.
        side: LEFT or RIGHT.
        view: CC or MLO.
    """

    site: str
    case: str
    patient: str
    side: str
    view: str

    @property
    def overview(self) -> str:
        """Name of the overview in the same folder."""
        return f"{self.case.replace('_', '-')}.ics"


@dataclass(frozen=True)
class View:
    """What an overview says of one film.

    Attributes:
        rows: Height.
        columns: Width.
        bits: Bits that its values fill, 12 or 16.
        spacing_mm: Side of a pixel on the film.
        outlined: Whether abnormalities are outlined in a file of their own.
    """

    rows: int
    columns: int
    bits: int
    spacing_mm: float
    outlined: bool


@dataclass(frozen=True)
class Overview:
    """What is known of a case.

    Attributes:
        age_years: Age of the woman; None where it is not given.
        density: Density of the breasts as the ACR rates it, 1 to 4; None where not given.
        digitizer: The scanner: DBA, HOWTEK, LUMISYS.
        views: The films by their name, such as LEFT_CC.
    """

    age_years: float | None
    density: int | None
    digitizer: str | None
    views: Mapping[str, View]


def name_of(path: str) -> Name | None:
    """What the name of a film says; None if it is called as no film of DDSM is.

    Examples:
        >>> name = name_of("case3024/B_3024_1.RIGHT_CC.LJPEG")
        >>> name.patient, name.side, name.overview
        ('B_3024', 'RIGHT', 'B-3024-1.ics')
    """
    found = NAME.match(path.rpartition("/")[2])
    if found is None:
        return None
    site, number, visit = found["site"].upper(), found["number"], found["visit"]
    return Name(
        site,
        f"{site}_{number}_{visit}",
        f"{site}_{number}",
        found["side"].upper(),
        found["view"].upper(),
    )


def read_overview(file: Path) -> Overview:
    """Read an ``.ics`` file.

    Raises:
        ValueError: If it is none, with the reason; a file that is missing says so too.
    """
    try:
        if file.stat().st_size > MOST_BYTES:
            raise ValueError(f"its overview '{file.name}' is longer than {MOST_BYTES} bytes")
        lines = file.read_text("ascii", errors="replace").splitlines()
    except OSError as error:
        raise ValueError(f"its overview '{file.name}' cannot be read: {error.strerror}") from error
    said = {line.split()[0]: " ".join(line.split()[1:]) for line in lines if line.split()}
    if "ics_version" not in said:
        raise ValueError(f"its overview '{file.name}' does not say its ics_version")
    views = {view: _view(said[view], view, file) for view in VIEWS if view in said}
    density = said.get("DENSITY", "")
    return Overview(
        float(age) if re.fullmatch(r"\d{1,3}", age := said.get("PATIENT_AGE", "")) else None,
        int(density) if density in ("1", "2", "3", "4") else None,
        said.get("DIGITIZER", "").partition(" ")[0].upper() or None,
        views,
    )


def _view(text: str, view: str, file: Path) -> View:
    found = LINE.fullmatch(text)
    if found is None:
        raise ValueError(f"its overview '{file.name}' says of {view} only {text[:60]!r}")
    return View(
        int(found["rows"]),
        int(found["columns"]),
        int(found["bits"]),
        float(found["microns"]) / 1000,
        found["overlay"] == "OVERLAY",
    )


def view_of(path: Path) -> tuple[Name, Overview, View]:
    """What the overview beside a film, or beside its outlines, says of it.

    Raises:
        ValueError: If the name is none of DDSM, or the overview is missing or does not tell.
    """
    name = name_of(path.name)
    if name is None:
        raise ValueError("its name is none of DDSM, such as A_1234_1.LEFT_CC.LJPEG")
    overview = read_overview(path.with_name(name.overview))
    view = overview.views.get(f"{name.side}_{name.view}")
    if view is None:
        raise ValueError(f"its overview '{name.overview}' says nothing of {name.side}_{name.view}")
    return name, overview, view
