"""PAR/REC, the volumes of Philips scanners (nibabel)."""

from __future__ import annotations

from pathlib import Path

from medgraft.read.formats import reader
from medgraft.read.nifti_like import no_member, scan_of, small_header
from medgraft.read.request import Request
from medgraft.read.scan import Scan

MAGIC = b"# === DATA DESCRIPTION FILE"


def is_parrec(head: bytes, path: Path) -> bool:  # noqa: ARG001 (the signature of a sniff)
    """Whether a file begins like the header of a PAR/REC pair."""
    return head.startswith(MAGIC)


@reader("parrec", suffixes=(".par", ".rec"), sniff=is_parrec)
def parrec(request: Request) -> Scan:
    """Read a PAR/REC volume, named by either half: (C, i, j, k), in displayed values.

    Raises:
        ReadError: If a half is missing or cut short, or the header contradicts itself.
    """
    from nibabel import FileHolder
    from nibabel.parrec import PARRECImage

    no_member(request)
    header, data = (_half(request.path, end) for end in ("PAR", "REC"))
    for half in (header, data):
        if not half.is_file():
            raise request.refusal(
                f"its other half '{half.name}' is missing", "Put the two files side by side."
            )
    small_header(request, header)
    with header.open() as text, data.open("rb") as values:  # nibabel would leave them open
        halves = {"header": text, "image": values}
        image = PARRECImage.from_file_map(
            {half: FileHolder(fileobj=handle) for half, handle in halves.items()}
        )
        return scan_of(request, image, modality="MR")


def _half(path: Path, ending: str) -> Path:
    """The file of that ending, in the case in which the other one is written."""
    lower = path.suffix[1:].islower()
    return path.with_suffix(f".{ending.lower() if lower else ending}")
