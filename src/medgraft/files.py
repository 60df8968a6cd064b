"""Files that are written whole or not at all, and known by their hash."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medgraft.errors import OutputError, TableError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path that becomes `path` when the block ends well, and vanishes otherwise.

    The bytes are on the disk before the name changes, so a reader sees the old file or the
    new one, never a part of it, even after the power fails.

    Raises:
        OutputError: If the disk is full or the folder cannot be written; the old file stays.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
        rights = temporary.stat().st_mode
        yield temporary
        temporary.chmod(rights)  # safetensors writes for the owner alone
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except Exception as error:
        found = _system_error(error)
        if found is None:
            raise
        raise _plain(found, path) from error
    finally:
        temporary.unlink(missing_ok=True)


def _system_error(error: Exception) -> OSError | None:
    """What the system said; safetensors and polars hide its number in their own errors.

    Examples:
        >>> _system_error(ValueError("I/O error: No space left on device (os error 28)")).errno
        28
    """
    number = re.search(r"\(os error (\d+)\)", str(error))
    if number is not None:
        return OSError(int(number[1]), os.strerror(int(number[1])))
    return error if isinstance(error, OSError) else None


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _plain(error: OSError, path: Path) -> OSError:
    if isinstance(error, OutputError):
        return error
    if error.errno in FULL:
        return OutputError(
            f"the disk must have room for '{path}', but it is full; nothing was replaced."
            " Free some space and run the same command again."
        )
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EEXIST):
        return OutputError(f"'{path}' must be writable: {error.strerror}. Choose another --out.")
    return error


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], data: Any) -> None:
    """Write `data` as indented JSON, whole or not at all; NaN is refused, not written."""
    write_text(path, json.dumps(data, indent=2, allow_nan=False, default=_plain_number) + "\n")


def _plain_number(value: Any) -> Any:
    if hasattr(value, "item"):  # a numpy scalar
        return value.item()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON file.

    Raises:
        TableError: If it is missing or not JSON; the message names the file.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TableError(f"'{path}' must exist, and does not.") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise TableError(f"'{path}' must be JSON: {error}.") from error


def sha256(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file's content, as 64 hexadecimal digits."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def new_folder(path: str | os.PathLike[str]) -> Path:
    """Make a folder for output, refusing one that already holds something.

    Raises:
        OutputError: If `path` is a file, or a folder that is not empty.
    """
    path = check_free(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _plain(error, path) from error
    return path


def check_free(path: str | os.PathLike[str]) -> Path:
    """Refuse a folder for output that already holds something; nothing is made.

    Raises:
        OutputError: If `path` is a file, or a folder that is not empty.
    """
    path = Path(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise OutputError(
            f"--out must name a new or empty folder, but '{path}' exists. Choose another name"
            " or remove it; `medgraft train --resume` goes on with a run that was stopped."
        )
    return path
