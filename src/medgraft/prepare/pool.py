"""Many worker processes at once, and what happens when one of them crashes."""

from __future__ import annotations

import io
import json
import math
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
from typing import Any, cast

import numpy as np

from medgraft.errors import ArgumentError, StoreError
from medgraft.prepare.answers import Prepared, Rejected, answer
from medgraft.prepare.depth import DTYPES
from medgraft.prepare.pipeline import canonical
from medgraft.prepare.steps import Step

Task = tuple[int, str]
Chunk = list[Task]
Answer = Prepared | Rejected

CHUNK = 16  # tasks in one message
AHEAD = 2  # chunks that a worker holds, so that it never waits for us
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
    if not tasks:
        yield iter(())
        return
    count = min(workers or cores(), -(-len(tasks) // 4))
    pool = _Pool(tasks, _settings(chain, bits, count), count)
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

    def __init__(self, tasks: Sequence[Task], settings: dict[str, Any], count: int) -> None:
        size = max(1, min(CHUNK, len(tasks) // (4 * count)))  # all workers end at the same time
        self._chunks = deque(list(tasks[k : k + size]) for k in range(0, len(tasks), size))
        self._total = len(tasks)
        self._settings = settings
        self._lock = threading.Lock()
        self._stopped = False
        self._done: queue.Queue[list[Answer] | Exception] = queue.Queue(maxsize=32)
        self._workers: set[_Worker] = set()
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def __iter__(self) -> Iterator[Answer]:
        left = self._total
        while left:
            done = self._done.get()
            if isinstance(done, Exception):
                raise done
            left -= len(done)
            yield from done

    def stop(self) -> None:
        """End the workers, whatever they are at."""
        with self._lock:
            self._stopped = True
            for worker in self._workers:
                worker.kill()
        while any(thread.is_alive() for thread in self._threads):
            with suppress(queue.Empty):
                self._done.get(timeout=0.01)  # makes room for a thread that waits to put

    def _serve(self) -> None:
        if hasattr(signal, "pthread_sigmask"):
            # The command line lets SIGPIPE end it; a worker that died must not do that to us.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPIPE})
        try:
            given: deque[Chunk] = deque()
            while (worker := self._new_worker()) is not None:
                with worker:
                    self._feed(worker, given)
                self._workers.discard(worker)
                if not given:
                    return
                self._bury(worker, given)
        except Exception as error:  # noqa: BLE001 (passed on to the thread that iterates)
            self._done.put(error)

    def _new_worker(self) -> _Worker | None:
        with self._lock:
            if self._stopped:
                return None
            worker = _Worker(self._settings)
            self._workers.add(worker)
        if worker.ready() or self._stopped:
            return worker
        with worker:
            worker.kill()
        raise worker.stillborn

    def _feed(self, worker: _Worker, given: deque[Chunk]) -> None:
        """Keep a worker busy until it dies or no task is left; `given` is what it holds."""
        for chunk in given:
            worker.send(chunk)
        while self._give(worker, given):
            found = worker.receive(given[0])
            if found is None:
                return
            del given[0][: len(found)]
            if not given[0]:
                given.popleft()
            self._done.put(found)

    def _give(self, worker: _Worker, given: deque[Chunk]) -> bool:
        """Hand out chunks until the worker holds enough; whether it holds any."""
        while len(given) < AHEAD:
            with self._lock:
                if self._stopped or not self._chunks:
                    break
                given.append(self._chunks.popleft())
            worker.send(given[-1])
        return bool(given)

    def _bury(self, worker: _Worker, given: deque[Chunk]) -> None:
        """Blame the image on which a worker died; if it may be one of several, try each alone."""
        if self._stopped:
            return
        suspects = given.popleft()
        if len(suspects) == 1:
            self._done.put([worker.verdict(suspects[0][0])])
        else:
            given.extendleft([task] for task in reversed(suspects))


class _Worker:
    """One process of `medgraft.prepare.worker` and the pipes to it."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._dtype = DTYPES[settings["bits"]]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the worker)
        self.stillborn = StoreError("a worker process must start, and did not.")
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
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin = self._process.stdin
        self._stdout = cast(io.BufferedReader, self._process.stdout)
        self.send(settings)

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

    def ready(self) -> bool:
        """Wait until the worker has imported what it needs; false if it ended instead."""
        if self._message() is not None:
            return True
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        self.stillborn = StoreError(
            "a worker process must start, but it ended at once"
            f" ({lines[-1] if lines else 'without a word'})."
            " Check the installation with `medgraft doctor`."
        )
        return False

    def send(self, data: Any) -> None:
        """Write one line of JSON: the settings, or a chunk of tasks."""
        with suppress(BrokenPipeError):  # it has died, which `receive` will notice
            self._stdin.write(json.dumps(data).encode() + b"\n")
            self._stdin.flush()

    def receive(self, chunk: Chunk) -> list[Answer] | None:
        """The next answers, to the first tasks of `chunk`; None if the process has died.

        Raises:
            ArgumentError: If the steps themselves are wrong.
        """
        message = self._message()
        if message is None:
            return None
        if "wrong" in message:
            raise ArgumentError(message["wrong"])
        heads = message["answers"]
        shapes = [head.get("shape", (0,)) for head in heads]
        ends = np.cumsum([math.prod(shape) for shape in shapes])
        numbers = np.empty(int(ends[-1]), self._dtype)
        if self._stdout.readinto(numbers.view(np.uint8).data) < numbers.nbytes:
            return None
        parts = np.split(numbers, ends[:-1])
        return [
            Prepared(task, part.reshape(head["shape"]), head["bits"])
            if "shape" in head
            else Rejected(task, head["reason"], head["remedy"], head["lasting"])
            for (task, _), head, part in zip(chunk, heads, parts, strict=False)
        ]

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
        """End the process at once."""
        self._process.kill()

    def _message(self) -> dict[str, Any] | None:
        line = self._stdout.readline()
        return json.loads(line) if line.endswith(b"\n") else None
