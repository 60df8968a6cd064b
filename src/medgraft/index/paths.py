"""Walking a folder of images, and keeping paths inside it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import polars as pl

from medgraft.errors import TableError
from medgraft.index.table import OUTSIDE, REJECTS

IMAGES = frozenset(
    [
        ".dcm",
        ".dicom",
        ".ima",
        ".nii",
        ".nii.gz",
        ".nrrd",
        ".nhdr",
        ".mha",
        ".mhd",
        ".png",
        ".jpg",
        ".jpeg",
        ".jpe",
        ".ljpeg",
        ".bmp",
        ".gif",
        ".pgm",
        ".ppm",
        ".pnm",
        ".tif",
        ".tiff",
        ".npy",
        ".npz",
        ".img",
        ".jp2",
        ".j2k",
        ".webp",
        ".mgh",
        ".mgz",
        ".mnc",
    ]
)
TABLES = frozenset([".csv", ".tsv", ".parquet"])
NO_IMAGES = TABLES | frozenset(  # seen beside images everywhere; they are counted, not rejected
    [
        ".txt",
        ".md",
        ".rst",
        ".json",
        ".jsonl",
        ".xml",
        ".html",
        ".htm",
        ".pdf",
        ".doc",
        ".docx",
        ".xls",
        ".xlsx",
        ".yaml",
        ".yml",
        ".log",
        ".py",
        ".ipynb",
        ".m",
        ".r",
        ".sh",
        ".zip",
        ".tar",
        ".gz",
        ".tgz",
        ".7z",
        ".rar",
        ".db",
        ".ini",
        ".bib",
        ".sql",
        ".sha256",
        ".md5",
        ".lnk",
        ".raw",
        ".zraw",
        ".raw.gz",
        ".hdr",
        ".ics",
        ".overlay",
    ]
)
NO_IMAGE_NAMES = frozenset(["DICOMDIR", "LICENSE", "LICENCE", "README", "Thumbs.db", "desktop.ini"])


class Reject(NamedTuple):
    """Something that could not be used: where, why, and what the user can do."""

    path: str
    reason: str
    remedy: str


def reject_table(rejects: Iterable[Reject]) -> pl.DataFrame:
    """Rejects as the table that an index keeps."""
    return pl.DataFrame(list(rejects), schema=REJECTS, orient="row")


@dataclass(frozen=True)
class Walk:
    """What lies in a folder.

    Attributes:
        files: Paths of files that may be images, relative, with forward slashes, sorted.
        rejects: What cannot be named or entered.
        ignored: Files whose suffix says that they are no images, such as texts and tables.
    """

    files: list[str]
    rejects: list[Reject]
    ignored: list[str]


def walk(root: Path) -> Walk:
    """Every file under `root`, hidden ones left out.

    Links to folders are followed, but no folder is entered twice, so a link to a parent ends
    there; a folder that is also reached by a link keeps its own name.

    Raises:
        TableError: If `root` is no folder that can be read.
    """
    if not root.is_dir():
        raise TableError(f"SOURCE must be a folder that can be read, but '{root}' is not.")
    found = Walk([], [], [])
    seen: set[tuple[int, int]] = set()
    folders, links = [""], list[str]()  # of a million entries only the names are kept
    while folders or links:
        folder = folders.pop() if folders else links.pop(0)
        try:
            status = os.stat(root / folder)
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            begun, linked = len(folders), len(links)
            with os.scandir(root / folder) as entries:
                for entry in entries:
                    path = f"{folder}/{entry.name}" if folder else entry.name
                    _sort_in(entry, path, found, folders, links)
            folders[begun:], links[linked:] = sorted(folders[begun:]), sorted(links[linked:])
        except OSError as error:
            found.rejects.append(
                Reject(printable(folder), f"cannot be entered: {error.strerror}", "Allow reading.")
            )
    for paths in (found.files, found.rejects, found.ignored):
        paths.sort()
    return found


def _sort_in(
    entry: os.DirEntry[str], path: str, found: Walk, folders: list[str], links: list[str]
) -> None:
    if entry.name.startswith("."):
        return
    if entry.is_dir():
        (links if entry.is_symlink() else folders).append(path)
    elif entry.name in NO_IMAGE_NAMES or suffix(entry.name) in NO_IMAGES:
        found.ignored.append(path)
    elif not entry.is_file():
        what = "a link to nothing" if entry.is_symlink() else "no regular file"
        found.rejects.append(
            Reject(printable(path), f"it is {what}", "Remove it or mend the link.")
        )
    elif not path.isascii() and printable(path) != path:
        found.rejects.append(
            Reject(printable(path), "its name is not valid UTF-8", "Rename the file.")
        )
    elif ("\\" in path or ".." in path or ":" in path) and re.search(OUTSIDE, path):
        reason = "on another system its name would be a path that leads outside"
        found.rejects.append(Reject(path, reason, "Rename the file."))
    else:
        found.files.append(path)


def printable(path: str) -> str:
    r"""A path that can be written into any table: bytes that are no UTF-8 become ``\xff``.

    Examples:
        >>> printable("ward/caf\udce9.png")
        'ward/caf\\xe9.png'
    """
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def peek(root: Path, most: int = 200) -> list[str]:
    """The first files below a folder, to see of what kind it is; nearer ones come first.

    At most `most` files are named and as many entries of each folder looked at, so a folder of
    a million files costs no more than one of a thousand. Hidden files are left out, and links
    to folders not followed.

    Returns:
        Paths relative to `root`; none if it is no folder that can be read.
    """
    found: list[str] = []
    folders = [""]
    for folder in folders:  # grows while it is walked through: nearer folders first
        if len(found) >= most or len(folders) > most:
            break
        try:
            with os.scandir(root / folder) as entries:
                first = sorted(islice(entries, 4 * most), key=lambda e: e.name)
        except OSError:
            continue
        for entry in first:
            path = f"{folder}/{entry.name}".lstrip("/")
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                if not entry.is_symlink():
                    folders.append(path)
            elif entry.is_file():
                found.append(path)
    return found[:most]


def dive(root: Path, ending: str, most: int = 200) -> str | None:
    """A file deep below a folder whose name ends so, to see of what kind the folder is.

    Where `peek` looks near first, this follows the first folder down to its end before the
    second: sets that keep a folder per patient are known by their first patient. At most `most`
    folders are entered and four times as many entries of each looked at.

    Args:
        root: The folder.
        ending: How the name ends, in lower case.
        most: Folders.

    Returns:
        Its path relative to `root`; None if none is found, or `root` is no folder.
    """
    folders = [""]
    for _ in range(most):
        if not folders:
            break
        folder = folders.pop()
        try:
            with os.scandir(root / folder) as entries:
                first = sorted(islice(entries, 4 * most), key=lambda e: e.name)
        except OSError:
            continue
        inner = []
        for entry in first:
            path = f"{folder}/{entry.name}".lstrip("/")
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                inner.append(path)
            elif entry.name.lower().endswith(ending) and entry.is_file():
                return path
        folders += reversed(inner)
    return None


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder by name, hidden ones left out; the files cost no memory."""
    with os.scandir(folder) as entries:
        names = [e.name for e in entries if e.is_dir() and not e.name.startswith(".")]
    return [folder / name for name in sorted(names)]


def suffix(name: str) -> str:
    """The suffix of a file name in lower case, ``.nii.gz`` counting as one.

    Examples:
        >>> suffix("A.NII.GZ"), suffix("b.v2.png"), suffix("IM0001"), suffix("x.d/.hidden")
        ('.nii.gz', '.png', '', '')
    """
    plain = name.rpartition("/")[2].lower().lstrip(".")
    head, dot, last = plain.rpartition(".")
    if not dot or not last:
        return ""
    joined = f".{head.rpartition('.')[2]}.{last}" if "." in head else ""
    return joined if joined in IMAGES else f".{last}"


def stem(name: str) -> str:
    """The name of a file without its folders and its suffix.

    Examples:
        >>> stem("a/b/case_1.nii.gz"), stem("1.2.840.dcm"), stem("IM0001")
        ('case_1', '1.2.840', 'IM0001')
    """
    plain = name.rpartition("/")[2]
    return plain[: len(plain) - len(suffix(plain))]


def is_dicom(path: Path) -> bool:
    """Whether a file carries the mark of DICOM after its preamble."""
    try:
        with path.open("rb") as handle:
            return handle.read(132)[128:] == b"DICM"
    except OSError:
        return False


def looks_like_image(path: Path) -> bool:
    """Whether a file's name or first bytes promise an image; nothing is decoded."""
    return suffix(path.name) in IMAGES or (suffix(path.name) not in NO_IMAGES and is_dicom(path))


def is_file(root: Path, path: str) -> bool:
    """Whether there is a file below a folder; text that can be no name is none."""
    try:
        return (root / path).is_file()
    except (OSError, ValueError):  # too long a name, a null byte
        return False


def relative(root: Path, text: str) -> str | None:
    """A path from a table as a path relative to `root`; None if it leads outside.

    Examples:
        >>> relative(Path("/data"), "./a//b.png"), relative(Path("/data"), "/data/c.png")
        ('a/b.png', 'c.png')
        >>> relative(Path("/data"), "../c.png") is None
        True
    """
    if os.path.isabs(text):
        text = os.path.relpath(text, root)
    inside = str(PurePosixPath(text))
    return None if inside == "." or re.search(OUTSIDE, inside) else inside
