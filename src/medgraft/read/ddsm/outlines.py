"""The outlines of abnormalities in a film of DDSM: chain codes in an ``.OVERLAY`` file.

Checked against http://www.eng.usf.edu/cvprg/Mammography/DDSM/case_description.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MOST_BYTES = 2**24  # the longest outline has some thousand steps
STEPS = np.array(  # column, row: 0 is up, then clockwise
    [(0, -1), (1, -1), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1)]
)
CODES = frozenset("01234567")
BOUNDARY, CORE = "BOUNDARY", "CORE"
KEYS = ("LESION_TYPE", "ASSESSMENT", "SUBTLETY", "PATHOLOGY")
END = "#"


@dataclass(frozen=True)
class Abnormality:
    """One abnormality as a radiologist marked it.

    Attributes:
        kinds: What it is: MASS, CALCIFICATION, or both.
        pathology: MALIGNANT, BENIGN, BENIGN_WITHOUT_CALLBACK or UNPROVEN.
        boundaries: Its outlines, each of shape (N, 2): column and row of its pixels in order.
        cores: Outlines of what is densest in it, likewise.
    """

    kinds: tuple[str, ...]
    pathology: str
    boundaries: tuple[np.ndarray, ...]
    cores: tuple[np.ndarray, ...]


def read_outlines(file: Path) -> list[Abnormality]:
    """Read an ``.OVERLAY`` file.

    Raises:
        ValueError: If it is none, or does not hold what it counts.
        OSError: If it cannot be read.
    """
    if (size := file.stat().st_size) > MOST_BYTES:
        raise ValueError(f"outlines are at most {MOST_BYTES} bytes long, and these are {size}")
    words = iter(file.read_text("ascii", errors="replace").split())
    _expect(words, "TOTAL_ABNORMALITIES")
    found = [_abnormality(words) for _ in range(_count(words))]
    if rest := next(words, None):
        raise ValueError(f"after the abnormalities that it counts there is {rest[:30]!r}")
    return found


def _abnormality(words: Iterator[str]) -> Abnormality:
    _expect(words, "ABNORMALITY")
    _count(words)
    said = _description(words)
    kinds = [values[0] for key, values in said if key == "LESION_TYPE" and values]
    pathology = [" ".join(values) for key, values in said if key == "PATHOLOGY"]
    outlines: dict[str, list[np.ndarray]] = {BOUNDARY: [], CORE: []}
    for _ in range(_count(words)):
        kind = next(words, "nothing")
        if kind not in outlines:
            raise ValueError(f"an outline must be called {BOUNDARY} or {CORE}, got {kind[:30]!r}")
        outlines[kind].append(_chain(words))
    return Abnormality(
        tuple(dict.fromkeys(kinds)),
        pathology[-1] if pathology else "",
        tuple(outlines[BOUNDARY]),
        tuple(outlines[CORE]),
    )


def _description(words: Iterator[str]) -> list[tuple[str, list[str]]]:
    """What is said of an abnormality before its outlines are counted."""
    said: list[tuple[str, list[str]]] = []
    for word in words:
        if word == "TOTAL_OUTLINES":
            return said
        if word in KEYS:
            said.append((word, []))
        elif said:
            said[-1][1].append(word)
        else:
            raise ValueError(
                f"an abnormality must be described by {', '.join(KEYS)}, got {word[:30]!r}"
            )
    raise ValueError("an abnormality has no outlines: it is cut short")


def _chain(words: Iterator[str]) -> np.ndarray:
    start = [_count(words), _count(words)]
    codes: list[str] = []
    for word in words:
        if word == END:
            break
        if word not in CODES:
            raise ValueError(f"an outline must be made of steps 0 to 7, got {word[:30]!r}")
        codes.append(word)
    else:
        raise ValueError(f"an outline has no end ({END!r}): it is cut short")
    steps = np.concatenate([[start], STEPS[np.array(codes, dtype=np.int64)].reshape(-1, 2)])
    points: np.ndarray = np.cumsum(steps, axis=0)
    return points


def _expect(words: Iterator[str], wanted: str) -> None:
    if (word := next(words, "nothing")) != wanted:
        raise ValueError(f"it must go on with {wanted}, got {word[:30]!r}")


def _count(words: Iterator[str]) -> int:
    word = next(words, "nothing")
    if not (word.isascii() and word.isdigit() and len(word) < 7):
        raise ValueError(f"it must go on with a number, got {word[:30]!r}")
    return int(word)
