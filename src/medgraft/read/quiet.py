"""Decoders speak to a log or to nobody: what they warn of is not the user's business."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

CHATTY = ("pydicom", "nibabel.global", "tifffile", "PIL")

_lock = threading.Lock()
_inside = 0
_warnings = warnings.catch_warnings()
_filters: list[logging.Logger] = []


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Python warnings and the decoders' loggers within the block.

    `warnings.catch_warnings` alone goes wrong when threads overlap (the last one out restores
    what it found, which may be another's silence), so the first one in silences and the last
    one out restores.
    """
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _inside, _warnings
    with _lock:
        _inside += 1
        if _inside == 1:
            _warnings = warnings.catch_warnings()
            _warnings.__enter__()
            warnings.simplefilter("ignore")
            for name in CHATTY:
                logger = logging.getLogger(name)
                if not logger.disabled:
                    logger.disabled = True
                    _filters.append(logger)


def _leave() -> None:
    global _inside
    with _lock:
        _inside -= 1
        if _inside == 0:
            _warnings.__exit__(None, None, None)
            while _filters:
                _filters.pop().disabled = False
