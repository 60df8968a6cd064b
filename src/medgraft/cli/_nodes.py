"""Flags of commands that can spread what images cost over a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medgraft.cluster import Crew


@dataclass(frozen=True)
class Nodes:
    """Where images are read and passed through networks."""

    ray: bool = False
    """Spread reading images, and passing them through a network, over a Ray cluster."""
    address: str | None = None
    """With --ray: HOST:PORT of a cluster, or auto; Ray on this machine alone if not given."""
    cpus: int | None = None
    """With --ray: CPUs of each process, and its threads; 1 if not given."""
    gpus: float | None = None
    """With --ray: GPUs of each process, or a part of one; none if not given."""
    processes: int | None = None
    """With --ray: processes in all; as many as there is room for if not given."""

    @contextmanager
    def crew(self) -> Iterator[Crew | None]:
        """The processes, which do all work of the pool meanwhile; None without --ray.

        Raises:
            ArgumentError: If a flag is without effect, or no node holds a process.
            WorkerError: If no cluster answers.
        """
        if not self.ray:
            self._check_unused()
            yield None
            return
        from medgraft.cluster import Cluster, crew
        from medgraft.errors import ArgumentError
        from medgraft.pool import elsewhere

        if self.processes is not None and self.processes < 1:
            raise ArgumentError(f"--processes must be at least 1, got {self.processes}.")
        cluster = Cluster(self.address, 1 if self.cpus is None else self.cpus, self.gpus or 0)
        with crew(cluster, count=self.processes) as hired, elsewhere(hired):
            yield hired

    def _check_unused(self) -> None:
        from medgraft.errors import ArgumentError

        for name in ("address", "cpus", "gpus", "processes"):
            value = getattr(self, name)
            if value is not None:
                raise ArgumentError(
                    f"--{name} belongs to --ray, got {value} without it. Add --ray."
                )
