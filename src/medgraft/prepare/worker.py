"""A process that prepares images for another one: ``python -m medgraft.prepare.worker``.

A decoder that crashes takes this process with it and nothing else. Settings come as one line of
JSON on standard input, then one task per line. Each answer is a line of JSON, followed by the
bytes of the array if there is one. The process ends when its input does, so it never outlives
its parent for longer than one image.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import IO, Any

from medgraft.errors import ArgumentError
from medgraft.prepare.answers import Prepared, answer
from medgraft.prepare.pipeline import pipeline


def main() -> None:
    """Answer tasks until there are no more."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not speak into the answers
    settings = json.loads(sys.stdin.buffer.readline())
    _limit_memory(settings["memory_bytes"])
    chain = pipeline(settings["steps"])
    _send(replies, {"kind": "ready"})
    for line in sys.stdin.buffer:
        task, path = json.loads(line)
        signal.alarm(settings["timeout_seconds"])  # ends the process, even inside a decoder
        try:
            result = answer(task, path, chain, settings["bits"])
        except ArgumentError as error:
            _send(replies, {"kind": "wrong", "message": str(error)})
            continue
        finally:
            signal.alarm(0)
        if isinstance(result, Prepared):
            head = {"kind": "prepared", "bits": result.source_bits, "shape": result.array.shape}
            _send(replies, head, result.array.data)
        else:
            head = {"reason": result.reason, "remedy": result.remedy, "lasting": result.lasting}
            _send(replies, {"kind": "rejected", **head})


def _send(replies: IO[bytes], head: dict[str, Any], payload: memoryview | bytes = b"") -> None:
    try:
        replies.write(json.dumps(head).encode() + b"\n")
        replies.write(payload)
        replies.flush()
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
