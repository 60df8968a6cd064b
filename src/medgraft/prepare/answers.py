"""What becomes of one image: an array, or a reason why not."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medgraft.errors import ArgumentError, ReadError
from medgraft.prepare.depth import quantised, source_bits
from medgraft.prepare.pipeline import load_scan, prepare
from medgraft.prepare.steps import Step


@dataclass(frozen=True)
class Prepared:
    """An image that is ready.

    Attributes:
        task: Number of the task.
        array: Whole numbers, shape (C, *S).
        source_bits: Bits that the file spends on one value.
    """

    task: int
    array: np.ndarray
    source_bits: int


@dataclass(frozen=True)
class Rejected:
    """An image that could not be prepared.

    Attributes:
        task: Number of the task.
        reason: What is wrong with it, in one clause.
        remedy: What the user can do about it.
        lasting: Whether the same bytes would fail again; false for a file that is missing, or
            for a decoder that crashed or ran out of memory.
    """

    task: int
    reason: str
    remedy: str
    lasting: bool


def answer(task: int, path: str, chain: Sequence[Step], bits: int) -> Prepared | Rejected:
    """Read, prepare and quantise one file; whatever is wrong with it becomes a `Rejected`.

    Raises:
        ArgumentError: If the steps themselves are wrong, which no other file would mend.
    """
    try:
        scan = load_scan(path, chain)
        return Prepared(task, quantised(prepare(scan, chain), bits), source_bits(scan))
    except ArgumentError:
        raise
    except ReadError as error:
        return Rejected(task, error.reason, error.remedy, lasting=_lasting(error, path))
    except MemoryError:
        return Rejected(
            task,
            "preparing it takes more memory than there is",
            "Leave it out, or prepare it with fewer --workers.",
            lasting=False,
        )
    except Exception as error:  # noqa: BLE001 (a bad image costs its row, never the batch)
        return Rejected(
            task,
            f"a preparation step failed on it ({type(error).__name__}: {error})",
            "Look at the image; if it is sound, report this as a bug of medgraft.",
            lasting=False,
        )


def _lasting(error: ReadError, path: str) -> bool:
    """Whether the content is at fault: not this machine, its packages, its memory or its disk."""
    cause = error.__cause__
    if isinstance(cause, (MemoryError, ImportError)):
        return False
    if isinstance(cause, OSError) and cause.errno is not None:  # decoders raise it without one
        return False
    return os.access(path if os.path.exists(path) else path.rpartition("#")[0], os.R_OK)
