"""The size that a JPEG, JPEG-LS or JPEG 2000 stream announces, before anybody decodes it."""

from __future__ import annotations

from dataclasses import dataclass

# Start-of-frame markers of JPEG (ITU-T T.81, table B.1) and JPEG-LS (T.87).
FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
LOSSLESS = {0xC3, 0xC7, 0xCB, 0xCF}
BARE = {0x01, *range(0xD0, 0xD9)}  # markers without a length


@dataclass(frozen=True)
class Announced:
    """What the header of a coded image says.

    Attributes:
        rows: Height.
        columns: Width.
        samples: Values per pixel.
        bits: Bits per value.
        lossless: Whether it is lossless JPEG (not JPEG-LS, not JPEG 2000).
    """

    rows: int
    columns: int
    samples: int
    bits: int
    lossless: bool = False


def announced(data: bytes) -> Announced | None:
    """Size and depth from the header of a JPEG, JPEG-LS, JPEG 2000 or HTJ2K stream.

    Returns:
        None if the stream is none of these, or its header is cut short.

    Examples:
        >>> announced(bytes.fromhex("ffd8ffc1000b0c01000080010111003f"))
        Announced(rows=256, columns=128, samples=1, bits=12, lossless=False)
    """
    if data[:2] == b"\xff\xd8":
        return _jpeg(data)
    start = data.find(b"\xff\x4f\xff\x51", 0, 4096)  # bare, or inside the boxes of a JP2 file
    return _jpeg2000(data[start + 4 :]) if start >= 0 else None


def _jpeg(data: bytes) -> Announced | None:
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # padding before a marker
            at += 1
        elif marker in BARE:
            at += 2
        elif marker in FRAMES:
            body = data[at + 4 : at + 10]
            if len(body) < 6:
                return None
            rows, columns = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
            return Announced(rows, columns, body[5], body[0], marker in LOSSLESS)
        else:
            at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    return None


def _jpeg2000(segment: bytes) -> Announced | None:
    """The SIZ segment (ITU-T T.800, A.5.1), from its length on."""
    if len(segment) < 39:
        return None
    right, bottom, left, top = (
        int.from_bytes(segment[at : at + 4], "big") for at in (4, 8, 12, 16)
    )
    samples = int.from_bytes(segment[36:38], "big")
    return Announced(bottom - top, right - left, samples, (segment[38] & 0x7F) + 1)
