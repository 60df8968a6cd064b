"""A process that prepares images for another one: ``python -m medgraft.prepare.worker``.

A decoder that crashes takes this process with it and nothing else. Settings come as one line of
JSON on standard input, then one line for each chunk of tasks. An answer is a line of JSON about
some tasks of a chunk, in their order, followed by the bytes of their arrays. The process ends
when its input does, so it never outlives its parent for longer than one image.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from typing import IO, Any

from medgraft.errors import ArgumentError
from medgraft.prepare.answers import Prepared, answer
from medgraft.prepare.pipeline import pipeline
from medgraft.prepare.steps import Step
from medgraft.read.quiet import quiet

HOLD_BYTES = 4 * 2**20  # answers are held back until they are so large, or so old: a message
HOLD_SECONDS = 0.2  # for each small image would cost as much as the image


def main() -> None:
    """Answer tasks until there are no more."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not speak into the answers
    settings = json.loads(sys.stdin.buffer.readline())
    _limit_memory(settings["memory_bytes"])
    chain = pipeline(settings["steps"])
    out = _Answers(replies)
    out.send({"ready": True})
    with quiet():  # once for all: each reading would silence its decoders anew
        _answer_all(chain, settings, out)


def _answer_all(chain: Sequence[Step], settings: dict[str, Any], out: _Answers) -> None:
    for line in sys.stdin.buffer:
        for task, path in json.loads(line):
            signal.alarm(settings["timeout_seconds"])  # ends the process, even inside a decoder
            try:
                result = answer(task, path, chain, settings["bits"])
            except ArgumentError as error:
                out.send({"wrong": str(error)})
                return
            finally:
                signal.alarm(0)
            if isinstance(result, Prepared):
                head = {"shape": result.array.shape, "bits": result.source_bits}
                out.add(head, result.array.data)
            else:
                words = {"reason": result.reason, "remedy": result.remedy}
                out.add({**words, "lasting": result.lasting})
        out.flush()


class _Answers:
    """Answers on their way to the parent."""

    def __init__(self, replies: IO[bytes]) -> None:
        self._replies = replies
        self._heads: list[dict[str, Any]] = []
        self._arrays: list[memoryview] = []
        self._since = time.monotonic()

    def add(self, head: dict[str, Any], array: memoryview | None = None) -> None:
        """Take an answer, and send what is held if it has become large or old."""
        self._heads.append(head)
        if array is not None:
            self._arrays.append(array)
        large = sum(a.nbytes for a in self._arrays) > HOLD_BYTES
        if large or time.monotonic() - self._since > HOLD_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Send what is held."""
        if self._heads:
            self.send({"answers": self._heads}, self._arrays)
        self._heads, self._arrays = [], []
        self._since = time.monotonic()

    def send(self, message: dict[str, Any], arrays: list[memoryview] | None = None) -> None:
        """Write one message, and the bytes of the arrays after it."""
        try:
            self._replies.write(json.dumps(message).encode() + b"\n")
            for array in arrays or []:
                self._replies.write(array)
            self._replies.flush()
        except BrokenPipeError:  # the parent is gone
            os._exit(0)


def _limit_memory(limit: int) -> None:
    """Let a file that asks for absurd amounts fail here instead of starving the machine."""
    try:
        import resource
    except ImportError:  # not a POSIX system
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


if __name__ == "__main__":
    main()
