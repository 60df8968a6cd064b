"""What can go wrong with the disk that a store lies on."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medgraft.errors import StoreError

FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


def check_room(folder: Path, needed: int) -> None:
    """Raise a `StoreError` unless `needed` bytes are free."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise StoreError(
            f"the store must have {needed / 2**20:,.1f} MiB in '{folder}', but only"
            f" {free / 2**20:,.1f} MiB are free. Free some space, or set MEDGRAFT_CACHE to a folder"
            " on a larger disk."
        )


@contextmanager
def plain(folder: Path) -> Iterator[None]:
    """Turn what the system says about writing into one clear line."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
        if cause.errno in FULL:
            raise StoreError(
                f"the store must be written to '{folder}', but the disk is full; the shards that"
                " were finished are kept. Free some space, or set MEDGRAFT_CACHE to a folder on a"
                " larger disk, and run the same command again."
            ) from error
        raise StoreError(
            f"the store must be written to '{folder}': {cause.strerror or cause}."
            " Set MEDGRAFT_CACHE to a folder that you may write."
        ) from error
