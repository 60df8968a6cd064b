"""Launchers: how the runs of a study are spread over processes.

To add one, add a module to this folder that registers a function with `launcher`. It takes tasks
from an iterator, one whenever it can begin another run, and yields what became of each. An
iterator that ends early (a budget is spent) is as good as a short one. Leaving the generator
stops what still runs, so that it can go on later. The contract test in
`tests/study/test_launchers.py` covers it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from medgraft.cluster import Cluster, connected
from medgraft.errors import ArgumentError
from medgraft.machine import cores
from medgraft.registry import Registry


@dataclass(frozen=True)
class Task:
    """A run to be made.

    Attributes:
        name: Of its folder.
        told: What a process of `medgraft.study.work` needs to know, JSON.
    """

    name: str
    told: dict[str, Any]


@dataclass(frozen=True)
class Ended:
    """What became of a task.

    Attributes:
        name: Of the task.
        failure: Why there is no finished run, in a sentence; None if there is one.
        attempts: How often it was begun: a run whose process died is begun a second time.
    """

    name: str
    failure: str | None
    attempts: int = 1


@dataclass(frozen=True)
class Places:
    """How many processes work, and with how many threads each.

    Attributes:
        workers: Processes at a time.
        threads: Of each.
        cores: Of this machine, or of the cluster.
        logs: Folder for what the processes say.
        cluster: Where the launcher "ray" finds them; no other one asks.
    """

    workers: int
    threads: int
    cores: int
    logs: Path
    cluster: Cluster = field(default_factory=Cluster)

    @classmethod
    def of(cls, logs: Path, *, workers: int | None = None, threads: int | None = None) -> Places:
        """Places of this machine, never more threads in all than it has cores.

        Args:
            logs: Folder for what the processes say.
            workers: Processes; as many as fit beside each other if None.
            threads: Of each; an even share of the cores if None, one if `workers` is None, too.

        Raises:
            ArgumentError: If workers times threads is more than there are cores.

        Examples:
            >>> here = Places.of(Path("logs"))
            >>> here.workers == cores(), here.threads
            (True, 1)
        """
        have = cores()
        for name, number in (("--workers", workers), ("--threads", threads)):
            if number is not None and number < 1:
                raise ArgumentError(f"{name} must be at least 1, got {number}.")
        if workers is None:
            workers = max(1, have // (threads or 1))
        share = threads or max(1, have // workers)
        if workers * share > have:
            raise ArgumentError(
                f"workers times threads must be at most the {have} cores of this machine, got"
                f" {workers} x {share}. Processes that wait for each other's cores take longer"
                " in all: give fewer --workers or --threads."
            )
        return cls(workers, share, have, logs)

    @classmethod
    def on(cls, cluster: Cluster, logs: Path, *, workers: int | None = None) -> Places:
        """Places of a Ray cluster that runs already.

        Args:
            cluster: With its address, and what each run takes.
            logs: Folder for what the runs say, on storage that all nodes share.
            workers: Runs at a time; as many as fit now if None. More than fit wait, which makes
                a cluster that can grow do so.

        Raises:
            ArgumentError: If no node holds one run.
            WorkerError: If no cluster answers.
        """
        if workers is not None and workers < 1:
            raise ArgumentError(f"--workers must be at least 1, got {workers}.")
        with connected(cluster) as ray:
            have = int(ray.cluster_resources().get("CPU", 0))
            return cls(workers or cluster.room(ray), cluster.cpus, have, logs, cluster)


class Watch(Protocol):
    """Who wants to know how far the runs are."""

    def began(self, name: str) -> None:
        """A run begins."""

    def tick(self) -> None:
        """A second has passed."""


Launcher = Callable[[Iterator[Task], Places, Watch], Iterator[Ended]]
launchers: Registry[Launcher] = Registry("launcher", __name__)


def launcher(name: str) -> Callable[[Launcher], Launcher]:
    """Register a launcher under `name`."""

    def register(function: Launcher) -> Launcher:
        return launchers.add(name, function)

    return register
