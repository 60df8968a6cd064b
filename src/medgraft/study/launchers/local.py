"""Processes on this machine, each of which makes one run after another."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from io import BufferedWriter
from pathlib import Path
from typing import Any

from medgraft.errors import WorkerError
from medgraft.study.launchers import Ended, Places, Task, Watch, launcher

TRIES = 2  # a process that was killed may have met a passing lack of memory
PATIENCE_SECONDS = 60.0  # for a run that is asked to save its state and stop


@launcher("local")
def local(tasks: Iterator[Task], places: Places, watch: Watch) -> Iterator[Ended]:
    """As many processes as there are places; each imports torch once and makes run after run.

    A process that dies costs its run one try: the run goes on from its last checkpoint in a new
    process. Ctrl-C is passed on, so that every run saves its state.
    """
    places.logs.mkdir(parents=True, exist_ok=True)
    crew = _Crew(tasks, places, watch)
    try:
        yield from crew.ended()
    finally:
        crew.stop()


class _Crew:
    """Threads, each of which feeds one process."""

    def __init__(self, tasks: Iterator[Task], places: Places, watch: Watch) -> None:
        self._tasks, self._places, self._watch = tasks, places, watch
        self._lock = threading.Lock()
        self._over = False
        self._said: queue.Queue[Ended | Exception | None] = queue.Queue()
        self._processes: dict[int, Worker] = {}
        self._threads = [
            threading.Thread(target=self._serve, args=[number], daemon=True)
            for number in range(places.workers)
        ]
        for thread in self._threads:
            thread.start()

    def ended(self) -> Iterator[Ended]:
        """What became of each task, as it becomes known."""
        left = len(self._threads)
        while left:
            try:
                said = self._said.get(timeout=1)
            except queue.Empty:
                self._watch.tick()
                continue
            if said is None:
                left -= 1
            elif isinstance(said, Exception):
                raise said
            else:
                yield said

    def stop(self) -> None:
        """Let runs save their state, and end all processes."""
        with self._lock:
            self._over = True
            running = list(self._processes.values())
        for worker in running:
            worker.interrupt()
        for worker in running:
            worker.wait(PATIENCE_SECONDS)
        for thread in self._threads:
            thread.join()

    def _next(self) -> Task | None:
        with self._lock:
            return None if self._over else next(self._tasks, None)

    def _serve(self, number: int) -> None:
        try:
            while (task := self._next()) is not None:
                self._watch.began(task.name)
                self._said.put(self._made(number, task))
        except Exception as error:  # noqa: BLE001 (passed on to the thread that iterates)
            self._said.put(error)
        finally:
            worker = self._processes.get(number)
            if worker is not None:
                worker.leave()
            self._said.put(None)

    def _made(self, number: int, task: Task) -> Ended:
        cause = ""
        for attempt in range(1, TRIES + 1):
            worker = self._worker(number)
            reply = worker.ask(task.told)
            if reply is not None:
                return Ended(task.name, reply["failure"], attempt)
            cause = worker.cause_of_death()
            with self._lock:
                del self._processes[number]
                if self._over:
                    return Ended(task.name, "it was stopped; the same command goes on", attempt)
        return Ended(task.name, f"its process died {TRIES} times, {cause}", TRIES)

    def _worker(self, number: int) -> Worker:
        with self._lock:
            if number not in self._processes:
                log = self._places.logs / f"worker-{number + 1}.log"
                self._processes[number] = Worker(log, self._places.threads)
            return self._processes[number]


class Worker:
    """One process of `medgraft.study.work` and the pipes to it."""

    def __init__(self, log: Path, threads: int) -> None:
        self._log = log.open("ab")
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "medgraft.study.work"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                start_new_session=True,  # Ctrl-C is for the parent, which passes it on
                env=environment(threads),
            )
        except OSError as error:
            self._log.close()
            raise WorkerError(
                f"a process must start, but the system refused: {error.strerror}."
                " End other programs, or use fewer --workers."
            ) from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin: Any = self._process.stdin
        self._stdout: Any = self._process.stdout

    def ask(self, told: dict[str, Any]) -> dict[str, Any] | None:
        """Have a run made; None if the process has died of it."""
        with contextlib.suppress(BrokenPipeError):
            _write(self._stdin, told)
        line = self._stdout.readline()
        return json.loads(line) if line.endswith(b"\n") else None

    def cause_of_death(self) -> str:
        """Why the process has died, in a clause."""
        code = self._process.wait()
        self._close()
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit status {code}"
        memory = ", probably for lack of memory" if code == -signal.SIGKILL else ""
        return f"the last time {how}{memory}; see '{self._log.name}'"

    def interrupt(self) -> None:
        """Ask the run to save its state and stop."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)

    def wait(self, seconds: float) -> None:
        """Wait for the end; after so many seconds bring it about."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def leave(self) -> None:
        """Let the process end, since there is nothing left to do."""
        self._close()
        self._process.wait()

    def _close(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        self._stdout.close()
        self._log.close()


def _write(pipe: BufferedWriter, told: dict[str, Any]) -> None:
    pipe.write(json.dumps(told).encode() + b"\n")
    pipe.flush()


def environment(threads: int) -> dict[str, str]:
    """Of a process that is to use so many threads, with the same medgraft as here."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    paths = os.pathsep.join(path for path in sys.path if path)
    return {**os.environ, **dict.fromkeys(names, str(threads)), "PYTHONPATH": paths}
