"""What a reader is asked for: which file, which image in it, at which cost in memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medgraft.errors import ReadError

HEADER_BYTES = 2**26  # what a file may hold besides its pixels
LARGER = "Pass a larger max_bytes if the file is trusted and the memory is there."


@dataclass(frozen=True)
class Request:
    """One image that somebody wants.

    Attributes:
        path: The file, or the folder of a DICOM series.
        member: What stood after ``#`` in the path, or None.
        window: Whether to apply the file's own window (DICOM only).
        max_bytes: How many bytes of decoded pixels may be taken.
    """

    path: Path
    member: str | None = None
    window: bool = False
    max_bytes: int = 2**30

    @property
    def name(self) -> str:
        """The path as it was asked for."""
        return str(self.path) if self.member is None else f"{self.path}#{self.member}"

    def refusal(self, reason: str, remedy: str) -> ReadError:
        """The error that says why this file is not read; the caller raises it."""
        return ReadError(self.name, reason, remedy)

    def afford_file(self) -> None:
        """Refuse a file that is larger than the pixels that may be taken from it.

        Call it before a whole file is taken into memory: what is packed is smaller than what
        it unpacks to, but for its header.

        Raises:
            ReadError: If the file is more than ``max_bytes`` and `HEADER_BYTES` long.
        """
        size = self.path.stat().st_size
        if size > self.max_bytes + HEADER_BYTES:
            raise self.refusal(
                f"it is {_size(size)} long, and at most {_size(self.max_bytes)} may be taken",
                LARGER,
            )

    def afford(self, shape: Sequence[int], bits: int) -> int:
        """The bytes that an array of `shape` takes, if they may be taken.

        Call it with what the header says, before any memory is taken.

        Args:
            shape: Sizes along all axes, channels and frames included.
            bits: Bits of one value in memory.

        Raises:
            ReadError: If a size is not positive, or the bytes are more than ``max_bytes``.

        Examples:
            >>> Request(Path("a.png")).afford((512, 512, 3), 8)
            786432
            >>> Request(Path("a.png")).afford((2**20, 2**20), 16)
            Traceback (most recent call last):
            ...
            medgraft.errors.ReadError: cannot read 'a.png': its header promises 1048576 x 1048576
            values of 16 bits, 2048.0 GiB, and at most 1.0 GiB may be taken. Pass a larger
            max_bytes if the file is trusted and the memory is there.
        """
        sizes = [int(size) for size in shape]
        text = " x ".join(map(str, sizes))
        if not sizes or min(sizes) < 1:
            raise self.refusal(
                f"its header gives the size {text or 'of nothing'}", "Export the image again."
            )
        need = math.ceil(math.prod(sizes) * bits / 8)
        if need > self.max_bytes:
            raise self.refusal(
                f"its header promises {text} values of {bits} bits, {_size(need)}, and at most"
                f" {_size(self.max_bytes)} may be taken",
                LARGER,
            )
        return need


def _size(count: int) -> str:
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} bytes"
