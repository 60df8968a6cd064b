"""Several processes that train one network: each takes a share of every batch.

Started by torchrun. Gradients are summed over the processes after the backward pass, each
loss having been divided by the number of terms in the whole batch: the sum is the gradient that one process would
have found. Batch norm sees the share of its own process; its statistics are those of the first.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, nn

from medgraft.errors import TrainingError

PATIENCE = timedelta(days=1)  # one machine may prepare its images long after another is done


@dataclass(frozen=True)
class Processes:
    """This process among the others.

    Attributes:
        rank: Its number, from 0.
        world: How many there are.
        local: Its number on this machine, which names its accelerator.
    """

    rank: int = 0
    world: int = 1
    local: int = 0

    @classmethod
    def join(cls) -> Processes:
        """Meet the others, if torchrun started several; one process alone otherwise.

        Whatever the processes do together raises a `TrainingError` where one has stopped.
        """
        world = int(os.environ.get("WORLD_SIZE", "1"))
        if world == 1:
            return cls()
        # one for each kind of device, since --device cpu may be asked for beside an accelerator
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        if not torch.distributed.is_initialized():
            torch.distributed.init_process_group(backend, timeout=PATIENCE)
        return cls(int(os.environ["RANK"]), world, int(os.environ.get("LOCAL_RANK", "0")))

    def leave(self) -> None:
        """Part from the others."""
        if self.world > 1 and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()

    @property
    def first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def sum(self, value: float, device: torch.device) -> float:
        """Sum of a number over the processes."""
        if self.world == 1:
            return value
        total = torch.tensor(value, dtype=torch.float64, device=device)
        with _together():
            torch.distributed.all_reduce(total)
        return float(total)

    def of_first(self, value: float, device: torch.device) -> float:
        """The number that the first process has."""
        return self.sum(value if self.first else 0.0, device)

    def sum_tensors(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors by their sums over the processes, in one message."""
        if self.world == 1:
            return
        chosen = list(tensors)
        if not chosen:  # a batch without a label moves nothing
            return
        flat = torch.cat([tensor.flatten() for tensor in chosen])
        with _together():
            torch.distributed.all_reduce(flat)
        parts = torch.split(flat, [tensor.numel() for tensor in chosen])
        for tensor, part in zip(chosen, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def copy_from_first(self, module: nn.Module, *, buffers_only: bool = False) -> None:
        """Give every process the tensors of the first."""
        if self.world == 1:
            return
        tensors = module.buffers() if buffers_only else module.state_dict().values()
        with _together():
            for tensor in tensors:
                torch.distributed.broadcast(tensor, src=0)

    def wait(self) -> None:
        """Wait until all processes are here."""
        self.sum(0.0, torch.device("cpu"))


@contextmanager
def _together() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise TrainingError(
            "all processes must go on together, but another one has stopped. Its message says why."
        ) from error
