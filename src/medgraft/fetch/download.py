"""Take one file over the network: again from where it broke off, and only if it is the right one."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import IO

from medgraft.errors import ArgumentError, MedgraftError, OutputError
from medgraft.files import sync_folder
from medgraft.progress import bar

CHUNK = 2**20
TRIES, WAIT_SECONDS, TIMEOUT_SECONDS = 5, 2.0, 60.0
SPARE_BYTES = 2**30  # of the disk, which are left to others
HERE = ("127.0.0.1", "localhost", "::1")


class FetchError(MedgraftError, OSError):
    """A file could not be taken from the network, or is not the one that was published."""


class _InterruptedError(Exception):
    """The connection ended before the file did."""


def download(
    url: str, path: Path, md5: str, *, tries: int = TRIES, wait_seconds: float = WAIT_SECONDS
) -> Path:
    """Take a file. What has come so far stays in ``path.part``, and the next call goes on from there.

    The sum protects against what gets lost or mixed up on the way; against forgery HTTPS does.

    Args:
        url: HTTPS; plain HTTP from this machine alone.
        path: Where to write it; its folder must exist. If it is there already it is checked.
        md5: Of its bytes, hexadecimal.
        tries: How often in a row the connection may break without one byte more.
        wait_seconds: Before the second try; before each further one twice as long.

    Returns:
        The path.

    Raises:
        ArgumentError: If the address is neither.
        OutputError: If it cannot be written, or the disk has no room for it.
        FetchError: If the server refuses, keeps breaking off, or what came is another file.
    """
    _check_address(url)
    if path.is_file():
        _check_sum(path, md5, url)
        return path
    part, left = path.with_name(f"{path.name}.part"), tries
    while True:
        before = part.stat().st_size if part.is_file() else 0
        try:
            _append(url, part)
            break
        except _InterruptedError as error:
            more = part.is_file() and part.stat().st_size > before
            left = tries if more else left - 1
            if left <= 0:
                raise FetchError(
                    f"'{url}' must be sent to its end, but {tries} tries in a row brought not one byte"
                    f" more ({error}). What has come is kept; try again later."
                ) from error
            pause = min(60.0, wait_seconds * 2 ** (tries - left))
            sys.stderr.write(f"the connection broke off ({error}); once more in {pause:g} s\n")
            time.sleep(pause)
    try:
        _check_sum(part, md5, url)
    except FetchError:
        part.unlink()  # nothing can be built on it
        raise
    part.replace(path)
    sync_folder(path.parent)
    return path


def _check_address(url: str) -> None:
    found = urllib.parse.urlsplit(url)
    if found.scheme != "https" and not (found.scheme == "http" and found.hostname in HERE):
        raise ArgumentError(f"a file must be taken by https, got {url!r:.200}.")


class _Careful(urllib.request.HTTPRedirectHandler):
    """Follows a redirection to where one may be taken from."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        _check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _append(url: str, part: Path) -> None:
    """Take what is missing."""
    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "medgraft"})  # noqa: S310 (checked)
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        reply = urllib.request.build_opener(_Careful).open(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            return  # there is no more
        if error.code >= http.client.INTERNAL_SERVER_ERROR:
            raise _InterruptedError(f"status {error.code}") from error
        raise FetchError(
            f"'{url}' must be there for everybody, but its server answers {error.code}"
            f" {error.reason}. Has it moved? Its makers' page says."
        ) from error
    except urllib.error.URLError as error:
        raise _InterruptedError(str(error.reason)) from error
    except (OSError, http.client.HTTPException) as error:
        raise _InterruptedError(str(error)) from error
    with reply:
        goes_on = reply.status == http.client.PARTIAL_CONTENT and reply.headers.get(
            "Content-Range", ""
        ).startswith(f"bytes {have}-")
        start = have if goes_on else 0
        promised = reply.headers.get("Content-Length", "")
        rest = int(promised) if promised.isdigit() else None
        check_room(part.parent, rest or 0)
        try:
            with part.open("ab" if goes_on else "wb") as file:
                _copy(reply, file, start, rest)
        except OSError as error:
            if isinstance(error, MedgraftError):
                raise
            raise OutputError(
                f"'{part}' must be writable, and is not: {error.strerror}. Give another --out."
            ) from error


def _read(reply: http.client.HTTPResponse) -> bytes:
    try:
        return reply.read1(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _InterruptedError(str(error)) from error


def _copy(reply: http.client.HTTPResponse, file: IO[bytes], start: int, rest: int | None) -> None:
    whole = 0 if rest is None else start + rest
    moved = bar(total=whole, what="fetch", unit="B", start=start)
    come = 0
    try:
        while chunk := _read(reply):
            come += len(chunk)
            if rest is None and come % (64 * CHUNK) < len(chunk):
                check_room(Path(file.name).parent, CHUNK)
            file.write(chunk)
            moved.update(len(chunk))
        file.flush()
        os.fsync(file.fileno())
    finally:
        moved.close()
    if rest is not None and come < rest:
        raise _InterruptedError(f"{come:,} of {rest:,} bytes came")


def check_room(folder: Path, need: int) -> None:
    """Refuse what would fill the disk.

    Args:
        folder: On that disk.
        need: Bytes.

    Raises:
        OutputError: With what is free.
    """
    free = shutil.disk_usage(folder).free
    if need + SPARE_BYTES > free:
        raise OutputError(
            f"the disk of '{folder}' must have room for {need / 2**30:.1f} GiB and one to spare, and"
            f" has {free / 2**30:.1f} GiB. Free some, or give another --out."
        )


def _check_sum(path: Path, md5: str, url: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != md5:
        raise FetchError(
            f"'{path.name}' must be the file that was published (MD5 {md5}), but its sum is {found}."
            f" It was changed on the way or at '{url}'; what came is not used. Try again; if it"
            " stays so, ask its makers."
        )
