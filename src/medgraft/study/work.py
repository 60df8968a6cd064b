"""A process that makes runs for another one: ``python -m medgraft.study.work [FILE]``.

Without a file, every line of standard input is a run to make, and a line of JSON on standard
output says what became of it. When standard input ends while a run is being made (the parent was
killed), the run saves its state and stops. With a file, that holds one run, and what became of it
is written beside it: so it works under torchrun, where the first process writes.
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from medgraft.errors import ArgumentError
from medgraft.files import read_json, write_json
from medgraft.runs import RunFolder
from medgraft.study.making import finish_run, make_run


def told(
    make: Callable[..., object],
    finish: Callable[..., object],
    recipe: Any,
    *,
    index: Path,
    out: Path,
    command: list[str],
) -> dict[str, Any]:
    """What a process needs to know to make a run, as JSON."""
    return {
        "make": name_of(make),
        "finish": name_of(finish),
        "kind": name_of(type(recipe)),
        "recipe": recipe.model_dump(mode="json"),
        "index": str(Path(index).absolute()),
        "out": str(Path(out).absolute()),
        "command": command,
    }


def name_of(part: Any) -> str:
    """The name by which another process finds a function or a class.

    Examples:
        >>> name_of(read_json)
        'medgraft.files:read_json'
    """
    return f"{part.__module__}:{part.__qualname__}"


def found(name: str) -> Any:
    """What is called "module:name"; of medgraft, its tests and Python's own `str` alone.

    Raises:
        ArgumentError: If it is of another package, or not there.
    """
    module, _, part = name.partition(":")
    if module.partition(".")[0] not in ("medgraft", "tests", "builtins"):
        raise ArgumentError(f"a run must be made by a function of medgraft, got {name!r}.")
    try:
        return getattr(importlib.import_module(module), part)
    except (ImportError, AttributeError) as error:
        raise ArgumentError(f"{name!r} must exist, and does not: {error}.") from error


def work(asked: dict[str, Any]) -> str | None:
    """Make one run and write its report; why that failed, None if it did not."""
    run = RunFolder(Path(asked["out"]))
    recipe = found(asked["kind"])(**asked["recipe"])
    failure = make_run(found(asked["make"]), Path(asked["index"]), run, recipe, asked["command"])
    if failure is None and os.environ.get("RANK", "0") == "0":
        failure = finish_run(run, found(asked["finish"]))
    return failure


def serve() -> None:
    """Answer lines until there are no more."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what prints must not speak into the answers
    lines: queue.Queue[str | None] = queue.Queue()
    busy = threading.Event()

    def listen() -> None:
        for line in sys.stdin:
            lines.put(line)
        lines.put(None)
        if busy.is_set():  # nobody waits for this run any more
            os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=listen, daemon=True).start()
    while (line := lines.get()) is not None:
        busy.set()
        failure = work(json.loads(line))
        busy.clear()
        replies.write(json.dumps({"failure": failure}) + "\n")
        replies.flush()


def reply_of(file: Path) -> Path:
    """Where what became of the run of a file is written."""
    return file.with_suffix(".reply")


def main() -> None:
    """Serve, or make the run of one file."""
    # whoever started the parent in the background may have had Ctrl-C ignored, for us as well
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if len(sys.argv) < 2:
            serve()
            return
        file = Path(sys.argv[1])
        failure = work(read_json(file))
        if os.environ.get("RANK", "0") == "0":
            write_json(reply_of(file), {"failure": failure})
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
