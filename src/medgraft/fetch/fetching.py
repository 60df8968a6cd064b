"""A set on the disk: its file, checked; unpacked where it is an archive; and where it came from."""

from __future__ import annotations

import shutil
import tarfile
from datetime import UTC, datetime
from pathlib import Path

from medgraft.errors import MedgraftError, OutputError, UnsafeFileError
from medgraft.fetch.download import check_room, download
from medgraft.fetch.sets import Open
from medgraft.files import write_json


def fetch(one: Open, folder: Path) -> Path:
    """Take a set whose licence was accepted. A second call finds it there and checks it.

    Args:
        one: Which.
        folder: Where to put it; made if it is not there.

    Returns:
        What to index: its file, or the folder that was unpacked; where all of an archive lies in
        one folder, as of the Decathlon, that one.

    Raises:
        FetchError, OutputError: As `medgraft.fetch.download.download`.
        UnsafeFileError: If its archive would write elsewhere, or is damaged.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"--out must be a folder that can be made, and '{folder}' cannot: {error.strerror}."
            " Name another."
        ) from error
    file = download(one.url, folder / one.file, one.md5)
    write_json(
        folder / f"{one.name}.source.json",
        {
            "name": one.name,
            "url": one.url,
            "md5": one.md5,
            "bytes": file.stat().st_size,
            "licence": one.licence,
            "terms": one.terms,
            "checked": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )
    return _innermost(unpack(file, folder / one.name)) if one.unpack else file


def _innermost(folder: Path) -> Path:
    """The folder that all the rest lies in; hidden files that macOS packs with it do not count."""
    inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return _innermost(inside[0]) if len(inside) == 1 and inside[0].is_dir() else folder


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a tar file into a new folder, whole or not at all; one that is there is left alone.

    Raises:
        OutputError: If it cannot be written, or the disk has no room.
        UnsafeFileError: If a member would be written elsewhere, or the archive is damaged.
    """
    if folder.is_dir():
        return folder
    unfinished = folder.with_name(f"{folder.name}.unpacking")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        with tarfile.open(archive) as tar:
            check_room(folder.parent, sum(member.size for member in tar))
            tar.extractall(unfinished, filter="data")
    except (tarfile.TarError, EOFError) as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise UnsafeFileError(
            f"'{archive}' must unpack into its own folder, and does not: {error}. Nothing of it was"
            " kept but the archive."
        ) from error
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        if isinstance(error, MedgraftError):
            raise
        raise OutputError(
            f"'{folder}' must be writable, and is not: {error.strerror}. Give another --out."
        ) from error
    unfinished.replace(folder)
    return folder
