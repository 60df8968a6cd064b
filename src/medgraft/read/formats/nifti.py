"""NIfTI-1, NIfTI-2 and Analyze, in one file or two (nibabel)."""

from __future__ import annotations

import gzip
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from medgraft.read.formats import reader
from medgraft.read.nifti_like import DAMAGED, no_member, scan_of
from medgraft.read.request import HEADER_BYTES, Request
from medgraft.read.scan import Scan

SINGLE, PAIR = (b"n+1\0", b"n+2\0"), (b"ni1\0", b"ni2\0")
CIFTI = range(3000, 3100)  # intent codes of values on the cortex, which are no image


def is_nifti(head: bytes, path: Path) -> bool:
    """Whether a file begins as NIfTI does, or as the header of an Analyze pair."""
    if head[344:348] in SINGLE + PAIR or head[4:8] in SINGLE + PAIR:
        return True
    size = (int.from_bytes(head[:4], "little"), int.from_bytes(head[:4], "big"))
    return 348 in size and path.name.lower().endswith((".hdr", ".hdr.gz"))


@reader(
    "nifti",
    suffixes=(".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz"),
    sniff=is_nifti,
)
def nifti(request: Request) -> Scan:
    """Read a NIfTI or Analyze volume: (C, i, j, k), axes in the order of the file.

    Time points or vectors become the channels. Integers stay integers unless the header scales
    them. The affine is that of the header (sform, else qform).

    Raises:
        ReadError: If it is damaged or cut short, complex, or its other half is missing.
    """
    import nibabel

    no_member(request)
    with ExitStack() as files:
        handle, packed = _open(request.path, files)
        head = handle.read(540)
        magic = next((m for m in (head[344:348], head[4:8]) if m in SINGLE), None)
        if magic is None:
            return _pair(request, head)
        kind = nibabel.Nifti1Image if magic == SINGLE[0] else nibabel.Nifti2Image
        header = kind.header_class(head[: kind.header_class.template_dtype.itemsize], check=False)
        end = _check(request, header, handle)
        if not packed and request.path.stat().st_size < end:
            raise request.refusal(
                f"it is cut short: {end} bytes are announced, {request.path.stat().st_size} there",
                DAMAGED,
            )
        handle.seek(0)
        holder = nibabel.FileHolder(fileobj=handle)
        image = kind.from_file_map({"header": holder, "image": holder})
        return scan_of(request, image, unit_mm=_unit_mm(image.header))


def _open(path: Path, files: ExitStack) -> tuple[IO[bytes], bool]:
    """Open a file, through gzip if its content (not its name) is packed; and whether it is."""
    handle = files.enter_context(path.open("rb"))
    packed = handle.read(2) == b"\x1f\x8b"
    handle.seek(0)
    if packed:
        return cast(IO[bytes], files.enter_context(gzip.GzipFile(fileobj=handle))), True
    return handle, False


def _check(request: Request, header: Any, handle: IO[bytes]) -> int:
    """Where the values end, if the header promises no more than there may be."""
    start, offset = len(header.binaryblock) + 4, int(header["vox_offset"])
    if int(header["intent_code"]) in CIFTI:
        raise request.refusal(
            "it is CIFTI, whose values lie on the cortex and are no image", "Give the volume."
        )
    shape, stored = header.get_data_shape(), header.get_data_dtype()
    need = request.afford(shape, 8 * stored.itemsize)
    if not start <= offset <= HEADER_BYTES:
        raise request.refusal(f"its values begin at byte {offset}", DAMAGED)
    _check_extensions(request, handle, start, offset, header.endianness)
    return offset + need


def _check_extensions(
    request: Request, handle: IO[bytes], start: int, end: int, order: str
) -> None:
    """Follow the chain of notes; a size out of bounds makes nibabel read without end."""
    at = start
    while at + 16 <= end:
        handle.seek(at)
        size = int(np.frombuffer(handle.read(4), np.dtype(f"{order}i4"))[0])
        if not 8 <= size <= end - at:
            if size == 0:  # zeros up to the values: no further note
                return
            raise request.refusal(f"a note in its header is {size} bytes long", DAMAGED)
        at += size


def _unit_mm(header: Any) -> float:
    """Millimetres in the unit of the header's distances."""
    if not hasattr(header, "get_xyzt_units"):  # Analyze
        return 1.0
    return {"meter": 1000.0, "micron": 0.001}.get(header.get_xyzt_units()[0], 1.0)


def _pair(request: Request, head: bytes) -> Scan:
    """A header and its values in two files."""
    import nibabel

    name = request.path.name
    stem, packed = (name[:-3], ".gz") if name.lower().endswith(".gz") else (name, "")
    other = {".hdr": ".img", ".img": ".hdr", ".HDR": ".IMG", ".IMG": ".HDR"}.get(stem[-4:])
    if other is None:
        raise request.refusal(
            f"it is no NIfTI file (it begins with {head[:8]!r})", "Give a .nii or .hdr file."
        )
    twins = [request.path.with_name(stem[:-4] + other + end) for end in (packed, "", ".gz")]
    if not any(twin.is_file() for twin in twins):
        raise request.refusal(
            f"its other half '{twins[0].name}' is missing", "Put the two files side by side."
        )
    _check_pair(request, request.path if other.lower() == ".img" else twins[0])
    image = nibabel.load(request.path)
    return scan_of(request, image, unit_mm=_unit_mm(image.header))


def _check_pair(request: Request, header: Path) -> None:
    """A header alone is 348 or 540 bytes and a few notes; nibabel reads it to its end."""
    with ExitStack() as files:
        handle, _ = _open(header, files)
        if len(handle.read(HEADER_BYTES + 1)) > HEADER_BYTES:
            raise request.refusal("its header is more than 64 MiB long", DAMAGED)
