"""A Ray cluster: several machines, or this one alone, and processes there that work for us.

Ray carries text and numbers for us, functions by name. What runs on a node is medgraft as it is
installed there; files are found by the paths that they have here, so they lie on storage that
all nodes share.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import sys
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from medgraft import __version__, errors
from medgraft.errors import ArgumentError, MedgraftError, WorkerError
from medgraft.machine import cores, keep_freed_memory
from medgraft.optional import require
from medgraft.pool import AHEAD, CRASHED, TIMEOUT_SECONDS, Reply
from medgraft.worker import TOO_LARGE, find

TRIES = (
    3  # processes that may die with a task in hand: two nodes may go down, the third is its doing
)
STORE_BYTES = 2**28  # for answers on their way, of an embedded Ray; what is more goes to its disk
KNOCK_SECONDS = 10
TOKEN = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Cluster:
    """Where to find Ray, and what one process of ours takes of it.

    Attributes:
        address: Of the head, such as "10.0.0.1:6379", or "auto" on a node of the cluster; None
            starts Ray on this machine, for this call alone.
        cpus: Of each process, which has as many threads.
        gpus: Of each process; may be a fraction, and 0 hides all of them from it.
    """

    address: str | None = None
    cpus: int = 1
    gpus: float = 0

    def __post_init__(self) -> None:
        if self.cpus < 1:
            raise ArgumentError(f"--threads must be at least 1, got {self.cpus}.")
        if self.gpus < 0 or (self.gpus > 1 and self.gpus % 1):
            raise ArgumentError(
                f"--gpus must be a whole number, or a part of one GPU in [0, 1], got {self.gpus}."
            )

    @property
    def needs(self) -> dict[str, Any]:
        """What Ray is to set aside for a process, and the environment it begins with."""
        environment = dict.fromkeys(THREADS, str(self.cpus))
        if not self.gpus:
            environment["CUDA_VISIBLE_DEVICES"] = ""
        for name in ("MEDGRAFT_CACHE",):
            if name in os.environ:
                environment[name] = os.environ[name]
        return {
            "num_cpus": self.cpus,
            "num_gpus": self.gpus,
            "runtime_env": {"env_vars": environment},
        }

    def room(self, ray: ModuleType) -> int:
        """How many of our processes fit on the nodes that are alive, beside each other.

        Raises:
            ArgumentError: If there is no node that holds one.
        """
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        found = sum(_holds(node, self.cpus, self.gpus) for node in nodes)
        if not found:
            most = [
                max((node.get(kind, 0) for node in nodes), default=0) for kind in ("CPU", "GPU")
            ]
            raise ArgumentError(
                f"a node of the cluster must have {self.cpus} CPUs and {self.gpus:g} GPUs for a"
                f" process, and the largest has {most[0]:g} and {most[1]:g}. Ask for fewer"
                " --threads or --gpus; for nodes that are yet to come, say how many --workers."
            )
        return found


def _holds(node: dict[str, float], cpus: int, gpus: float) -> int:
    found = int(node.get("CPU", 0) // cpus)
    return found if not gpus else min(found, int(node.get("GPU", 0) / gpus + 1e-9))


@contextmanager
def connected(cluster: Cluster) -> Iterator[ModuleType]:
    """Ray, connected to the cluster or started on this machine; let go of when the block is left.

    An embedded Ray listens on 127.0.0.1 alone, has no dashboard and reports to nobody.

    Raises:
        MissingExtraError: If Ray is not installed.
        WorkerError: If no cluster answers there.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if cluster.address is None:
        _prepare_embedded()
    ray = require("ray", extra="cluster", purpose="a cluster")
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    own = {
        "num_cpus": cores(),
        "include_dashboard": False,
        "object_store_memory": STORE_BYTES,
    }
    if cluster.address is not None:
        _check_answers(cluster.address)
        own = {}
    try:
        ray.init(cluster.address or "local", **own, **quiet)
    except (ConnectionError, RuntimeError, ray.exceptions.RayError) as error:
        raise WorkerError(_why_not(cluster.address, error)) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _prepare_embedded() -> None:
    """What a Ray of our own finds in the environment."""
    # Read when Ray is imported: there is no second machine, so nothing listens on a network (the
    # name speaks of two systems, the effect is the same on all).
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    if not any(name in os.environ for name in TOKEN):  # else Ray leaves one in the user's home
        os.environ.update({TOKEN[0]: "token", TOKEN[1]: secrets.token_hex(32)})
    paths = [str(Path(path).absolute()) for path in sys.path if path]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)  # the same medgraft as here


def _check_answers(address: str) -> None:
    """Knock before Ray does, which goes on for minutes."""
    host, _, port = address.rpartition(":")
    if address == "auto":
        return
    if not host or not port.isdecimal() or "/" in host:
        raise ArgumentError(
            f"--address must be HOST:PORT of the head of a Ray cluster, or auto, got {address!r}."
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), KNOCK_SECONDS).close()
    except OSError as error:
        raise WorkerError(_why_not(address, error)) from error


def _why_not(address: str | None, error: Exception) -> str:
    first = _first_line(error)
    if address is None:
        return f"Ray must start on this machine, and did not: {first}. See /tmp/ray for its logs."
    return (
        f"a Ray cluster must answer at {address!r}, and none does: {first}. Start its head with"
        " `ray start --head`, and give the address that it prints."
    )


# --- processes that stay -----------------------------------------------------------------------


class Crew:
    """Processes on the nodes, which stay and do one kind of work after another.

    A process that dies is replaced where Ray has room, and what it had in hand is done again.
    """

    def __init__(
        self,
        ray: ModuleType,
        cluster: Cluster,
        count: int,
        packages: Sequence[str] = ("medgraft",),
    ) -> None:
        self._ray, self._packages = ray, list(packages)
        self._hire = ray.remote(**cluster.needs)(_Hand)
        self._hands: list[Any] = []
        self._coming: dict[Any, Any] = {}
        self._failed = 0
        for _ in range(count):
            self._start()

    def do(
        self,
        work: str,
        tasks: Sequence[Any],
        *,
        settings: Mapping[str, Any],
        chunk: int = 1,
        timeout_seconds: int = TIMEOUT_SECONDS,
    ) -> Iterator[Reply]:
        """Do some work on all tasks, in any order.

        Args:
            work: A set-up function of medgraft, "module:function", as for `medgraft.pool.spread`.
                A process sets it up once for all calls that name it with the same settings.
            tasks: Anything that JSON can hold; asked for slice by slice, as they are needed.
            settings: Keyword arguments of the set-up function, which JSON can hold.
            chunk: Tasks in one message.
            timeout_seconds: Time for one task.

        Raises:
            MedgraftError: Which the work raised.
            WorkerError: If no process can begin.
        """
        told = {
            "work": work,
            "settings": dict(settings),
            "timeout_seconds": timeout_seconds,
            "packages": self._packages,
            "folder": os.getcwd(),
        }
        text = json.dumps(told, sort_keys=True)
        waiting = _Chunks(tasks, chunk)
        flying: dict[Any, tuple[Any, _Chunk]] = {}
        while len(waiting) or flying:
            self._hand_out(waiting, flying, text)
            ready, _ = self._ray.wait([*flying, *self._coming], num_returns=1, timeout=10)
            for one in ready:
                if one in self._coming:
                    self._welcome(one)
                    continue
                hand, done = flying.pop(one)
                try:
                    heads, *arrays = self._ray.get(one)
                except self._ray.exceptions.RayActorError as error:
                    self._replace(hand)
                    yield from waiting.again(done, error)
                else:
                    yield from _replies(done.first, json.loads(heads), arrays)

    def close(self) -> None:
        """End all processes, whatever they are at."""
        for hand in (*self._hands, *self._coming.values()):
            self._ray.kill(hand)
        self._hands, self._coming = [], {}

    def _hand_out(self, waiting: _Chunks, flying: dict[Any, Any], text: str) -> None:
        busy = Counter(id(hand) for hand, _ in flying.values())
        alone = {id(hand) for hand, chunk in flying.values() if chunk.deaths}
        for ahead in range(AHEAD):  # one for everybody before a second for anybody
            for hand in self._hands:
                if busy[id(hand)] > ahead or id(hand) in alone:
                    continue
                chunk = waiting.take(suspects=not busy[id(hand)])
                if chunk is None:
                    continue
                flying[hand.do.remote(text, json.dumps(list(chunk.tasks)))] = (hand, chunk)
                busy[id(hand)] += 1
                if chunk.deaths:
                    alone.add(id(hand))

    def _start(self) -> None:
        hand = self._hire.remote()
        self._coming[hand.ready.remote()] = hand

    def _welcome(self, reply: Any) -> None:
        """A process is there; or it could not begin, and another is started."""
        hand = self._coming.pop(reply)
        try:
            version = self._ray.get(reply)
        except self._ray.exceptions.RayError as error:
            self._failed += 1
            if self._failed > TRIES * (1 + len(self._hands) + len(self._coming)):
                raise WorkerError(
                    f"processes must begin on the nodes, and do not: {_first_line(error)}. Is"
                    " medgraft installed there?"
                ) from error
            self._start()
            return
        if version != __version__:
            raise WorkerError(
                f"all nodes must have one version of medgraft, {__version__}, and one has"
                f" {version}. Install the same one."
            )
        self._hands.append(hand)

    def _replace(self, hand: Any) -> None:
        if any(one is hand for one in self._hands):  # it may have had two chunks in hand
            self._hands = [one for one in self._hands if one is not hand]
            self._start()


@dataclass(frozen=True)
class _Chunk:
    """Neighbouring tasks that are sent together, and how many processes died with them."""

    first: int
    tasks: Sequence[Any]
    deaths: int = 0


class _Chunks:
    """Tasks that nobody has yet. Those of the dead are suspects: each is given out alone."""

    def __init__(self, tasks: Sequence[Any], size: int) -> None:
        self._tasks, self._size, self._next = tasks, size, 0
        self._again: deque[_Chunk] = deque()

    def __len__(self) -> int:
        return len(self._again) + len(self._tasks) - self._next

    def take(self, *, suspects: bool) -> _Chunk | None:
        if self._again and suspects:
            return self._again.popleft()
        if self._next >= len(self._tasks):
            return None
        first, self._next = self._next, min(self._next + self._size, len(self._tasks))
        return _Chunk(first, self._tasks[first : self._next])

    def again(self, chunk: _Chunk, error: Exception) -> Iterator[Reply]:
        """Tasks whose process died are tried alone; one that brings three down has failed."""
        deaths = chunk.deaths + 1
        if deaths < TRIES:
            singly = ([k, task] for k, task in enumerate(chunk.tasks, chunk.first))
            self._again.extend(_Chunk(k, [task], deaths) for k, task in singly)
            return
        reason = f"the process that was at it died {TRIES} times ({_first_line(error)})"
        for place in range(chunk.first, chunk.first + len(chunk.tasks)):
            yield Reply(place, failure=(reason, CRASHED))


class _Hand:
    """A process on a node; it keeps the last work that it set up."""

    def __init__(self) -> None:
        self._told = ""
        self._held = ExitStack()
        keep_freed_memory()

    def ready(self) -> str:
        return __version__

    def do(self, text: str, tasks: str) -> list[Any]:
        """What became of each task as JSON, and then the arrays."""
        told = json.loads(text)
        try:
            if text != self._told:
                self._held.close()
                _go_to(told["folder"])
                self._work = self._held.enter_context(
                    find(told["work"], told["packages"], told["settings"])
                )
                self._told = text
            answers = [self._answer(task, told["timeout_seconds"]) for task in json.loads(tasks)]
        except MedgraftError as error:
            return [json.dumps({"error": type(error).__name__, "text": str(error)})]
        heads = [head | {"array": array is not None} for head, array in answers]
        return [json.dumps(heads), *(array for _, array in answers if array is not None)]

    def _answer(self, task: Any, seconds: int) -> tuple[dict[str, Any], np.ndarray | None]:
        signal.alarm(seconds)  # ends the process, even inside a decoder
        try:
            said, array = self._work(task)
        except MemoryError:
            return {"failure": TOO_LARGE}, None
        finally:
            signal.alarm(0)
        return {"said": said}, array


def _go_to(folder: str) -> None:
    """Where the call was made, so that its relative paths mean the same files."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise WorkerError(
            f"all nodes must share the storage of the call, and {os.uname().nodename} does not see"
            f" '{folder}': {error.strerror}. Mount it there by the same path."
        ) from error


def _replies(first: int, heads: Any, arrays: Sequence[np.ndarray]) -> Iterator[Reply]:
    if isinstance(heads, dict):
        kind = getattr(errors, heads["error"], WorkerError)
        raise kind(heads["text"])
    left = iter(arrays)
    for place, head in enumerate(heads, first):
        if "failure" in head:
            reason, remedy = head["failure"]
            yield Reply(place, failure=(reason, remedy))
        else:
            yield Reply(place, head["said"], next(left) if head["array"] else None)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


@contextmanager
def crew(cluster: Cluster, *, count: int | None = None) -> Iterator[Crew]:
    """Processes on a cluster, as many as there is room for if no count is given."""
    with connected(cluster) as ray:
        hired = Crew(ray, cluster, cluster.room(ray) if count is None else count)
        try:
            yield hired
        finally:
            hired.close()
