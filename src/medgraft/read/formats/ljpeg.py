"""Films of DDSM: lossless JPEG whose size stands in an overview beside it (imagecodecs)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medgraft.read.codestream import announced
from medgraft.read.ddsm.density import optical_density
from medgraft.read.ddsm.overview import View, name_of, view_of
from medgraft.read.formats import reader
from medgraft.read.request import Request
from medgraft.read.scan import Scan
from medgraft.read.tags import Identity

START = b"\xff\xd8"
DENSITY = "optical_density"
DAMAGED = "Fetch the film and its .ics file again."


def is_ljpeg(head: bytes, path: Path) -> bool:
    """Whether a file begins as JPEG does and is called as films of DDSM are."""
    return head.startswith(START) and path.suffix.lower() == ".ljpeg"


def identity(request: Request) -> Identity:
    """Patient, side and view, from the name of a film."""
    name = name_of(request.path.name)
    if name is None:
        return Identity(modality="MG")
    return Identity(patient_id=name.patient, view=name.view, laterality=name.side[0], modality="MG")


@reader("ljpeg", suffixes=(".ljpeg",), sniff=is_ljpeg, identity=identity)
def ljpeg(request: Request) -> Scan:
    """Read a film of DDSM: (1, rows, columns), uint16, higher is brighter.

    Its ``.ics`` file must lie beside it: in part of the published films the stream names rows and
    columns the wrong way round, and only the overview tells. ``film.LJPEG#optical_density`` is the
    same film as optical density (float32, higher is darker), for scanners whose calibration was
    published.

    Raises:
        ReadError: If it is damaged, its overview is missing or says another size, or its values
            take more bits than the overview says.
    """
    request.afford_file()
    data = request.path.read_bytes()
    if request.member not in (None, DENSITY):
        raise request.refusal("a film has no such member", f"Ask for '#{DENSITY}', or for none.")
    try:
        name, overview, view = view_of(request.path)
    except ValueError as error:
        raise request.refusal(str(error), DAMAGED) from error
    grey = _decoded(request, data, view)
    if request.member == DENSITY:
        try:
            array = optical_density(grey, overview.digitizer, name.site)
        except ValueError as error:
            raise request.refusal(str(error), "Read its grey levels.") from error
    else:
        array = grey
    return Scan(
        array[None],
        spacing_mm=(view.spacing_mm, view.spacing_mm),
        modality="MG",
        source=request.name,
        value_range=None if request.member else (0, 2**view.bits - 1),
        unit="OD" if request.member == DENSITY else None,
    )


def _decoded(request: Request, data: bytes, view: View) -> np.ndarray:
    """The grey levels, in the shape that the overview gives."""
    from medgraft.read.decoders.jpeg import decode  # imports pydicom

    found = announced(data)
    if found is None or not found.lossless or found.samples != 1:
        raise request.refusal("it holds no lossless JPEG of one channel", DAMAGED)
    request.afford((found.rows, found.columns), 16)
    if sorted((found.rows, found.columns)) != sorted((view.rows, view.columns)):
        raise request.refusal(
            f"its stream has {found.rows} x {found.columns} pixels, and its overview says"
            f" {view.rows} x {view.columns}",
            DAMAGED,
        )
    # The values follow one another as on the film, whichever way round the size stands.
    grey = decode(data).astype(np.uint16, copy=False).reshape(view.rows, view.columns)
    if not 0 < view.bits <= 16 or int(grey.max()) >= 2**view.bits:
        raise request.refusal(
            f"a value is {grey.max()}, and its overview says that it has {view.bits} bits", DAMAGED
        )
    return grey
