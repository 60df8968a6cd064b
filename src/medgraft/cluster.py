"""A Ray cluster: several machines, or this one alone.

Ray carries text and numbers for us, functions by name. What runs on a node is medgraft as it is
installed there; files are found by the paths that they have here, so they lie on storage that
all nodes share.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from medgraft.errors import ArgumentError, WorkerError
from medgraft.machine import cores
from medgraft.optional import require

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
    first = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    if address is None:
        return f"Ray must start on this machine, and did not: {first}. See /tmp/ray for its logs."
    return (
        f"a Ray cluster must answer at {address!r}, and none does: {first}. Start its head with"
        " `ray start --head`, and give the address that it prints."
    )
