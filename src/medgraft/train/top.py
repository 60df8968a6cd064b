"""The best weights of a run: several of them, in memory and beside its checkpoints."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from medgraft.errors import TrainingError
from medgraft.files import replacing


@dataclass(frozen=True)
class Member:
    """Weights that a validation found good.

    Attributes:
        row: Number of the validation, from 1, over all phases of a run.
        epoch: Epochs that had passed.
        score: What the validation found; higher is better.
        weights: By name, in main memory.
    """

    row: int
    epoch: float
    score: float
    weights: dict[str, Tensor]


@dataclass
class Top:
    """The best weights so far, best first; of equal scores the earlier ones are the better.

    A run keeps them in main memory. With each checkpoint those that are new are written to files
    of their own, and those that neither this checkpoint nor the one before names are removed: no
    more than twice `most` lie there, and none is written twice.

    Attributes:
        most: How many to keep.
        members: Best first.
    """

    most: int
    members: list[Member] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._written: set[int] = set()  # rows whose file is known to be right
        self._before: set[int] = set()  # rows that the last checkpoint names

    def offer(self, score: float, weights: Mapping[str, Tensor], *, row: int, epoch: float) -> None:
        """Keep a copy of these weights, if they are among the best; NaN never is."""
        place = sum(member.score >= score for member in self.members)
        if math.isnan(score) or place >= self.most:
            return
        copied = {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}
        self.members.insert(place, Member(row, epoch, score, copied))
        del self.members[self.most :]

    def listed(self) -> list[dict[str, Any]]:
        """All but the weights, for a checkpoint."""
        return [{"row": m.row, "epoch": m.epoch, "score": m.score} for m in self.members]

    def write(self, folder: Path) -> None:
        """Write the files of members that have none yet: before the checkpoint that names them."""
        folder.mkdir(parents=True, exist_ok=True)
        for member in self.members:
            if member.row not in self._written:
                tensors = {name: t.contiguous() for name, t in member.weights.items()}
                with replacing(_file(folder, member.row)) as temporary:
                    save_file(tensors, str(temporary))
                self._written.add(member.row)

    def prune(self, folder: Path) -> None:
        """Remove the files that no checkpoint names any more: after a checkpoint was saved."""
        now = {member.row for member in self.members}
        for row in self._written - now - self._before:
            _file(folder, row).unlink(missing_ok=True)
        self._written &= now | self._before
        self._before = now

    def restore(self, folder: Path, listed: list[dict[str, Any]]) -> None:
        """Read what a checkpoint names.

        Raises:
            TrainingError: If a file is missing or damaged.
        """
        self.members = [Member(**one, weights=_read(folder, one["row"])) for one in listed]
        self._written = {member.row for member in self.members}
        self._before = set(self._written)


def _file(folder: Path, row: int) -> Path:
    return folder / f"top-{row:06d}.safetensors"


def _read(folder: Path, row: int) -> dict[str, Tensor]:
    path = _file(folder, row)
    try:
        return dict(load_file(str(path)))
    except (SafetensorError, OSError) as error:
        raise TrainingError(
            f"the weights that a checkpoint names must be whole, but '{path}' is not: {error}."
            " Start the run again in a new folder."
        ) from error
