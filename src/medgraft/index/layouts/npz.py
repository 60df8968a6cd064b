"""Arrays of images and labels in one NPZ archive, part by part."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from medgraft.errors import TableError
from medgraft.index.layouts import Asked, Found, layout
from medgraft.index.layouts.csv import as_label
from medgraft.index.parts import part_of

MOST_BYTES = 2**28  # of labels; a small archive can unpack to very much


def recognise(source: Path) -> str | None:
    """An NPZ archive holds ``train_images`` and ``train_labels``, or the like."""
    for archive in archives(source):
        if found := pairs(archive):
            return f"{archive.name} holds {', '.join(images for images, _ in found)}"
    return None


@layout(
    "npz",
    recognise=recognise,
    source="train_images and train_labels in one .npz, as in MedMNIST",
    takes=frozenset(["label"]),
)
def npz(source: Path, asked: Asked) -> Found:
    """Images that are rows of arrays; the part is kept in `orig_split`.

    Labels of shape (N,) or (N, 1) become the column `label`, those of shape (N, K) become
    `label_0` to `label_K`, unless `--label` gives other names.
    """
    root = source if source.is_dir() else source.parent
    frames = [
        rows(archive, images, labels, asked.label)
        for archive in archives(source)
        for images, labels in pairs(archive)
    ]
    if not frames:
        raise TableError(
            f"'{source}' must hold an .npz with arrays named like train_images and train_labels;"
            f" found {len(archives(source))} archives, none with such arrays."
        )
    frame = pl.concat(frames)
    names = [name for name in frame.columns if name not in ("path", "orig_split")]
    typed = frame.with_columns(as_label(frame[name]) for name in names)
    return Found(typed, root, tuple(names))


def archives(source: Path) -> list[Path]:
    """The NPZ archives at the top of a folder, or the one that `source` is."""
    if source.is_file():
        return [source] if source.suffix.lower() == ".npz" else []
    with os.scandir(source) as entries:
        names = [e.name for e in entries if e.name.lower().endswith(".npz") and e.is_file()]
    return [source / name for name in sorted(names)]


def pairs(archive: Path) -> list[tuple[str, str]]:
    """Names of the arrays of images and of their labels."""
    try:
        with zipfile.ZipFile(archive) as members:
            names = {name.removesuffix(".npy") for name in members.namelist()}
    except (zipfile.BadZipFile, OSError):
        return []
    images = sorted(n for n in names if n == "images" or n.endswith("_images"))
    both = [(n, n.removesuffix("images") + "labels") for n in images]
    return [pair for pair in both if pair[1] in names]


def rows(archive: Path, images: str, labels: str, names: Sequence[str] = ()) -> pl.DataFrame:
    """A row per image of one array, its labels as text, its part as `orig_split`.

    The images themselves are not unpacked, only the header of their array is read.

    Args:
        archive: The NPZ archive.
        images: Name of the array of images.
        labels: Name of the array of labels, shape (N,) or (N, K).
        names: A name for each of the K labels; `label`, or `label_0` and so on, if there is none.

    Raises:
        TableError: If the arrays cannot be read, hold objects, do not go together, or the
            labels take more than 256 MiB.
    """
    try:
        with zipfile.ZipFile(archive) as members:
            count = _shape(members, images)[0]
            shape = _shape(members, labels)
            if shape[:1] == (count,) and len(shape) <= 2:
                with members.open(f"{labels}.npy") as handle:
                    values = np.lib.format.read_array(handle, allow_pickle=False)
            else:
                values = np.empty((0, *shape[1:]))
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, MemoryError) as error:
        raise TableError(
            f"'{archive}' must hold plain arrays: {str(error).partition(chr(10))[0]}."
            " Save it again with numpy.savez, without objects."
        ) from error
    if values.shape[:1] != (count,) or values.ndim > 2:
        raise TableError(
            f"{labels} of '{archive}' must have one row for each of {count} images,"
            f" got shape {shape}."
        )
    values = values.reshape(count, -1)
    width = values.shape[1]
    names = list(names) or (["label"] if width == 1 else [f"label_{k}" for k in range(width)])
    if len(names) != width:
        raise TableError(f"--label must give {width} names for '{archive.name}', got {len(names)}.")
    numbers = pl.int_range(count, eager=True)
    return pl.DataFrame(
        {
            "path": pl.select(pl.format("{}#{}/{}", pl.lit(archive.name), pl.lit(images), numbers)),
            "orig_split": [part_of(images.removesuffix("images").strip("_"))] * count,
            **{name: values[:, k].astype(str).tolist() for k, name in enumerate(names)},
        },
        schema={"path": pl.String, "orig_split": pl.String} | dict.fromkeys(names, pl.String),
    )


def _shape(members: zipfile.ZipFile, name: str) -> tuple[int, ...]:
    """The shape of an array by its header, if its member can hold it.

    Raises:
        ValueError: If it holds objects, has no axis, or promises more than its member unpacks to.
    """
    info = members.getinfo(f"{name}.npy")
    with members.open(info) as handle:
        version = np.lib.format.read_magic(handle)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read is None:
            raise ValueError(f"NPY version {version} of {name} is not known")
        shape, _, kind = read(handle)
        begun = handle.tell()
    if kind.hasobject:
        raise ValueError(f"{name} holds Python objects, which would execute code")
    need = math.prod(shape) * kind.itemsize
    if not shape or need + begun != info.file_size:
        raise ValueError(f"{name} promises {need} bytes, and {info.file_size - begun} are there")
    if name.endswith("labels") and need > MOST_BYTES:
        raise ValueError(f"{name} would take {need} bytes, and at most {MOST_BYTES} may be taken")
    sizes: tuple[int, ...] = shape
    return sizes
