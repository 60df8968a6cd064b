"""Stopping on request, where it costs nothing: between two steps."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

AGAIN_SECONDS = 1.0  # some launchers pass on a Ctrl-C that their processes have heard already


@dataclass
class Stop:
    """Whether somebody asked to stop."""

    asked: bool = False


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """Turn the first Ctrl-C (or SIGTERM) into a request; a later Ctrl-C stops at once.

    SIGTERM may come as often as it likes: schedulers repeat it, and mean no more by that.
    """
    stop, first = Stop(), 0.0
    if threading.current_thread() is not threading.main_thread():
        yield stop  # signals belong to the main thread
        return

    def ask(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (the system's signature)
        nonlocal first
        if stop.asked:
            if number == signal.SIGINT and time.monotonic() - first > AGAIN_SECONDS:
                raise KeyboardInterrupt
            return
        stop.asked, first = True, time.monotonic()
        print("\nstopping after this step; a second Ctrl-C stops at once", file=sys.stderr)  # noqa: T201

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
