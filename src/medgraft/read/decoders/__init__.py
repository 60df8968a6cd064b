"""Decoders that pydicom lacks, as plug-ins of pydicom.

A plug-in is a module with ``is_available(uid)``, a table ``DECODER_DEPENDENCIES`` and a function
from the bytes of one frame to its pixels.
"""

from __future__ import annotations

import functools
import importlib
import threading

_one_at_a_time = threading.Lock()


def install() -> None:
    """Tell pydicom of our decoders, once per process, however many threads read at the same time."""
    with _one_at_a_time:
        _install()


@functools.cache
def _install() -> None:
    from pydicom.pixels.decoders.base import get_decoder

    for module in ("jpeg", "rle"):
        path = f"{__name__}.{module}"
        for uid in importlib.import_module(path).DECODER_DEPENDENCIES:
            get_decoder(uid).add_plugin(f"medgraft.{module}", (path, "decode_frame"))
