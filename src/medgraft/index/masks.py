"""Masks: which class each pixel belongs to, and whether a mask belongs to its image.

The workers of the pool import this file, so it stays free of tables and their package.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from medgraft.errors import ArgumentError, ReadError
from medgraft.read import Scan, read

UNLABELLED = 255  # stands in a prepared mask where nobody said what a pixel shows
MOST = UNLABELLED  # classes: their places, from 0, and UNLABELLED fit into 8 bits
APART = 0.1  # of a pixel; headers round, and half a pixel off is another grid
ALPHA = {2: 1, 4: 3}  # channels with transparency: without
JOIN = "//"  # between the files of one mask; no path in an index holds it otherwise


@dataclass(frozen=True)
class MaskClasses:
    """The classes of the pixels of an archive, in their order.

    A segmentation target stands beside the label columns of an index (`medgraft.index.Target`):
    one says what an image shows, the other what each of its pixels shows. In prepared masks a
    class is its place here; place 0 is the background.

    Attributes:
        names: Name of each class, the background first.
        values: The number that stands for it in the files, in the same order.

    Raises:
        ArgumentError: If a name or a value stands twice, a name holds a comma or an equals
            sign, or there are fewer than two classes or more than 255.
    """

    names: tuple[str, ...]
    values: tuple[int, ...]

    def __post_init__(self) -> None:
        if not 2 <= len(self.names) <= MOST:
            raise ArgumentError(
                f"masks must have 2 to {MOST} classes, the background first, got"
                f" {len(self.names)}: {', '.join(self.names[:5]) or 'none'}."
            )
        if strange := [name for name in self.names if not name or set(name) & set(",=")]:
            raise ArgumentError(
                f"the name of a mask class must be a word without ',' or '=', got {strange[0]!r}."
            )
        for what, found in (("name", self.names), ("value", self.values)):
            if len(set(found)) < len(found):
                raise ArgumentError(
                    f"each {what} of a mask class must stand once, got {self.written()}."
                )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Classes as they are written on the command line, the background first.

        Raises:
            ArgumentError: If it is not written so.

        Examples:
            >>> MaskClasses.parse("background=0,nucleus=255")
            MaskClasses(names=('background', 'nucleus'), values=(0, 255))
        """
        names, values = [], []
        for item in filter(None, (part.strip() for part in text.split(","))):
            name, equals, value = (word.strip() for word in item.partition("="))
            if not (name and equals) or not value.removeprefix("-").isdecimal():
                raise ArgumentError(
                    "--mask-classes must be names with whole numbers, the background first, such"
                    f" as background=0,nucleus=255; got {item!r}."
                )
            names.append(name)
            values.append(int(value))
        return cls(tuple(names), tuple(values))

    @classmethod
    def of_values(cls, values: Iterable[int]) -> Self:
        """Classes called as the numbers that were found; 0 is the background, found or not.

        Examples:
            >>> MaskClasses.of_values([255, 128]).names
            ('0', '128', '255')
        """
        ordered = (0, *sorted(set(values) - {0}))
        return cls(tuple(map(str, ordered)), ordered)

    def written(self) -> str:
        """The classes as `parse` reads them."""
        return ",".join(f"{n}={v}" for n, v in zip(self.names, self.values, strict=True))

    def places(self, mask: np.ndarray) -> np.ndarray:
        """The place of the class of each pixel, uint8, shape as `mask`.

        Raises:
            ArgumentError: If a pixel holds no value of a class.
        """
        order = np.argsort(self.values)
        ordered = np.asarray(self.values)[order]
        found = np.searchsorted(ordered, mask).clip(max=len(ordered) - 1)
        wrong = ordered[found] != mask
        if wrong.any():
            strange = np.unique(mask[wrong])[:5].tolist()
            raise ArgumentError(strange_values(strange, self))
        places: np.ndarray = order.astype(np.uint8)[found]
        return places


def strange_values(strange: Iterable[int], classes: MaskClasses) -> str:
    """What is wrong with a mask that holds values of no class, in one clause."""
    listed = ", ".join(map(str, strange))
    return f"its mask holds {listed}, which is no class among {classes.written()}"


def rooted(root: Path, mask: str) -> str:
    """Where a mask lies, or all files of it.

    Examples:
        >>> rooted(Path("/data"), "left.png//right.png")
        '/data/left.png///data/right.png'
    """
    return JOIN.join(str(root / part) for part in mask.split(JOIN))


def files_of(mask: str) -> list[str]:
    """The files of a mask that `rooted` placed.

    Examples:
        >>> files_of("/data/left.png///data/right.png")
        ['/data/left.png', '/data/right.png']
    """
    return re.split(f"(?<=[^/]){JOIN}", mask)


def read_mask(path: str) -> Scan:
    """Read a mask: whole numbers of shape (1, *S) on the grid of its file.

    Grey that was saved as three equal channels is grey; transparency is dropped. Of several files
    that make up one mask, each pixel has the number that any of them gives it; 0 is none.

    Args:
        path: As `medgraft.read.read` takes it; several joined by ``//``.

    Raises:
        ReadError: If one cannot be read, is coloured, has several channels, or holds numbers
            that are not whole; if two do not lie on one grid, or give a pixel different numbers.
    """
    first, *others = map(_read_file, files_of(path))
    for other in others:
        check_grid(first, other)
        first = _joined(first, other)
    return first


def _joined(one: Scan, other: Scan) -> Scan:
    apart = int(((one.array != 0) & (other.array != 0) & (one.array != other.array)).sum())
    if apart:
        raise ReadError(
            other.source,
            f"files of one mask must agree where both mark something, and {apart} pixels have"
            f" another number in '{one.source}'",
            "Number their classes alike, or name one of them only.",
        )
    array = np.where(one.array == 0, other.array, one.array)
    return Scan(array, one.spacing_mm, one.affine, source=one.source)


def _read_file(path: str) -> Scan:
    scan = read(path)
    array = scan.array[: ALPHA.get(scan.channels, scan.channels)] if scan.dims == 2 else scan.array
    if len(array) > 1:
        same = scan.dims == 2 and bool((array == array[:1]).all())
        if not same:
            raise ReadError(
                path,
                f"a mask must hold one number per pixel, and it has {len(array)} channels that differ",
                "Save the number of the class in one channel, without a palette.",
            )
        array = array[:1]
    if array.dtype.kind == "f" and not _whole(array):
        raise ReadError(
            path,
            "a mask must hold whole numbers, and some of its numbers are not",
            "Round or threshold it; if it is an image, name the right column or folder.",
        )
    whole = array if array.dtype.kind in "iu" else array.astype(np.int64)
    return Scan(whole, scan.spacing_mm, scan.affine, source=scan.source)


def _whole(array: np.ndarray) -> bool:
    return bool((np.isfinite(array) & (np.abs(array) < 2**53) & (array == np.rint(array))).all())


def check_grid(image: Scan, mask: Scan) -> None:
    """Refuse a mask that does not lie on the grid of its image.

    Where both files say how they lie, no corner may be more than a tenth of a pixel apart;
    where only the spacing is known, it must agree to that.

    Raises:
        ReadError: With the path of the mask.
    """
    size, own = image.array.shape[1:], mask.array.shape[1:]
    if size != own:
        raise ReadError(
            mask.source,
            f"a mask must have the shape of its image, and it is {_by(own)} for {_by(size)}",
            "Export it again on the grid of the image, or pair it with the right one.",
        )
    if image.affine is not None and mask.affine is not None:
        apart, what = _corners_apart(image.affine, mask.affine, size), "lies"
    elif image.spacing_mm is not None and mask.spacing_mm is not None:
        steps = [abs(a / b - 1) * n for a, b, n in zip(image.spacing_mm, mask.spacing_mm, size)]  # noqa: B905 (both have one per axis)
        apart, what = max(steps), "has a spacing that ends"
    else:
        return
    if not apart <= APART:
        raise ReadError(
            mask.source,
            f"a mask must lie where its image lies, and it {what} {apart:.3g} pixels apart",
            "Resample it onto the image, or copy the header of the image if it alone is wrong.",
        )


def _corners_apart(one: np.ndarray, other: np.ndarray, size: tuple[int, ...]) -> float:
    """The greatest distance between the same corner on two grids, in pixels of the first."""
    ends = np.meshgrid(*[(0, n - 1) for n in (*size, 1)[:3]], indexing="ij")
    corners = np.stack([*(end.ravel() for end in ends), np.ones(ends[0].size)])
    gap = np.linalg.norm(((other - one) @ corners)[:3], axis=0).max()
    pixel = np.linalg.norm(one[:3, : len(size)], axis=0).min()
    return float(gap / pixel) if pixel > 0 else float("inf")


def _by(size: tuple[int, ...]) -> str:
    return " x ".join(map(str, size))


def count_values(mask: Scan) -> list[tuple[int, int]]:
    """Each value of a mask and how many pixels have it, in order.

    Raises:
        ReadError: If there are more than 255, as in a photograph or after JPEG.
    """
    values, counts = np.unique(mask.array, return_counts=True)
    if len(values) > MOST:
        raise ReadError(
            mask.source,
            f"a mask must hold at most {MOST} classes, and it has {len(values)} different values",
            "Save it without loss (PNG), or name the right column or folder.",
        )
    return [(int(v), int(c)) for v, c in zip(values, counts, strict=True)]
