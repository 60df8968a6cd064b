"""Work on many files in several processes, so that a crash costs its file only."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from medgraft.errors import ArgumentError
from medgraft.progress import bar

Task = TypeVar("Task")
Result = TypeVar("Result")

CHUNK = 16  # files per message: amortises the pipe, and keeps the bar moving
PRELOAD = ["medgraft.index.measure", "medgraft.read.opening"]


def spread(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    *,
    what: str,
    workers: int | None = None,
) -> Iterator[tuple[int, Result | None]]:
    """Apply `function` to each task, in no particular order.

    Args:
        function: A function of a module, so that another process finds it.
        tasks: What to apply it to.
        what: The words on the progress bar.
        workers: Processes; None takes one per processor, 0 works in this process (then a
            crashing decoder takes everything down).

    Yields:
        The place of the task in `tasks`, and its result, or None if the process died over it.

    Raises:
        ArgumentError: If no process can be started, because the main script is not guarded.
    """
    moved = bar(total=len(tasks), what=what)
    try:
        if workers == 0:
            results: Iterator[tuple[int, Result | None]] = _here(function, tasks)
        else:
            results = _in_processes(function, tasks, workers or _processors())
        for place, result in results:
            yield place, result
            moved.update(1)
    finally:
        moved.close()


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _here(
    function: Callable[[Task], Result], tasks: Sequence[Task]
) -> Iterator[tuple[int, Result | None]]:
    for place, task in enumerate(tasks):
        with threadpool_limits(1):
            result = function(task)
        yield place, result


def _in_processes(
    function: Callable[[Task], Result], tasks: Sequence[Task], workers: int
) -> Iterator[tuple[int, Result | None]]:
    chunks = [range(k, min(k + CHUNK, len(tasks))) for k in range(0, len(tasks), CHUNK)]
    chunks.reverse()
    while chunks:
        suspects: list[range] = []
        yield from _until_broken(function, tasks, chunks, suspects, workers)
        if suspects:
            _check_that_processes_start()
        for suspect in suspects:
            yield from _one_by_one(function, tasks, suspect)


def _until_broken(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    chunks: list[range],
    suspects: list[range],
    workers: int,
) -> Iterator[tuple[int, Result | None]]:
    """Take chunks off the list until it is empty, or until a process dies.

    Only a few chunks are under way at a time, so that a death leaves few suspects.
    """
    running: dict[Future[list[Result]], range] = {}
    with _executor(workers) as pool:
        while running or (chunks and not suspects):
            while chunks and not suspects and len(running) < 2 * workers:
                chunk = chunks.pop()
                try:
                    running[pool.submit(_apply, function, [tasks[i] for i in chunk])] = chunk
                except BrokenProcessPool:
                    suspects.append(chunk)
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                chunk = running.pop(future)
                try:
                    results = future.result()
                except BrokenProcessPool:
                    suspects.append(chunk)
                    continue
                yield from zip(chunk, results, strict=True)


def _one_by_one(
    function: Callable[[Task], Result], tasks: Sequence[Task], chunk: range
) -> Iterator[tuple[int, Result | None]]:
    """Each task by itself: the one over which the process dies is the culprit."""
    left = list(chunk)
    while left:
        with _executor(1) as pool:
            while left:
                place = left.pop()
                try:
                    yield place, pool.submit(_apply, function, [tasks[place]]).result()[0]
                except BrokenProcessPool:
                    yield place, None
                    break


def _executor(workers: int) -> ProcessPoolExecutor:
    # A fork server starts clean: no threads, no locks held, and a few milliseconds per worker.
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if "forkserver" in methods:
        context.set_forkserver_preload(PRELOAD)
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare)


def _prepare() -> None:
    """Set up a worker."""
    threadpool_limits(1)  # for small matrices more threads only wait for each other
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us


def _check_that_processes_start() -> None:
    """Tell a file that kills its process from a script that cannot have processes at all."""
    try:
        with _executor(1) as pool:
            pool.submit(os.getpid).result()
    except BrokenProcessPool as error:
        raise ArgumentError(
            "a script that indexes must be importable, because processes start by importing it,"
            ' and this one is not. Put its main part under `if __name__ == "__main__":`, or pass'
            " workers=0."
        ) from error


def _apply(function: Callable[[Task], Result], tasks: Sequence[Task]) -> list[Result]:
    return [function(task) for task in tasks]
