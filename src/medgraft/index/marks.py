"""How a PNG file says of itself that a model made it.

The workers of the pool import this file, so it stays free of tables and their package.
"""

from __future__ import annotations

import struct
from pathlib import Path

MARK = "medgraft.generated"  # keyword of a text chunk
SIGNATURE = b"\x89PNG\r\n\x1a\n"
TEXTS = (b"tEXt", b"iTXt", b"zTXt")


def is_marked(path: Path) -> bool:
    """Whether a file is a PNG that says of itself that it was generated.

    Its chunks are looked at up to the pixels; nothing is decoded.
    """
    try:
        with path.open("rb") as file:
            if file.read(len(SIGNATURE)) != SIGNATURE:
                return False
            while len(head := file.read(8)) == 8:
                length, kind = struct.unpack(">I4s", head)
                if kind in TEXTS and file.read(len(MARK) + 1) == MARK.encode() + b"\0":
                    return True
                if kind in (b"IDAT", b"IEND"):
                    return False
                # from the start of the chunk's data, of which some may have been read
                read = len(MARK) + 1 if kind in TEXTS else 0
                file.seek(length - read + 4, 1)
    except OSError:
        return False
    return False
