"""What becomes of one image: an array, or a reason why not. Workers of the pool do this."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from medgraft.errors import ArgumentError, ReadError
from medgraft.prepare.depth import quantised, source_bits
from medgraft.prepare.pipeline import load_scan, pipeline, prepare
from medgraft.prepare.steps import Step
from medgraft.read.quiet import quiet
from medgraft.worker import Work

Answer = tuple[dict[str, Any], np.ndarray | None]


@contextmanager
def preparing(specs: Sequence[str], bits: int) -> Iterator[Work]:
    """Work for `medgraft.pool.spread`: from the path of a file to what `answer` says of it.

    Raises:
        ArgumentError: If the steps are wrong.
    """
    chain = pipeline(specs)
    with quiet():  # once for all: each reading would silence its decoders anew
        yield lambda path: answer(path, chain, bits)


def answer(path: str, chain: Sequence[Step], bits: int) -> Answer:
    """Read, prepare and quantise one file; whatever is wrong with it becomes a reject.

    Returns:
        Either ``{"bits": bits that the file spends on one value}`` and whole numbers of shape
        (C, *S), or ``{"reason": ..., "remedy": ..., "lasting": ...}`` and None. A reject is
        lasting if the same bytes would fail again, which they may not where a file is missing.

    Raises:
        ArgumentError: If the steps themselves are wrong, which no other file would mend.
        MemoryError: If a step takes more than there is.
    """

    def made() -> Answer:
        scan = load_scan(path, chain)
        return {"bits": source_bits(scan)}, quantised(prepare(scan, chain), bits)

    return guarded(path, made)


def guarded(path: str, made: Callable[[], Answer]) -> Answer:
    """What `made` says of a file; whatever is wrong with the file becomes a reject.

    Raises:
        ArgumentError: If the steps themselves are wrong, which no other file would mend.
        MemoryError: If a step takes more than there is.
    """
    try:
        return made()
    except (ArgumentError, MemoryError):
        raise
    except ReadError as error:
        return reject_of(error, path)
    except Exception as error:  # noqa: BLE001 (a bad image costs its row, never the batch)
        return _reject(
            f"a preparation step failed on it ({type(error).__name__}: {error})",
            "Look at the image; if it is sound, report this as a bug of medgraft.",
            lasting=False,
        )


def reject_of(error: ReadError, path: str) -> Answer:
    """The reject of a file that could not be read."""
    return _reject(error.reason, error.remedy, lasting=_lasting(error, path))


def _reject(reason: str, remedy: str, *, lasting: bool) -> Answer:
    return {"reason": reason, "remedy": remedy, "lasting": lasting}, None


def _lasting(error: ReadError, path: str) -> bool:
    """Whether the content is at fault: not this machine, its packages, its memory or its disk."""
    cause = error.__cause__
    if isinstance(cause, (MemoryError, ImportError)):
        return False
    if isinstance(cause, OSError) and cause.errno is not None:  # decoders raise it without one
        return False
    return os.access(path if os.path.exists(path) else path.rpartition("#")[0], os.R_OK)
