"""MGH and MGZ, the volumes of FreeSurfer (nibabel)."""

from __future__ import annotations

import gzip
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from medgraft.read.formats import reader
from medgraft.read.nifti_like import DAMAGED, no_member, scan_of
from medgraft.read.request import Request
from medgraft.read.scan import Scan

HEADER_BYTES = 284
ITEM_BYTES = {0: 1, 1: 4, 3: 4, 4: 2}  # bytes of a value by type code: uint8, int32, float32, int16


def is_mgh(head: bytes, path: Path) -> bool:
    """Whether a file begins with MGH's version 1 and a known type, and is named so."""
    if not path.name.lower().endswith((".mgh", ".mgz", ".mgh.gz")):
        return False
    return head[:4] == b"\0\0\0\x01" and int.from_bytes(head[20:24], "big") in ITEM_BYTES


@reader("mgh", suffixes=(".mgh", ".mgz", ".mgh.gz"), sniff=is_mgh)
def mgh(request: Request) -> Scan:
    """Read a FreeSurfer volume: (C, i, j, k); frames become the channels.

    Raises:
        ReadError: If it is damaged or cut short.
    """
    import nibabel

    no_member(request)
    with ExitStack() as files:
        raw = files.enter_context(request.path.open("rb"))
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        handle = files.enter_context(gzip.open(raw)) if packed else raw
        head = np.frombuffer(handle.read(24), ">i4")
        if len(head) < 6 or int(head[5]) not in ITEM_BYTES:
            raise request.refusal("its header is cut short or damaged", DAMAGED)
        bytes_each = ITEM_BYTES[int(head[5])]
        need = request.afford(head[1:5].tolist(), 8 * bytes_each)
        if not packed and request.path.stat().st_size < HEADER_BYTES + need:
            raise request.refusal("it is cut short", DAMAGED)
        handle.seek(0)
        holder = nibabel.FileHolder(fileobj=handle)
        return scan_of(request, nibabel.MGHImage.from_file_map({"image": holder}))
