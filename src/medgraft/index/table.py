"""The index: one row per image, whose it is, and what is known of it."""

from __future__ import annotations

import difflib
import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from medgraft import __version__
from medgraft.errors import TableError
from medgraft.files import replacing, write_text
from medgraft.index.generated import GENERATED, check_generated
from medgraft.index.masks import MaskClasses, rooted

PARTS = ("train", "val", "test")

IDENTITY: dict[str, Any] = {  # what a layout may know of an image; all text
    "patient_id": pl.String,
    "study_id": pl.String,
    "view": pl.String,
    "laterality": pl.String,
    "modality": pl.String,
    "group": pl.String,
    "mask_path": pl.String,
}
MEASURED: dict[str, Any] = {  # what the one decoding pass found; null where it was skipped
    "shape": pl.List(pl.Int64),
    "bits": pl.Int64,
    "low": pl.Float64,
    "high": pl.Float64,
    "phash": pl.UInt64,
}
COLUMNS: dict[str, Any] = {
    "image_id": pl.String,
    "path": pl.String,
    **IDENTITY,
    "split": pl.String,
    **MEASURED,
    "fold": pl.Int64,
    "orig_split": pl.String,
    "mask_id": pl.String,
    "mask_counts": pl.List(pl.Int64),
    GENERATED: pl.Boolean,
}
OPTIONAL = (
    "fold",
    "orig_split",
    "mask_id",
    "mask_counts",
    GENERATED,
)  # stand in the frame only where somebody wrote them
REJECTS = {"path": pl.String, "reason": pl.String, "remedy": pl.String}

# absolute or climbing, on any system; after // a second file of a mask begins
OUTSIDE = r"(^|//)(/|\\|[A-Za-z]:[/\\])|(^|[/\\])\.\.([/\\]|$)"


def no_rejects() -> pl.DataFrame:
    """An empty table of rejects: path, reason, remedy."""
    return pl.DataFrame(schema=REJECTS)


@dataclass(frozen=True)
class Index:
    """Which images exist, whose they are, and what is known of them.

    Attributes:
        frame: One row per image. `image_id` (SHA-256 of the content) and `path` (relative to
            `root`, with forward slashes; it may end in ``#member/12``) are never null; the
            other columns of `COLUMNS` are added as nulls where they are missing. Each label
            has a column: class names, or 1 / 0 / -1 uncertain / null blank. `low` and `high`
            are NaN where the image holds a NaN.
        root: The folder that `path` and `mask_path` start from; kept absolute.
        labels: Names of the label columns; empty for an archive without labels.
        layout: Which layout found the images.
        patients_known: Whether patients can be told apart. Where they cannot, splits and
            intervals are by image, and whoever prints a number must say so.
        rejects: What could not be used: path, reason, remedy.
        mask_classes: What the numbers in the masks mean; None where there are no masks. An
            image with a null `mask_path` is one that nobody has segmented; ``a.png//b.png`` are
            two files of one mask. `mask_id` is the hash of a mask, `mask_counts` its pixels of
            each class.

    Rows whose `generated` is true are images that a model made. None of them can stand in the
    validation or test part: that is a `LeakageError`, whatever made the index.
    """

    frame: pl.DataFrame
    root: Path
    labels: tuple[str, ...] = ()
    layout: str = ""
    patients_known: bool = True
    rejects: pl.DataFrame = field(default_factory=no_rejects)
    mask_classes: MaskClasses | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", Path(os.path.abspath(self.root)))
        object.__setattr__(self, "labels", tuple(self.labels))
        object.__setattr__(self, "rejects", self.rejects.select(_typed(REJECTS, self.rejects)))
        _check_labels(self.frame, self.labels)
        object.__setattr__(self, "frame", _complete(self.frame, self.labels))
        _check_rows(self.frame)
        check_generated(self.frame)

    def __len__(self) -> int:
        return self.frame.height

    @classmethod
    def load(cls, path: str | Path) -> Index:
        """Read an index that `save` wrote.

        The images are looked for where they were; if that folder is gone, where they lay
        relative to the index file, so that an index can move together with its data.

        Raises:
            TableError: If the file is missing, no Parquet file, no index, or its images are
                in neither place.
        """
        path = Path(path)
        frame, meta = _read(path)
        return cls(
            frame=frame,
            root=_find_root(path, meta),
            labels=tuple(meta["labels"]),
            layout=meta["layout"],
            patients_known=meta["patients_known"],
            rejects=pl.DataFrame(meta["rejects"], schema=REJECTS, orient="row"),
            mask_classes=MaskClasses.parse(masks) if (masks := meta.get("mask_classes")) else None,
        )

    def save(self, path: str | Path) -> None:
        """Write the index, its rejects inside it; `save_rejects` copies them for people to read.

        Raises:
            OutputError: If the file cannot be written; the old one stays.
        """
        path = Path(path)
        meta = {
            "root": str(self.root),
            "root_relative": Path(os.path.relpath(self.root, path.parent.absolute())).as_posix(),
            "labels": list(self.labels),
            "layout": self.layout,
            "patients_known": self.patients_known,
            "rejects": self.rejects.rows(),
            "mask_classes": self.mask_classes and self.mask_classes.written(),
        }
        with replacing(path) as temporary:
            self.frame.write_parquet(
                temporary, metadata={"medgraft": __version__, "medgraft.index": json.dumps(meta)}
            )

    def save_rejects(self, path: str | Path) -> Path | None:
        """Write the rejects of the index at `path` beside it, as a table for people.

        Returns:
            The file, called as the index: ``films.rejects.csv`` beside ``films.parquet``. None
            if there are no rejects; those of an index that was replaced are removed.
        """
        file = beside(Path(path), "rejects.csv")
        if self.rejects.is_empty():
            file.unlink(missing_ok=True)
            return None
        write_text(file, self.rejects.write_csv())
        return file

    def with_frame(self, frame: pl.DataFrame) -> Index:
        """The same index with other rows or columns, checked again."""
        return replace(self, frame=frame)

    def part(self, split: str) -> Index:
        """The rows of one part of the split, in their order."""
        return self.with_frame(self.frame.filter(pl.col("split") == split))

    def file(self, path: str) -> str:
        """Where an entry of `path` or `mask_path` lies on this machine.

        A member stays at the end (``/data/a.npz#train_images/12``), as `medgraft.read.read`
        takes it; several files of a mask stay joined, as `medgraft.index.masks.read_mask` does.
        """
        return rooted(self.root, path)


def beside(index: Path, ending: str) -> Path:
    """A file that goes with an index and is called as it is.

    Examples:
        >>> beside(Path("data/films.parquet"), "audit.json").as_posix()
        'data/films.audit.json'
    """
    return index.with_name(f"{index.stem}.{ending}")


def near(name: str, known: Sequence[str]) -> str:
    """A hint for a name that does not exist: the nearest one, then all that are known.

    Examples:
        >>> near("pateint", ["file", "patient"])
        "Did you mean 'patient'? There are: file, patient."
    """
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    return f"{hint}There are: {', '.join(known) or 'none'}."


def _read(path: Path) -> tuple[pl.DataFrame, dict[str, Any]]:
    if path.is_dir():
        raise TableError(
            f"an index must be a Parquet file, but '{path}' is a folder."
            " Make an index of it with `medgraft index`, or name the file in it."
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TableError(
            f"the index '{path}' must exist and be readable: {error.strerror}."
            " Write one with `medgraft index SOURCE --out INDEX`."
        ) from error
    try:
        meta = pl.read_parquet_metadata(io.BytesIO(content))
        frame = pl.read_parquet(io.BytesIO(content), hive_partitioning=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise TableError(
            f"an index must be a whole Parquet file, but '{path}' is not: {reason}."
            " Write it again with `medgraft index`."
        ) from error
    if "medgraft.index" not in meta:
        raise TableError(
            f"'{path}' is a Parquet file but no index of medgraft: it does not say where its"
            " images lie. Write one with `medgraft index`; to change one, use"
            " `medgraft.index.Index` (load, with_frame, save)."
        )
    known: dict[str, Any] = json.loads(meta["medgraft.index"])
    return frame, known


def _find_root(path: Path, meta: dict[str, Any]) -> Path:
    root = Path(meta["root"])
    beside = Path(os.path.normpath(path.parent.absolute() / meta["root_relative"]))
    for folder in (root, beside):
        if folder.is_dir():
            return folder
    raise TableError(
        f"the images of '{path}' must lie in '{root}' or, if they moved with the index, in"
        f" '{beside}'; neither is a folder. Put them back, or index them again."
    )


def _typed(schema: dict[str, Any], frame: pl.DataFrame) -> list[pl.Expr]:
    return [
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in schema.items()
    ]


def _complete(frame: pl.DataFrame, labels: Sequence[str]) -> pl.DataFrame:
    """All columns, in one order: identity, labels, split, measured, then any others."""
    wanted = {k: v for k, v in COLUMNS.items() if k not in OPTIONAL or k in frame.columns}
    try:
        typed = frame.select(
            *_typed(wanted, frame), *(pl.col(n) for n in frame.columns if n not in COLUMNS)
        )
    except pl.exceptions.PolarsError as error:
        reason = str(error).partition("\n")[0]
        raise TableError(
            f"a column of the index has values of the wrong kind: {reason}."
        ) from error
    first = ["image_id", "path", *IDENTITY, *labels]
    return typed.select(first + [name for name in typed.columns if name not in first])


def _check_labels(frame: pl.DataFrame, labels: Sequence[str]) -> None:
    for name in labels:
        if name in COLUMNS:
            raise TableError(
                f"a label must not be called {name!r}, which is a column of every index."
                " Rename the column in your table."
            )
        if name not in frame.columns:
            raise TableError(f"no column holds the label {name!r}. {near(name, frame.columns)}")
    if len(set(labels)) < len(labels):
        raise TableError(f"each label must be named once, got {', '.join(labels)}.")


def _check_rows(frame: pl.DataFrame) -> None:
    for name in ("image_id", "path"):
        if frame[name].null_count():
            raise TableError(f"every row of an index must have {name!r}; some have none.")
    if not set(parts := frame["split"].drop_nulls().unique().to_list()) <= set(PARTS):
        raise TableError(
            f"split must be train, val, test or empty, got {', '.join(sorted(parts))}."
        )
    for name in ("path", "mask_path"):
        bad = frame.filter(pl.col(name).str.contains(OUTSIDE))[name]
        if len(bad):
            raise TableError(
                f"{name} must stay inside the root of the index, got {bad[0]!r}."
                " Give a path relative to SOURCE, without '..'."
            )
