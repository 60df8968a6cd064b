"""Arrays of images and labels in one NPZ archive, part by part."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import polars as pl

from medgraft.errors import TableError
from medgraft.index.layouts import Asked, Found, layout
from medgraft.index.layouts.csv import as_label
from medgraft.index.parts import part_of


def recognise(source: Path) -> str | None:
    """An NPZ archive holds ``train_images`` and ``train_labels``, or the like."""
    for archive in _archives(source):
        if pairs := _pairs(archive):
            return f"{archive.name} holds {', '.join(images for images, _ in pairs)}"
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
        _rows(archive, images, labels, asked)
        for archive in _archives(source)
        for images, labels in _pairs(archive)
    ]
    if not frames:
        raise TableError(
            f"'{source}' must hold an .npz with arrays named like train_images and train_labels;"
            f" found {len(_archives(source))} archives, none with such arrays."
        )
    frame = pl.concat(frames)
    names = [name for name in frame.columns if name not in ("path", "orig_split")]
    typed = frame.with_columns(as_label(frame[name]) for name in names)
    return Found(typed, root, tuple(names))


def _archives(source: Path) -> list[Path]:
    if source.is_file():
        return [source] if source.suffix.lower() == ".npz" else []
    return sorted(f for f in source.iterdir() if f.suffix.lower() == ".npz" and f.is_file())


def _pairs(archive: Path) -> list[tuple[str, str]]:
    """Names of the arrays of images and of their labels."""
    try:
        with zipfile.ZipFile(archive) as members:
            names = {name.removesuffix(".npy") for name in members.namelist()}
    except (zipfile.BadZipFile, OSError):
        return []
    images = sorted(n for n in names if n == "images" or n.endswith("_images"))
    pairs = [(n, n.removesuffix("images") + "labels") for n in images]
    return [pair for pair in pairs if pair[1] in names]


def _rows(archive: Path, images: str, labels: str, asked: Asked) -> pl.DataFrame:
    try:
        with np.load(archive, allow_pickle=False) as arrays:
            values = arrays[labels]
            count = len(arrays[images])
    except (ValueError, OSError, zipfile.BadZipFile, TypeError) as error:
        raise TableError(
            f"'{archive}' must hold plain arrays: {str(error).partition(chr(10))[0]}."
            " Save it again with numpy.savez, without objects."
        ) from error
    if values.shape[:1] != (count,) or values.ndim > 2:
        raise TableError(
            f"{labels} of '{archive}' must have one row for each of {count} images,"
            f" got shape {values.shape}."
        )
    values = values.reshape(count, -1)
    width = values.shape[1]
    names = list(asked.label) or (["label"] if width == 1 else [f"label_{k}" for k in range(width)])
    if len(names) != width:
        raise TableError(f"--label must give {width} names for '{archive.name}', got {len(names)}.")
    return pl.DataFrame(
        {
            "path": [f"{archive.name}#{images}/{row}" for row in range(count)],
            "orig_split": [part_of(images.removesuffix("images").strip("_"))] * count,
            **{name: values[:, k].astype(str).tolist() for k, name in enumerate(names)},
        },
        schema={"path": pl.String, "orig_split": pl.String} | dict.fromkeys(names, pl.String),
    )
