"""A process that works for another one: ``python -m medgraft.worker PACKAGE...``.

What crashes takes this process with it and nothing else. The set-up comes as one line of JSON on
standard input, then one line for each chunk of tasks. An answer is a line of JSON about some
tasks of a chunk, in their order, followed by the bytes of their arrays. The process ends when
its input does, so it never outlives its parent for longer than one task.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from typing import IO, TYPE_CHECKING, Any

from medgraft.errors import ArgumentError, MissingExtraError
from medgraft.machine import keep_freed_memory

if TYPE_CHECKING:
    import numpy as np

Work = Callable[[Any], "tuple[Any, np.ndarray | None]"]
"""What is done to one task, which is JSON: JSON comes out, and perhaps an array."""

TOO_LARGE = (
    "it takes more memory than there is",
    "Leave it out, or use fewer --workers, or a larger machine.",
)
PASSED_ON = (ArgumentError, MissingExtraError)  # what no other task would mend: the user's to know
HOLD_BYTES = 4 * 2**20  # answers are held back until they are so large, or so old: a message
HOLD_SECONDS = 0.2  # for each small task would cost as much as the task


def find(
    name: str, packages: Sequence[str], settings: Mapping[str, Any]
) -> AbstractContextManager[Work]:
    """The work that is called "module:function", set up with `settings`.

    Args:
        name: A function that returns a context manager, which gives the work.
        packages: The only packages from which anything is imported.
        settings: Keyword arguments of the function.

    Raises:
        ArgumentError: If the module is of another package, or there is no such function.
    """
    module, _, function = name.partition(":")
    if module.partition(".")[0] not in packages:
        raise ArgumentError(f"work must be a function of {' or '.join(packages)}, got {name!r}.")
    try:
        set_up = getattr(importlib.import_module(module), function)
    except (ModuleNotFoundError, AttributeError) as error:
        raise ArgumentError(
            f"work must be named module:function, and {name!r} is not there: {error}."
        ) from error
    found: AbstractContextManager[Work] = set_up(**settings)
    return found


def main() -> None:
    """Answer tasks until there are no more."""
    replies = _Replies(os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)  # a library that prints must not speak into the answers
    told = json.loads(sys.stdin.buffer.readline())
    _limit_memory(told["memory_bytes"])
    keep_freed_memory()
    try:
        with find(told["work"], sys.argv[1:], told["settings"]) as work:
            replies.send({"ready": True})
            _answer_all(work, told["timeout_seconds"], replies)
    except PASSED_ON as error:
        replies.send({"error": type(error).__name__, "text": str(error)})
    except Exception:  # noqa: BLE001 (our own mistake; the parent raises it)
        replies.send({"error": "RuntimeError", "text": traceback.format_exc()})


def _answer_all(work: Work, timeout_seconds: int, replies: _Replies) -> None:
    alarm = getattr(signal, "alarm", lambda _: None)  # not on every system
    for line in sys.stdin.buffer:
        for task in json.loads(line):
            alarm(timeout_seconds)  # ends the process, even inside a decoder
            try:
                replies.add(*work(task))
            except MemoryError:
                replies.add_failure(TOO_LARGE)
            finally:
                alarm(0)
        replies.flush()


class _Replies:
    """Answers on their way to the parent."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._heads: list[dict[str, Any]] = []
        self._arrays: list[np.ndarray] = []
        self._bytes = 0
        self._since = time.monotonic()

    def add(self, said: Any, array: np.ndarray | None) -> None:
        """Take an answer, and send what is held if it has become large or old."""
        head: dict[str, Any] = {"said": said}
        if array is not None:
            head |= {"dtype": array.dtype.str, "shape": array.shape, "bytes": array.nbytes}
            self._arrays.append(array)
            self._bytes += array.nbytes
        self._hold(head)

    def add_failure(self, failure: tuple[str, str]) -> None:
        """Take the reason and remedy of a task that failed."""
        self._hold({"failure": failure})

    def flush(self) -> None:
        """Send what is held."""
        if self._heads:
            self.send({"answers": self._heads, "bytes": self._bytes}, self._arrays)
        self._heads, self._arrays, self._bytes = [], [], 0
        self._since = time.monotonic()

    def send(self, message: dict[str, Any], arrays: Sequence[np.ndarray] = ()) -> None:
        """Write one message, and the bytes of the arrays after it."""
        line = json.dumps(message).encode()
        try:
            self._pipe.write(line + b"\n")
            for array in arrays:
                self._pipe.write(array.ravel().view("u1").data)
            self._pipe.flush()
        except BrokenPipeError:  # the parent is gone
            os._exit(0)

    def _hold(self, head: dict[str, Any]) -> None:
        self._heads.append(head)
        if self._bytes > HOLD_BYTES or time.monotonic() - self._since > HOLD_SECONDS:
            self.flush()


def _limit_memory(limit: int) -> None:
    """Let a file that asks for absurd amounts fail here instead of starving the machine."""
    with suppress(ImportError):  # not a POSIX system
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


if __name__ == "__main__":
    main()
