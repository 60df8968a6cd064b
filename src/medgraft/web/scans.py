"""Decoded scans, kept in memory as long as there is room for them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace

import numpy as np

from medgraft.errors import ArgumentError
from medgraft.read import Scan, identity, read
from medgraft.web.greys import Coding, Window, coding, reduced, windows
from medgraft.web.planes import Plane, planes

BUDGET = 2**30  # bytes of decoded scans
MOST_PIXELS = 2**24  # of one answer
AT_ONCE = 2  # scans that are decoded at a time: each may take as much memory as `read` allows


@dataclass(frozen=True)
class Shown:
    """A scan, ready to be cut into pictures.

    Attributes:
        scan: As its file holds it.
        coding: How its values are sent.
        planes: Ways to lay it on a screen, the usual one first.
        windows: Ways to show its values, the usual one first.
    """

    scan: Scan
    coding: Coding
    planes: tuple[Plane, ...]
    windows: tuple[Window, ...]

    @property
    def channels(self) -> int:
        """Grey images that lie over one another, such as time points; 1 of colours."""
        return 1 if self.coding.colour else self.scan.channels

    def plane(self, name: str | None) -> Plane:
        """The plane of that name, the usual one for None.

        Raises:
            ArgumentError: If there is none.
        """
        for plane in self.planes:
            if name in (None, plane.name):
                return plane
        known = ", ".join(plane.name for plane in self.planes)
        raise ArgumentError(f"plane must be one of {known}, got {name!r}.")

    def pixels(self, plane: Plane, number: int, *, channel: int = 0, reduce: int = 1) -> bytes:
        """One slice, row by row, little-endian codes; of colours three bytes per pixel.

        Raises:
            ArgumentError: If there is no such slice or channel, or the answer would be too large.
        """
        check_place("slice", number, plane.slices)
        check_place("channel", channel, self.channels)
        rows, columns = plane.shape
        if reduce < 1 or -(-rows // reduce) * -(-columns // reduce) > MOST_PIXELS:
            raise ArgumentError(
                f"reduce must bring {rows} x {columns} pixels to at most {MOST_PIXELS}, got {reduce}."
            )
        if self.coding.colour:
            cuts = [plane.cut(one, number) for one in self.scan.array]
            codes = self.coding.encode(np.stack(cuts, axis=-1))
        else:
            codes = self.coding.encode(plane.cut(self.scan.array[channel], number))
        small = reduced(codes, reduce)
        return small.astype(small.dtype.newbyteorder("<"), copy=False).tobytes()


def check_place(what: str, number: int, count: int) -> None:
    """Refuse a slice or channel that is not there.

    Raises:
        ArgumentError: With those that are.
    """
    if not 0 <= number < count:
        raise ArgumentError(f"{what} must be from 0 to {count - 1}, got {number}.")


def show(file: str) -> Shown:
    """Read a scan and find out how to show it.

    Raises:
        ReadError: If it cannot be read.
    """
    scan = _one_grey(read(file))
    asked = identity(file).window if scan.modality is not None else None
    return Shown(scan, coding(scan), planes(scan), windows(scan, asked))


def _one_grey(scan: Scan) -> Scan:
    """A grey image that was saved as three equal colours, as one channel: it can be windowed."""
    array = scan.array
    if scan.channels != 3 or not all(np.array_equal(array[0], one) for one in array[1:]):
        return scan
    return replace(scan, array=array[:1])


class Scans:
    """Scans by file, the ones used last; each is decoded once however many ask at a time."""

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._held: OrderedDict[str, Shown] = OrderedDict()
        self._lock = threading.Lock()
        self._decoding: dict[str, threading.Lock] = {}
        self._turns = threading.Semaphore(AT_ONCE)

    def get(self, file: str) -> Shown:
        """A scan, from memory if it is there.

        Raises:
            ReadError: If it cannot be read.
        """
        with self._lock:
            if file in self._held:
                self._held.move_to_end(file)
                return self._held[file]
            turn = self._decoding.setdefault(file, threading.Lock())
        with turn:
            with self._lock:
                if file in self._held:
                    return self._held[file]
            try:
                with self._turns:
                    found = show(file)
                with self._lock:
                    self._keep(file, found)
            finally:
                with self._lock:
                    self._decoding.pop(file, None)
            return found

    def _keep(self, file: str, shown: Shown) -> None:
        self._held[file] = shown
        size = sum(one.scan.array.nbytes for one in self._held.values())
        while size > self._budget and len(self._held) > 1:
            _, dropped = self._held.popitem(last=False)
            size -= dropped.scan.array.nbytes
