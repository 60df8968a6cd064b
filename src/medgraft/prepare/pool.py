"""Many worker processes at once, and what happens when one of them crashes."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from medgraft.errors import ArgumentError, StoreError
from medgraft.prepare.answers import Prepared, Rejected, answer
from medgraft.prepare.depth import DTYPES
from medgraft.prepare.pipeline import canonical
from medgraft.prepare.steps import Step

Task = tuple[int, str]
Answer = Prepared | Rejected

AHEAD = 4  # tasks a worker holds at once, so that it never waits for us
TIMEOUT_SECONDS = 600
LEAST_MEMORY_BYTES = 2 * 2**30


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_memory_bytes() -> int:
    """Memory that can be taken without swapping; 4 GiB where the system does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            sizes = {
                key: int(rest.split()[0]) for key, _, rest in (x.partition(":") for x in lines)
            }
        return sizes["MemAvailable"] * 1024
    except (OSError, KeyError):
        return 4 * 2**30


@contextmanager
def answers(
    tasks: Sequence[Task], chain: Sequence[Step], *, bits: int, workers: int | None
) -> Iterator[Iterator[Answer]]:
    """Prepare all tasks, in any order; leaving the block stops what still runs.

    Args:
        tasks: Number and path of each image.
        chain: Preparation steps.
        bits: 8 or 16.
        workers: Processes; None takes one per core, 0 works in this process, where a decoder
            that crashes takes everything with it.

    Raises:
        ArgumentError: If the steps themselves are wrong.
        StoreError: If a worker cannot be started.
    """
    if workers == 0:
        yield (answer(task, path, chain, bits) for task, path in tasks)
        return
    count = min(workers or cores(), -(-len(tasks) // AHEAD))
    pool = _Pool(tasks, _settings(chain, bits, count))
    pool.start(count)
    try:
        yield iter(pool)
    finally:
        pool.stop()


def _settings(chain: Sequence[Step], bits: int, count: int) -> dict[str, Any]:
    share = int(0.8 * available_memory_bytes() / max(count, 1))
    return {
        "steps": canonical(chain),
        "bits": bits,
        "memory_bytes": max(share, LEAST_MEMORY_BYTES),
        "timeout_seconds": TIMEOUT_SECONDS,
    }


class _Pool:
    """Threads, each of which feeds one worker process and passes its answers on."""

    def __init__(self, tasks: Sequence[Task], settings: dict[str, Any]) -> None:
        self._tasks = iter(tasks)
        self._total = len(tasks)
        self._settings = settings
        self._lock = threading.Lock()
        self._stopped = False
        self._done: queue.Queue[Answer | Exception] = queue.Queue(maxsize=256)
        self._workers: set[_Worker] = set()
        self._threads: list[threading.Thread] = []

    def __iter__(self) -> Iterator[Answer]:
        for _ in range(self._total):
            done = self._done.get()
            if isinstance(done, Exception):
                raise done
            yield done

    def start(self, count: int) -> None:
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            for worker in self._workers:
                worker.kill()
        while any(thread.is_alive() for thread in self._threads):
            with suppress(queue.Empty):
                self._done.get(timeout=0.01)  # makes room for a thread that waits to put

    def _serve(self) -> None:
        try:
            self._feed(deque())
        except Exception as error:  # noqa: BLE001 (passed on to the thread that iterates)
            self._done.put(error)

    def _feed(self, waiting: deque[Task]) -> None:
        """Keep one worker busy; one that dies costs the task it was on, and is replaced."""
        while (worker := self._new_worker()) is not None:
            with worker:
                for task in waiting:
                    worker.send(task)
                while self._fill(worker, waiting):
                    number = waiting[0][0]
                    reply = worker.receive(number)
                    if reply is None:
                        break
                    waiting.popleft()
                    self._done.put(reply)
            self._workers.discard(worker)
            if not waiting or self._stopped:
                return
            self._done.put(worker.verdict(waiting.popleft()[0]))

    def _fill(self, worker: _Worker, waiting: deque[Task]) -> bool:
        """Hand out tasks until the worker holds enough; whether it holds any."""
        while len(waiting) < AHEAD:
            with self._lock:
                task = None if self._stopped else next(self._tasks, None)
            if task is None:
                break
            waiting.append(task)
            worker.send(task)
        return bool(waiting)

    def _new_worker(self) -> _Worker | None:
        with self._lock:
            if self._stopped:
                return None
            worker = _Worker(self._settings)
            self._workers.add(worker)
        worker.await_ready(lambda: self._stopped)
        return worker


class _Worker:
    """One process of `medgraft.prepare.worker` and the pipes to it."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._dtype = DTYPES[settings["bits"]]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the worker)
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        paths = os.pathsep.join(path for path in sys.path if path)  # the same medgraft as here
        self._process = subprocess.Popen(
            [sys.executable, "-m", "medgraft.prepare.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,  # Ctrl-C is for the parent, which stops its workers
            env={**os.environ, **threads, "PYTHONPATH": paths},
        )
        self._write(settings)

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.kill()  # it may wait for us to read what nobody will
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._stdout.close()
        self._errors.close()

    def await_ready(self, stopped: Any) -> None:
        """Wait until the worker has imported what it needs."""
        if self._head() is not None:
            return
        with self:
            self._process.wait()
            self._errors.seek(0)
            lines = self._errors.read().decode(errors="replace").strip().splitlines()
        if not stopped():
            raise StoreError(
                "a worker process must start, but it ended at once"
                f" ({lines[-1] if lines else 'without a word'})."
                " Check the installation with `medgraft doctor`."
            )

    def send(self, task: Task) -> None:
        self._write(task)

    def receive(self, task: int) -> Answer | None:
        """The next answer, which is that to `task`; None if the process has died."""
        head = self._head()
        if head is None:
            return None
        if head["kind"] == "wrong":
            raise ArgumentError(head["message"])
        if head["kind"] == "rejected":
            return Rejected(task, head["reason"], head["remedy"], head["lasting"])
        array = np.empty(head["shape"], self._dtype)
        if self._stdout.readinto(array.reshape(-1).view(np.uint8).data) < array.nbytes:
            return None
        return Prepared(task, array, head["bits"])

    def verdict(self, task: int) -> Rejected:
        """What to say of the image on which the process has died."""
        code = -(self._process.returncode or 0)
        name = signal.Signals(code).name if code > 0 else f"exit status {-code}"
        reasons = {
            "SIGALRM": f"preparing it took more than {TIMEOUT_SECONDS} s",
            "SIGKILL": "the system ended its decoder, probably for lack of memory",
        }
        reason = reasons.get(name, f"its decoder crashed ({name})")
        remedy = "The file is probably damaged; copy or export it again, or leave it out."
        return Rejected(task, reason, remedy, lasting=False)

    def kill(self) -> None:
        self._process.kill()

    @property
    def _stdout(self) -> Any:
        return self._process.stdout

    def _head(self) -> dict[str, Any] | None:
        line = self._stdout.readline()
        return json.loads(line) if line.endswith(b"\n") else None

    def _write(self, data: Any) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has died, which `receive` will notice
            self._process.stdin.write(json.dumps(data).encode() + b"\n")
            self._process.stdin.flush()
