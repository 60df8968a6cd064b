"""File formats: each module of this folder reads one of them.

To add one, add a module with a function from a `Request` to a `Scan`, registered with
`reader`, and a file of the same name in ``tests/read/samples`` that writes a tiny example.
Its contract is checked by ``tests/read/test_readers.py``. Import the library that does the
work inside the function, so that a command which reads no such file does not wait for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from medgraft.read.request import Request
from medgraft.read.scan import Scan
from medgraft.read.tags import Identity, Personal
from medgraft.registry import Registry

Read = Callable[[Request], Scan]


@dataclass(frozen=True)
class Reader:
    """One file format.

    Attributes:
        name: Its name in `readers`.
        suffixes: Endings of its files, lower case with the dot; the first one is the usual one.
        sniff: Whether a file is of this format, from its first 1,024 bytes (of the content,
            where the file is gzipped) and its path.
        read: From a request to a scan; raises `ReadError`, or whatever its library raises.
        identity: Reads the tags without the pixels; None where the format has no such tags.
        personal: Looks for tags that may tell whose the image is; None as of `identity`.
    """

    name: str
    suffixes: tuple[str, ...]
    sniff: Callable[[bytes, Path], bool]
    read: Read
    identity: Callable[[Request], Identity] | None = None
    personal: Callable[[Request], Personal] | None = None


readers: Registry[Reader] = Registry("reader", __name__)


def reader(
    name: str,
    *,
    suffixes: tuple[str, ...],
    sniff: Callable[[bytes, Path], bool],
    identity: Callable[[Request], Identity] | None = None,
    personal: Callable[[Request], Personal] | None = None,
) -> Callable[[Read], Read]:
    """Register a function that reads one file format; the arguments are those of `Reader`."""

    def register(read: Read) -> Read:
        readers.add(name, Reader(name, suffixes, sniff, read, identity, personal))
        return read

    return register
