"""Resume state: one safetensors file per generation, two generations, each whole or absent."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from medgraft.errors import TrainingError
from medgraft.files import replacing

GENERATIONS = 2


@dataclass(frozen=True)
class Checkpoint:
    """Everything that a run needs to go on.

    Attributes:
        tensors: Weights, optimiser state, best weights, by name.
        state: Counters, history and whatever else is JSON.
    """

    tensors: dict[str, Tensor]
    state: dict[str, Any]


def save(folder: Path, checkpoint: Checkpoint, *, step: int) -> None:
    """Write a generation and remove those before the last two."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: t.detach().cpu().contiguous().clone() for name, t in checkpoint.tensors.items()
    }
    with replacing(folder / f"step-{step:09d}.safetensors") as temporary:
        save_file(tensors, str(temporary), metadata={"state": json.dumps(checkpoint.state)})
    for old in _generations(folder)[:-GENERATIONS]:
        old.unlink(missing_ok=True)


def load(folder: Path) -> Checkpoint | None:
    """The newest generation that is whole; None if nothing was ever saved.

    Raises:
        TrainingError: If there are files, but none of them is whole.
    """
    problems = []
    for path in reversed(_generations(folder)):
        try:
            with safe_open(str(path), "pt") as file:
                state = json.loads((file.metadata() or {})["state"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            problems.append(f"{path.name}: {error}")
            continue
        return Checkpoint(tensors, state)
    if problems:
        raise TrainingError(
            f"a checkpoint must be whole, but none in '{folder}' is ({'; '.join(problems)})."
            " Start the run again in a new folder."
        )
    return None


def remove(folder: Path) -> None:
    """Remove all generations: the run has ended."""
    shutil.rmtree(folder, ignore_errors=True)


def _generations(folder: Path) -> list[Path]:
    found = folder.glob("step-*.safetensors")
    return sorted(path for path in found if re.fullmatch(r"step-\d{9}", path.stem))
