"""Load a DICOM data set, and refuse early what is not an image."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from medgraft.read.request import HEADER_BYTES, LARGER, Request

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
PREAMBLE, PREFIX = 128, b"DICM"


def is_dicom(head: bytes, path: Path) -> bool:  # noqa: ARG001 (the signature of a sniff)
    """Whether a file begins as DICOM does: with its prefix, or bare with group 2 or 8.

    Examples:
        >>> is_dicom(bytes(128) + b"DICM", Path("a"))
        True
        >>> is_dicom(bytes.fromhex("08000500") + b"CS" + bytes(58), Path("a"))
        True
        >>> is_dicom(b"II*" + bytes(200), Path("a"))
        False
    """
    if head[PREAMBLE : PREAMBLE + 4] == PREFIX:
        return True
    group, element = head[:2], head[2:4]
    if group in (b"\x02\x00", b"\x08\x00"):  # bare, little endian
        return len(element) == 2 and element[1] == 0 and _plausible(head, "little")
    if group in (b"\x00\x02", b"\x00\x08"):  # bare, big endian
        return len(element) == 2 and element[0] == 0 and _plausible(head, "big")
    return False


def _plausible(head: bytes, order: str) -> bool:
    """Whether a known value representation or a small length follows the first tag."""
    if head[4:6].isalpha() and head[4:6].isupper():
        return True
    length = int.from_bytes(head[4:8], "little" if order == "little" else "big")
    return len(head) >= 8 and length <= 1024 and length % 2 == 0


def load(request: Request, *, pixels: bool) -> FileDataset:
    """The data set of a DICOM file, with or without its pixels.

    A file without a header names no transfer syntax; it is then the one in which its tags
    were found to be written.

    Raises:
        ReadError: If the file holds no tags, or unpacks to more than may be taken.
    """
    import pydicom
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    _refuse_bomb(request)
    found = pydicom.dcmread(request.path, stop_before_pixels=not pixels, force=True)
    if not found:
        raise request.refusal(
            "none of its tags can be read: it is cut short or damaged", "Copy or export it again."
        )
    if not found.file_meta.get("TransferSyntaxUID"):
        implicit, little = found.original_encoding
        written = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        found.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else written
    return found


def _refuse_bomb(request: Request) -> None:
    """Measure a deflated data set before pydicom unpacks it in one go."""
    from pydicom.filereader import _read_file_meta_info, read_preamble
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    with request.path.open("rb") as handle:
        read_preamble(handle, force=True)
        if _read_file_meta_info(handle).get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
            return
        inflate, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while chunk := handle.read(2**16):
            while chunk:
                size += len(inflate.decompress(chunk, 2**20))
                chunk = inflate.unconsumed_tail
                if size > request.max_bytes + HEADER_BYTES:
                    raise request.refusal(
                        f"it unpacks to more than {request.max_bytes} bytes", LARGER
                    )
        if not inflate.eof:
            raise request.refusal("it is cut short", "Copy it again from its origin.")


def require_image(request: Request, tags: FileDataset) -> None:
    """Refuse what is DICOM but no image.

    Raises:
        ReadError: Naming what it is instead.
    """
    if "Rows" in tags and "Columns" in tags:
        return
    from pydicom.uid import UID, MediaStorageDirectoryStorage

    kind = UID(str(tags.get("SOPClassUID") or tags.file_meta.get("MediaStorageSOPClassUID") or ""))
    if kind == MediaStorageDirectoryStorage or "DirectoryRecordSequence" in tags:
        raise request.refusal(
            "it is the directory of a DICOM medium, not an image",
            "Give the files that it lists, or a folder of one series.",
        )
    what = kind.name if kind else str(tags.get("Modality") or "")
    if not what:
        raise request.refusal(
            "it says neither what it is nor how large: it is damaged, cut short or no DICOM",
            "Copy or export it again.",
        )
    raise request.refusal(
        f"it is a DICOM object without pixels ({what})",
        "Leave it out; if it should be an image, it is cut short: copy it again.",
    )


def require_pixels(request: Request, tags: FileDataset) -> str:
    """The keyword of the element that holds the pixels.

    Raises:
        ReadError: If there is none, which is what a file cut short looks like.
    """
    for keyword in PIXELS:
        if keyword in tags and tags[keyword].value is not None:
            return keyword
    raise request.refusal(
        "it announces an image, but holds no pixels", "It is cut short; copy it again."
    )
