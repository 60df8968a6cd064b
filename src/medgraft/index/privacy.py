"""What in the files of an archive may tell who the patients are.

The workers of the pool import this file, so it stays free of tables and their package.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from medgraft.errors import ReadError
from medgraft.index.lettering import find_lines
from medgraft.read import personal, read
from medgraft.read.quiet import quiet
from medgraft.worker import Work


@contextmanager
def inspecting(root: str) -> Iterator[Work]:
    """Work for `medgraft.pool.spread`: from a path and whether to look at its pixels to what is found."""
    with quiet():
        yield lambda job: (inspect(Path(root), *job), None)


def inspect(root: Path, path: str, look: bool) -> dict[str, Any]:  # noqa: FBT001 (a task is a list)
    """What one image may tell.

    Args:
        root: The folder that `path` starts from.
        path: As the index has it.
        look: Whether to look for burned-in text, too; of a volume at its middle slice.

    Returns:
        The fields of `medgraft.read.dicom.personal.Personal`, and "lines", boxes in pixels; only
        "unread" with the reason if the image cannot be read.
    """
    file = str(root / path)
    try:
        found = asdict(personal(file))
        found["lines"] = find_lines(_picture(read(file).array)) if look else []
    except (ReadError, OSError) as error:
        return {"unread": str(error)}
    return found


def _picture(array: np.ndarray) -> np.ndarray:
    return array if array.ndim == 3 else array[:, array.shape[1] // 2]
