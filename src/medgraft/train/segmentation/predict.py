"""Masks of new files, each written on the grid of its file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from medgraft.errors import ArgumentError
from medgraft.files import replacing
from medgraft.index.masks import MaskClasses
from medgraft.nets import create_dense
from medgraft.read.formats import readers
from medgraft.runs import RunFolder
from medgraft.train.batches import Placement
from medgraft.train.ensemble import open_members
from medgraft.train.hardware import find_device
from medgraft.train.predict import MASKS, Predicted, read_answering, stored_shape
from medgraft.train.segmentation.segmenter import Segmenter
from medgraft.train.segmentation.whole import Answers, Segmented, segmented
from medgraft.train.setup import NEAREST
from medgraft.train.slices import Slicing
from medgraft.train.supervised import Normalisation


@dataclass(frozen=True)
class Drawn:
    """All that answers in a finished run of masks.

    Attributes:
        answers: Networks and preparation.
        classes: Of the pixels, and their numbers in files.
    """

    answers: Answers
    classes: MaskClasses


def draws_masks(run: RunFolder) -> bool:
    """Whether a finished run answers with masks.

    Raises:
        TableError: If the run is not finished, or is a pretraining.
    """
    return bool(read_answering(run)["kind"] == MASKS)


def load_drawn(run: RunFolder, device: str = "auto") -> Drawn:
    """The networks of a finished run of masks.

    Raises:
        TableError: If the run is not finished.
        ArgumentError: If it learnt labels.
        WeightsError: If its weights are damaged.
    """
    record = read_answering(run)
    if record["kind"] != MASKS:
        raise ArgumentError(
            f"masks can be asked of a run of --task segmentation, and '{run.path}' learnt labels."
            " Take another run, or ask for a table (--out predictions.csv)."
        )
    place = find_device(device)
    made = create_dense(
        record["backbone"],
        in_channels=record["channels"],
        out_channels=len(record["labels"]),
        weights=str(run.path),
        after=record["after"],
        upsampling=record.get("upsampling") or NEAREST,
    )
    best = Segmenter(
        made.network.to(place).eval(),
        Normalisation(tuple(record["mean"]), tuple(record["std"]), record["statistics_of"]),
        Placement(place),
        window=None if record["window"] is None else tuple(record["window"]),
        slicing=Slicing.of_record(record),
    )
    answers = Answers(
        (best, *open_members(run, record, best)),
        tuple(record["steps"]),
        record["scale"],
        channels=stored_shape(record)[0],
    )
    return Drawn(answers, MaskClasses(tuple(record["labels"]), tuple(record["values"])))


def predict_masks(
    run: RunFolder, files: Sequence[Path], folder: Path, *, device: str = "auto"
) -> Predicted:
    """Segment files and write a mask for each; what cannot be read is a reject, not an error.

    Computed in float32. A mask of a volume is NIfTI with the shape and the affine of the file,
    one of a picture PNG with its rows and columns; both hold the numbers that stood in the masks
    of the training archive.

    Args:
        run: A finished run of masks.
        files: Images; a folder stands for a DICOM series.
        folder: Where to; it exists.
        device: Where to compute.

    Returns:
        A row per file that could be read: path, mask, and the pixels of each class.

    Raises:
        TableError, ArgumentError, WeightsError: As `load_drawn`.
        ArgumentError: If two files would have masks of one name.
    """
    drawn = load_drawn(run, device)
    names = _names(files)
    rows: dict[int, dict[str, Any]] = {}
    rejects: dict[int, tuple[str, str, str]] = {}
    with segmented([str(file) for file in files], drawn.answers) as found:
        for one in found:
            path = str(files[one.place])
            if not isinstance(one, Segmented):
                rejects[one.place] = (path, one.reason, one.remedy)
                continue
            file = write_mask(folder / names[one.place], one, drawn.classes)
            counts = np.bincount(one.mask.ravel(), minlength=len(drawn.classes.names))
            pixels = dict(zip(drawn.classes.names, counts.tolist(), strict=True))
            rows[one.place] = {"path": path, "mask": file.name, **pixels}
    counted = dict.fromkeys(drawn.classes.names, pl.Int64)
    return Predicted(
        pl.DataFrame(
            [rows[place] for place in sorted(rows)],
            schema={"path": pl.String, "mask": pl.String, **counted},
        ),
        pl.DataFrame(
            [rejects[place] for place in sorted(rejects)],
            schema=dict.fromkeys(("path", "reason", "remedy"), pl.String),
            orient="row",
        ),
    )


def _names(files: Sequence[Path]) -> list[str]:
    """The name of each mask without its ending."""
    endings = {ending for name in readers.names() for ending in readers.get(name).suffixes}
    longest = sorted(endings, key=len, reverse=True)
    names: dict[str, Path] = {}
    for file in files:
        # a series is often called by a number with dots, whose last part is no ending
        ending = next((e for e in longest if file.name.lower().endswith(e)), "")
        name = file.name[: len(file.name) - len(ending)]
        if name in names:
            raise ArgumentError(
                f"files must have names of their own, but '{names[name]}' and '{file}' would both"
                f" have the mask {name!r}. Predict them into two folders."
            )
        names[name] = file
    return list(names)


def write_mask(stem: Path, one: Segmented, classes: MaskClasses) -> Path:
    """Write a mask: PNG of a picture, NIfTI of a volume; gives the path.

    Args:
        stem: Path without the ending.
        one: What was segmented.
        classes: Whose numbers the file is to hold.
    """
    values = np.array(classes.values)
    mask = values[one.mask].astype(_kind(values))
    return _picture(stem, mask) if mask.ndim == 2 else _volume(stem, mask, one)


def _kind(values: np.ndarray) -> type[np.generic]:
    """The smallest type that holds the numbers of all classes."""
    if values.min() < 0:
        return np.int16 if values.min() >= -(2**15) and values.max() < 2**15 else np.int32
    return np.uint8 if values.max() < 2**8 else np.uint16 if values.max() < 2**16 else np.int32


def _picture(stem: Path, mask: np.ndarray) -> Path:
    from PIL import Image

    if mask.dtype not in (np.uint8, np.uint16):
        raise ArgumentError(
            "masks of pictures are PNG and hold numbers from 0 to 65535, got classes from"
            f" {mask.min()} to {mask.max()}. Index again with other --mask-classes."
        )
    path = stem.with_name(stem.name + ".png")
    with replacing(path) as temporary:
        Image.fromarray(mask).save(temporary, format="PNG")
    return path


def _volume(stem: Path, mask: np.ndarray, one: Segmented) -> Path:
    import nibabel

    affine = one.affine
    if affine is None:  # the file says no place, and perhaps the size of a voxel
        affine = np.diag([*(one.spacing_mm or (1.0, 1.0, 1.0)), 1.0])
    image = nibabel.Nifti1Image(mask, affine)
    image.header.set_xyzt_units("mm")
    path = stem.with_name(stem.name + ".nii.gz")
    with replacing(path) as temporary:
        temporary.write_bytes(_compressed(image.to_bytes()))
    return path


def _compressed(content: bytes) -> bytes:
    import gzip

    return gzip.compress(content, compresslevel=6, mtime=0)  # the same mask, the same bytes
