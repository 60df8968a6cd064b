"""Outlines of abnormalities in films of DDSM, as masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medgraft.read.ddsm.outlines import read_outlines
from medgraft.read.ddsm.overview import view_of
from medgraft.read.formats import reader
from medgraft.read.outline import filled
from medgraft.read.request import Request
from medgraft.read.scan import Scan

MEMBERS = ("boundary", "core")
REMEDY = "Fetch the outlines and the .ics file again."


def is_overlay(head: bytes, path: Path) -> bool:  # noqa: ARG001 (the signature of a sniff)
    """Whether a file begins with a count of abnormalities."""
    return head.lstrip().startswith(b"TOTAL_ABNORMALITIES")


@reader("overlay", suffixes=(".overlay",), sniff=is_overlay)
def overlay(request: Request) -> Scan:
    """Read the outlines of a film of DDSM as a mask: (1, rows, columns), 0 and 1.

    A pixel is 1 on and inside the boundary of any abnormality; with ``#core`` on and inside its
    cores. The size of the film stands in its ``.ics`` file, which must lie beside it.

    Raises:
        ReadError: If it is cut short, holds no chain codes, leaves the film, or its overview is
            missing.
    """
    member = request.member or MEMBERS[0]
    if member not in MEMBERS:
        raise request.refusal("outlines have no such member", f"Ask for {' or '.join(MEMBERS)}.")
    try:
        _, _, view = view_of(request.path)
        request.afford((view.rows, view.columns), 8)
        mask = np.zeros((view.rows, view.columns), dtype=np.uint8)
        for found in read_outlines(request.path):
            for outline in found.boundaries if member == MEMBERS[0] else found.cores:
                rows, columns, inside = filled(outline, mask.shape)
                mask[rows, columns][inside] = 1
    except ValueError as error:
        raise request.refusal(str(error), REMEDY) from error
    return Scan(
        mask[None],
        spacing_mm=(view.spacing_mm, view.spacing_mm),
        source=request.name,
        value_range=(0, 1),
    )
