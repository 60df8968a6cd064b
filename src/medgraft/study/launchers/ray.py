"""Runs spread over a Ray cluster; over the cores of this machine where none is named."""

from __future__ import annotations

import contextlib
import json
import signal
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from medgraft import __version__
from medgraft.cluster import connected
from medgraft.errors import MedgraftError, OutputError, TrainingError
from medgraft.files import write_text
from medgraft.runs import RunFolder
from medgraft.study.launchers import Ended, Places, Task, Watch, launcher
from medgraft.study.launchers.local import PATIENCE_SECONDS
from medgraft.study.making import finish_run, finished
from medgraft.study.work import found, work

TRIES = 3  # the first node of a run may go down, and the second; the third death is its own
LEASE_SECONDS = 300.0  # longer than Ray and network file systems take to give up a node


@launcher("ray")
def on_ray(tasks: Iterator[Task], places: Places, watch: Watch) -> Iterator[Ended]:
    """As many runs at a time as there are places, wherever Ray has room for them.

    A run whose process or node dies is begun again, on another node if its own is gone, and goes
    on from its last checkpoint. Leaving the generator has every run save its state.
    """
    first = next(tasks, None)
    if first is None:
        return  # nothing to start Ray for
    places.logs.mkdir(parents=True, exist_ok=True)
    with connected(places.cluster) as ray:
        sent = _Sent(ray, places)
        try:
            yield from sent.ended(_chain(first, tasks), watch)
        finally:
            sent.stop()


def _chain(first: Task, others: Iterator[Task]) -> Iterator[Task]:
    yield first
    yield from others


class _Sent:
    """Runs that are being made on the cluster."""

    def __init__(self, ray: ModuleType, places: Places) -> None:
        self._ray, self._places = ray, places
        self._most = places.workers
        if places.cluster.address is None:  # no node will come that has what there is not
            self._most = min(self._most, places.cluster.room(ray))
        self._running: dict[Any, tuple[Task, int]] = {}
        self._remote = ray.remote(max_retries=0, **places.cluster.needs)(make_on_node)
        self._mark = places.logs.absolute() / "cluster"
        self._token = uuid.uuid4().hex
        write_text(self._mark, self._token)

    def ended(self, tasks: Iterator[Task], watch: Watch) -> Iterator[Ended]:
        """What became of each task, as it becomes known."""
        while True:
            while len(self._running) < self._most and (task := next(tasks, None)):
                watch.began(task.name)
                self._send(task, 1)
            if not self._running:
                return
            ready, _ = self._ray.wait(list(self._running), num_returns=1, timeout=1)
            if not ready:
                watch.tick()
            for reply in ready:
                ended = self._ended(reply)
                if ended is not None:
                    yield ended

    def stop(self) -> None:
        """Let runs save their state, and end what does not."""
        for force, seconds in ((False, PATIENCE_SECONDS), (True, 1.0)):
            left = list(self._running)
            if left:
                for reply in left:
                    self._ray.cancel(reply, force=force)
                ready, _ = self._ray.wait(left, num_returns=len(left), timeout=seconds)
                for reply in ready:
                    del self._running[reply]
        with contextlib.suppress(OSError):
            self._mark.unlink()

    def _send(self, task: Task, attempt: int) -> None:
        asked = {
            "told": task.told,
            "log": str(self._places.logs.absolute() / f"{task.name}.log"),
            "mark": str(self._mark),
            "token": self._token,
            "medgraft": __version__,
        }
        self._running[self._remote.remote(json.dumps(asked))] = (task, attempt)

    def _ended(self, reply: Any) -> Ended | None:
        """What became of a run; None if it was sent again."""
        task, attempt = self._running.pop(reply)
        try:
            failure = json.loads(self._ray.get(reply))["failure"]
        except self._ray.exceptions.RayTaskError as error:
            # our own code answers for what breaks in it: this is a node that cannot run it
            return Ended(task.name, f"its node could not begin it: {error.cause!r}", attempt)
        except self._ray.exceptions.RayError as error:
            if attempt < TRIES:
                self._send(task, attempt + 1)
                return None
            cause = str(error).strip().splitlines()[0]
            return Ended(
                task.name, f"its process died {TRIES} times, the last time: {cause}", attempt
            )
        return Ended(task.name, failure, attempt)


# --- on a node -------------------------------------------------------------------------------


def make_on_node(text: str) -> str:
    """Make one run: what is to be made as JSON, and what became of it.

    Whatever is done twice because a node was given up too early is not written twice: a run has
    one writer at a time, and one that is finished is left alone.
    """
    # Ray stops a task as Ctrl-C would; whoever started its node may have had that ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    asked = json.loads(text)
    try:
        _check_node(asked)
        with alone(Path(asked["log"]).with_suffix(".lock")), _said_into(Path(asked["log"])):
            return json.dumps({"failure": _made(asked["told"])})
    except MedgraftError as error:
        return json.dumps({"failure": str(error)})


def _made(told: dict[str, Any]) -> str | None:
    run = RunFolder(Path(told["out"]))
    return finish_run(run, found(told["finish"])) if finished(run) else work(told)


def _check_node(asked: dict[str, Any]) -> None:
    """Refuse a node that would write elsewhere, or is another medgraft.

    Raises:
        OutputError: If it does not see the folder of the study.
        TrainingError: If its medgraft is of another version.
    """
    import platform

    mark = Path(asked["mark"])
    try:
        seen = mark.read_text(encoding="utf-8")
    except OSError:
        seen = ""
    if seen != asked["token"]:
        raise OutputError(
            f"the folder of the study must be on storage that all nodes share, and the node"
            f" {platform.node()} does not see that '{mark.parent}'. Mount it there by the same path."
        )
    if asked["medgraft"] != __version__:
        raise TrainingError(
            f"all nodes must have one version of medgraft, {asked['medgraft']}, and the node"
            f" {platform.node()} has {__version__}. Install the same one."
        )


@contextlib.contextmanager
def alone(path: Path, seconds: float = LEASE_SECONDS) -> Iterator[None]:
    """Hold the lock of a run, once whoever holds it has let go; the system frees that of the dead.

    Raises:
        OutputError: If it is still held after so many seconds.
    """
    try:
        import fcntl
    except ImportError:  # not a POSIX system
        yield
        return
    until = time.monotonic() + seconds
    with path.open("w") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise OutputError(
                        f"a run must be made by one process at a time, and another one still holds"
                        f" '{path}' after {seconds:g} s. Is its node alive without the cluster?"
                        " End that process."
                    ) from None
                time.sleep(0.2)
        yield


@contextlib.contextmanager
def _said_into(log: Path) -> Iterator[None]:
    """What is printed goes into the log of the run, which lies where the study does."""
    with (
        log.open("a", encoding="utf-8", buffering=1) as said,
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
    ):
        yield
