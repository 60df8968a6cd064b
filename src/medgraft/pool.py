"""Work on many tasks in several processes, so that a crash, a hang or a glut costs one task.

The workers are plain programs (see `medgraft.worker`) that are told what to do as JSON, so any
script can use them, guarded or not, and nothing is pickled.
"""

from __future__ import annotations

import io
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np

from medgraft.errors import WorkerError
from medgraft.machine import available_memory_bytes, cores
from medgraft.progress import Bar, bar
from medgraft.worker import PASSED_ON, TOO_LARGE, Work, find

CHUNK = 16  # tasks in one message
AHEAD = 2  # chunks that a worker holds, so that it never waits for us
TIMEOUT_SECONDS = 600
LEAST_MEMORY_BYTES = 2 * 2**30
FEW = 64  # so few tasks are often done before a second worker has started
PATIENCE_SECONDS = 0.6  # about twice what a worker needs to start
ERRORS: dict[str, type[Exception]] = {kind.__name__: kind for kind in PASSED_ON}
CRASHED = "The file is probably damaged; copy or export it again, or leave it out."


@dataclass(frozen=True)
class Reply:
    """What became of one task.

    Attributes:
        place: Place of the task in the sequence.
        said: What the work said, JSON; None if it failed.
        array: The array that the work gave, if any.
        failure: Reason and remedy if the task crashed its process, hung, or took too much
            memory; else None.
    """

    place: int
    said: Any = None
    array: np.ndarray | None = None
    failure: tuple[str, str] | None = None


class Crew(Protocol):
    """Workers that are not children of this process; see `medgraft.cluster`."""

    def do(
        self,
        work: str,
        tasks: Sequence[Any],
        *,
        settings: Mapping[str, Any],
        chunk: int,
        timeout_seconds: int,
    ) -> Iterator[Reply]:
        """Do some work on all tasks, in any order."""


_ELSEWHERE: ContextVar[Crew | None] = ContextVar("elsewhere", default=None)


@contextmanager
def elsewhere(crew: Crew) -> Iterator[None]:
    """In this block a crew does what would be spread over one process per core."""
    token = _ELSEWHERE.set(crew)
    try:
        yield
    finally:
        _ELSEWHERE.reset(token)


@contextmanager
def spread(
    work: str,
    tasks: Sequence[Any],
    *,
    what: str,
    settings: Mapping[str, Any] | None = None,
    workers: int | None = None,
    timeout_seconds: int = TIMEOUT_SECONDS,
    memory_bytes: int | None = None,
    packages: Sequence[str] = ("medgraft",),
) -> Iterator[Iterator[Reply]]:
    """Do some work on all tasks, in any order; leaving the block stops what still runs.

    Args:
        work: A set-up function, as "module:function"; the workers import it. It returns a
            context manager that gives a function from a task to what is said of it (JSON) and
            an array or None. That function answers for its own errors: one that it raises
            ends everything.
        tasks: What to do it to: anything that JSON can hold. They are asked for as they are
            needed, slice by slice, so that they can be made then.
        what: The words on the progress bar.
        settings: Keyword arguments of the set-up function, which JSON can hold.
        workers: Processes; None takes one per core, or the crew of `elsewhere`; 0 works in this process, where a decoder
            that crashes takes everything with it.
        timeout_seconds: Time for one task.
        memory_bytes: Memory for one worker; None shares out what is free.
        packages: Packages from which workers may import; never taken from data.

    Raises:
        ArgumentError: If there is no such work, or its settings are wrong.
        WorkerError: If a worker cannot be started.
    """
    told = {"work": work, "settings": dict(settings or {}), "timeout_seconds": timeout_seconds}
    count = min(cores() if workers is None else workers, -(-len(tasks) // 4))
    share = max(int(0.8 * available_memory_bytes() / max(count, 1)), LEAST_MEMORY_BYTES)
    told["memory_bytes"] = share if memory_bytes is None else memory_bytes
    crew = _ELSEWHERE.get() if workers is None else None
    if crew is not None:
        where = _by(crew, tasks, told)
    elif count:
        where = _in_processes(tasks, told, packages, count)
    else:
        where = _here(tasks, told, packages)
    moved = bar(total=len(tasks), what=what)
    try:
        with where as replies:
            yield _counted(replies, moved)
    finally:
        moved.close()


@contextmanager
def _by(crew: Crew, tasks: Sequence[Any], told: dict[str, Any]) -> Iterator[Iterator[Reply]]:
    yield crew.do(
        told["work"],
        tasks,
        settings=told["settings"],
        chunk=CHUNK,
        timeout_seconds=told["timeout_seconds"],
    )


def _counted(replies: Iterator[Reply], moved: Bar) -> Iterator[Reply]:
    for reply in replies:
        yield reply
        moved.update(1)


@contextmanager
def _in_processes(
    tasks: Sequence[Any], told: dict[str, Any], packages: Sequence[str], count: int
) -> Iterator[Iterator[Reply]]:
    pool = _Pool(tasks, told, packages, count)
    try:
        yield pool.replies()
    finally:
        pool.stop()


@contextmanager
def _here(
    tasks: Sequence[Any], told: dict[str, Any], packages: Sequence[str]
) -> Iterator[Iterator[Reply]]:
    with find(told["work"], packages, told["settings"]) as work:
        yield (_done_here(work, place, task) for place, task in enumerate(tasks))


def _done_here(work: Work, place: int, task: Any) -> Reply:
    try:
        return Reply(place, *work(task))
    except MemoryError:
        return Reply(place, failure=TOO_LARGE)


@dataclass
class _Chunk:
    """Neighbouring tasks that are sent together; those in front are answered first."""

    first: int
    tasks: Sequence[Any]

    def drop(self, count: int) -> None:
        self.first += count
        self.tasks = self.tasks[count:]

    def singly(self) -> list[_Chunk]:
        return [_Chunk(self.first + k, [task]) for k, task in enumerate(self.tasks)]


class _Pool:
    """Threads, each of which feeds one worker process and passes its answers on."""

    def __init__(
        self, tasks: Sequence[Any], told: dict[str, Any], packages: Sequence[str], count: int
    ) -> None:
        size = max(1, min(CHUNK, len(tasks) // (4 * count)))  # all workers end at the same time
        self._tasks, self._size = tasks, size
        self._chunks = deque(range(0, len(tasks), size))  # where those begin that nobody has yet
        self._total = len(tasks)
        self._told = told
        self._packages = packages
        self._lock = threading.Lock()
        self._over = threading.Event()  # all tasks are done, or nobody wants them any more
        self._done: queue.Queue[list[Reply] | Exception] = queue.Queue(maxsize=32)
        self._workers: set[_Worker] = set()
        self._threads = [
            threading.Thread(target=self._serve, args=[number], daemon=True)
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def replies(self) -> Iterator[Reply]:
        """What became of each task, as it becomes known."""
        left = self._total
        while left:
            done = self._done.get()
            if isinstance(done, Exception):
                raise done
            left -= len(done)
            yield from done

    def stop(self) -> None:
        """End the workers, whatever they are at."""
        self._over.set()
        with self._lock:
            for worker in self._workers:
                worker.kill()
        while any(thread.is_alive() for thread in self._threads):
            with suppress(queue.Empty):
                self._done.get(timeout=0.01)  # makes room for a thread that waits to put

    def _serve(self, number: int) -> None:
        if hasattr(signal, "pthread_sigmask"):
            # The command line lets SIGPIPE end it; a worker that died must not do that to us.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPIPE})
        if number > 0 and self._total < FEW:
            self._over.wait(PATIENCE_SECONDS)
        given: deque[_Chunk] = deque()
        try:
            while (self._chunks or given) and (worker := self._new_worker()) is not None:
                with worker:
                    worker.check_in()
                    self._feed(worker, given)
                with self._lock:
                    self._workers.discard(worker)
                if given:
                    self._bury(worker, given)
        except Exception as error:  # noqa: BLE001 (passed on to the thread that iterates)
            self._done.put(error)

    def _new_worker(self) -> _Worker | None:
        with self._lock:
            if self._over.is_set():
                return None
            worker = _Worker(self._told, self._packages)
            self._workers.add(worker)
        return worker

    def _feed(self, worker: _Worker, given: deque[_Chunk]) -> None:
        """Keep a worker busy until it dies or no task is left; `given` is what it holds."""
        for chunk in given:
            worker.send(chunk.tasks)
        while self._give(worker, given):
            found = worker.receive(given[0].first)
            if found is None:
                return
            given[0].drop(len(found))
            if not given[0].tasks:
                given.popleft()
            self._done.put(found)

    def _give(self, worker: _Worker, given: deque[_Chunk]) -> bool:
        """Hand out chunks until the worker holds enough; whether it holds any."""
        while len(given) < AHEAD:
            with self._lock:
                if self._over.is_set() or not self._chunks:
                    break
                first = self._chunks.popleft()
                given.append(_Chunk(first, list(self._tasks[first : first + self._size])))
            worker.send(given[-1].tasks)
        return bool(given)

    def _bury(self, worker: _Worker, given: deque[_Chunk]) -> None:
        """Blame the task on which a worker died; if it may be one of several, try each alone."""
        if self._over.is_set():
            return
        suspects = given.popleft()
        if len(suspects.tasks) == 1:
            reason = worker.cause_of_death(self._told["timeout_seconds"])
            self._done.put([Reply(suspects.first, failure=(reason, CRASHED))])
        else:
            given.extendleft(reversed(suspects.singly()))


class _Worker:
    """One process of `medgraft.worker` and the pipes to it."""

    def __init__(self, told: dict[str, Any], packages: Sequence[str]) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the worker)
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        paths = os.pathsep.join(path for path in sys.path if path)  # the same medgraft as here
        try:
            self._process = subprocess.Popen(  # noqa: S603 (our own program)
                # -P: the folder that we are in may hold images and a stranger's json.py.
                [sys.executable, "-P", "-m", "medgraft.worker", *packages],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                start_new_session=True,  # Ctrl-C is for the parent, which stops its workers
                env={**os.environ, **threads, "PYTHONPATH": paths},
            )
        except OSError as error:
            self._errors.close()
            raise WorkerError(
                f"a worker process must start, but the system refused: {error.strerror}."
                " End other programs, or use fewer --workers."
            ) from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin = self._process.stdin
        self._stdout = cast(io.BufferedReader, self._process.stdout)
        self.send(told)

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.kill()  # it may wait for us to read what nobody will
        with suppress(BrokenPipeError):
            self._stdin.close()
        self._process.wait()
        self._stdout.close()
        self._errors.close()

    def check_in(self) -> None:
        """Wait until the worker has set up its work.

        Raises:
            ArgumentError: If there is no such work, or its settings are wrong.
            WorkerError: If the process has ended instead.
        """
        if self._message() is not None:
            return
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        raise WorkerError(
            "a worker process must start, but it ended at once"
            f" ({lines[-1] if lines else 'without a word'})."
            " Check the installation with `medgraft doctor`."
        )

    def send(self, data: Any) -> None:
        """Write one line of JSON: the set-up, or the tasks of a chunk."""
        with suppress(BrokenPipeError):  # it has died, which `receive` will notice
            self._stdin.write(json.dumps(data).encode() + b"\n")
            self._stdin.flush()

    def receive(self, first: int) -> list[Reply] | None:
        """The next answers, to the tasks from place `first`; None if the process has died."""
        message = self._message()
        if message is None:
            return None
        numbers = np.empty(message["bytes"], np.uint8)
        if self._stdout.readinto(numbers.data) < numbers.nbytes:
            return None
        heads = message["answers"]
        ends = np.cumsum([head.get("bytes", 0) for head in heads])
        parts = np.split(numbers, ends[:-1])
        return [
            _reply(place, head, part)
            for place, (head, part) in enumerate(zip(heads, parts, strict=True), start=first)
        ]

    def cause_of_death(self, timeout_seconds: int) -> str:
        """Why the process has died, in one clause about the task that it was at."""
        code = -(self._process.returncode or 0)
        name = signal.Signals(code).name if code > 0 else f"exit status {-code}"
        reasons = {
            "SIGALRM": f"it took more than {timeout_seconds} s",
            "SIGKILL": "the system ended its decoder, probably for lack of memory",
        }
        return reasons.get(name, f"its decoder crashed ({name})")

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()

    def _message(self) -> dict[str, Any] | None:
        """The next message; None if the process has died. An error that it sent is raised."""
        line = self._stdout.readline()
        if not line.endswith(b"\n"):
            return None
        message: dict[str, Any] = json.loads(line)
        if "error" in message:
            raise ERRORS.get(message["error"], RuntimeError)(message["text"])
        return message


def _reply(place: int, head: dict[str, Any], numbers: np.ndarray) -> Reply:
    if "failure" in head:
        reason, remedy = head["failure"]
        return Reply(place, failure=(reason, remedy))
    array = numbers.view(head["dtype"]).reshape(head["shape"]) if "dtype" in head else None
    return Reply(place, head["said"], array)
