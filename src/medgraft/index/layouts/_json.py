"""JSON files that describe a set; what is none is one clear line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from medgraft.errors import TableError

MOST_BYTES = 2**28


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        TableError: If it cannot be read, is larger than 256 MiB, or is no object.
    """
    try:
        if (size := file.stat().st_size) > MOST_BYTES:
            raise ValueError(f"it is {size} bytes long, and at most {MOST_BYTES} are read")
        found = json.loads(file.read_text("utf-8-sig"))
        if not isinstance(found, dict):
            raise ValueError(f"it holds a {type(found).__name__}")
    except FileNotFoundError as error:
        raise TableError(
            f"'{file}' must exist, and there is no such file. Name the folder that it lies in as"
            " SOURCE, or add it."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        raise TableError(
            f"'{file}' must be a JSON object: {reason}. Fetch it again, or move it away."
        ) from error
    return found


def peek_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file; empty if there is none."""
    try:
        return read_json(file) if file.is_file() else {}
    except TableError:
        return {}
