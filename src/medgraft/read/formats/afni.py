"""AFNI: a text header (.HEAD) beside its values (.BRIK) (nibabel)."""

from __future__ import annotations

import re
from pathlib import Path

from medgraft.read.formats import reader
from medgraft.read.nifti_like import no_member, scan_of, small_header
from medgraft.read.request import Request
from medgraft.read.scan import Scan

HALVES = re.compile(r"\.(HEAD|BRIK)(\.gz|\.bz2|\.Z)?$", re.IGNORECASE)


def is_afni(head: bytes, path: Path) -> bool:  # noqa: ARG001 (the signature of a sniff)
    """Whether a file begins like the header of AFNI."""
    return re.match(rb"\s*type\s*=\s*(string|integer|float)-attribute", head) is not None


@reader("afni", suffixes=(".head", ".brik", ".brik.gz"), sniff=is_afni)
def afni(request: Request) -> Scan:
    """Read an AFNI volume, named by either half: (C, i, j, k); sub-bricks become the channels.

    Raises:
        ReadError: If a half is missing, damaged or cut short, or the bricks differ in type.
    """
    import nibabel

    no_member(request)
    stem = HALVES.sub("", request.path.name)
    found = [path.name for path in request.path.parent.glob(f"{_literal(stem)}.*")]
    for half in ("HEAD", "BRIK"):
        if not any(name.startswith(f"{stem}.{half}") for name in found):
            raise request.refusal(
                f"its other half '{stem}.{half}' is missing", "Put the two files side by side."
            )
    header = request.path.with_name(f"{stem}.HEAD")
    small_header(request, header)
    return scan_of(request, nibabel.load(header))


def _literal(text: str) -> str:
    """A name in which no character is a wildcard."""
    return re.sub(r"([*?[])", r"[\1]", text)
