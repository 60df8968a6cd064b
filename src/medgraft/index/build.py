"""Make an index: find the images, hash and decode each once, say what could not be used."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from medgraft.errors import ArgumentError, TableError
from medgraft.index.generated import GENERATED
from medgraft.index.layouts import Asked, choose
from medgraft.index.masks import MaskClasses, strange_values
from medgraft.index.measure import TAGS
from medgraft.index.paths import Reject, reject_table
from medgraft.index.remembered import keep, places, recall, stamp
from medgraft.index.table import MEASURED, Index
from medgraft.index.tasks import Tasks
from medgraft.pool import spread

MASKED: dict[str, Any] = {"mask_id": pl.String, "mask_values": pl.List(pl.List(pl.Int64))}
HASHED: dict[str, Any] = {"path": pl.String, "image_id": pl.String, GENERATED: pl.Boolean}
DECODED: dict[str, Any] = {**HASHED, **dict.fromkeys(TAGS, pl.String), **MEASURED}
BLOCK = 20_000  # rows that are kept as objects before they become a table
MANY_CLASSES = 32  # more of them than that are often the edges that a lossy format blurred


@dataclass(frozen=True)
class Built:
    """A new index, and what the user should hear about it.

    Attributes:
        index: The index.
        layout: Name of the layout.
        why: Why this layout was taken.
        notes: Sentences for the user.
        guessed: Columns that were taken without being asked for; empty if none.
        recalled: How many images were as they were and not opened again.
    """

    index: Index
    layout: str
    why: str
    notes: tuple[str, ...] = ()
    guessed: str = ""
    recalled: int = 0


@dataclass(frozen=True)
class _Gathered:
    frame: pl.DataFrame
    rejects: list[Reject] = field(default_factory=list)


def build(
    source: str | Path,
    *,
    layout: str = "auto",
    asked: Asked = Asked(),  # noqa: B008 (frozen)
    patient_from: str | None = None,
    mask_classes: MaskClasses | None = None,
    decode: bool = True,
    workers: int | None = None,
    remembered: Path | None = None,
) -> Built:
    """Index the images under `source`.

    Each image is decoded once, in another process, so that a broken one costs its row only.

    Args:
        source: Folder or archive with the images.
        layout: A registered layout, or "auto" to see which one fits.
        asked: Which columns hold what, for layouts with a table.
        patient_from: A column, or a regular expression with a group ``(?P<patient>...)`` that
            is searched in the path of each image.
        mask_classes: Name and number of each class in the masks; None takes the numbers that are
            found. A row whose mask holds another number, or does not lie on the grid of its
            image, is a reject.
        decode: Whether to decode; without, damaged images are not found and `audit` cannot
            tell constant or near-identical ones.
        workers: Processes; None takes one per processor, 0 this process.
        remembered: A file that keeps what was found in each image with size and time of its
            file: those that are as they were are not opened again. It is written anew.

    Raises:
        TableError: If nothing can be used, or the layout cannot tell.
        ArgumentError: If an option does not fit the layout.
        UnknownNameError: If no such layout exists.
    """
    source = Path(source)
    pattern, asked = _patient_rule(patient_from, asked)
    part, why = choose(layout, source, asked)
    if pattern is not None and "patient" in part.takes:
        asked = replace(asked, patient="none")  # so that no column is guessed to hold it
    found = part.find(source.absolute(), asked)
    gathered = _with_patients(_Gathered(found.frame, found.rejects), pattern)
    gathered, recalled = _measured(
        gathered, found.root, decode=decode, workers=workers, remembered=remembered
    )
    gathered, classes, said = _classed(gathered, mask_classes, found.mask_classes)
    if gathered.frame.is_empty():
        raise TableError(_nothing_left(source, gathered.rejects))
    known = "patient_id" in gathered.frame.columns and gathered.frame["patient_id"].count() > 0
    index = Index(
        frame=gathered.frame,
        root=found.root,
        labels=found.labels,
        layout=part.name,
        patients_known=known,
        rejects=reject_table(gathered.rejects),
        mask_classes=classes,
    )
    return Built(index, part.name, why, (*found.notes, *said), found.guessed, recalled)


def _patient_rule(rule: str | None, asked: Asked) -> tuple[re.Pattern[str] | None, Asked]:
    if rule is None:
        return None, asked
    if asked.patient:
        raise ArgumentError("--patient and --patient-from both name the patient; give one of them.")
    if "(?P<" not in rule:
        return None, replace(asked, patient=rule)
    try:
        pattern = re.compile(rule)
    except re.error as error:
        raise ArgumentError(
            f"--patient-from must be a regular expression, got {rule!r}: {error}."
        ) from error
    if "patient" not in pattern.groupindex:
        raise ArgumentError(f"--patient-from must have a group (?P<patient>...), got {rule!r}.")
    return pattern, asked


def _with_patients(gathered: _Gathered, pattern: re.Pattern[str] | None) -> _Gathered:
    """The patient of each row from its path; rows in which the pattern finds none are rejects."""
    if pattern is None:
        return gathered
    found = (pattern.search(path) for path in gathered.frame["path"])
    patients = [match["patient"] if match else None for match in found]
    frame = gathered.frame.with_columns(pl.Series("patient_id", patients, dtype=pl.String))
    reason = f"--patient-from finds no patient in its path ({pattern.pattern})"
    lost = frame.filter(pl.col("patient_id").is_null())["path"]
    rejects = [Reject(path, reason, "Widen the pattern or rename the file.") for path in lost]
    return _Gathered(frame.filter(pl.col("patient_id").is_not_null()), gathered.rejects + rejects)


def _measured(
    gathered: _Gathered,
    root: Path,
    *,
    decode: bool,
    workers: int | None,
    remembered: Path | None = None,
) -> tuple[_Gathered, int]:
    """Each row with its hash and what decoding gave; unreadable ones become rejects.

    Returns:
        The rows, and how many of them were recalled from the file `remembered`.
    """
    frame = gathered.frame
    stamps = stamp(frame, root) if remembered else None
    old = recall(remembered, stamps, decode=decode) if remembered and stamps is not None else None
    todo = frame
    if old is not None:
        todo, old = _without(frame, old["row"]), old.drop("row")
    new, rejects = _measure(todo, root, decode=decode, workers=workers)
    measured = new if old is None else pl.concat([old, new], how="diagonal")
    if remembered and stamps is not None and not (new.is_empty() and old is not None):
        keep(remembered, stamps, measured, decode=decode)
    joined = _joined(frame, measured)
    return _Gathered(joined, gathered.rejects + rejects), 0 if old is None else old.height


def _without(frame: pl.DataFrame, rows: pl.Series) -> pl.DataFrame:
    kept = np.ones(frame.height, dtype=bool)
    kept[rows.to_numpy()] = False
    return frame.filter(pl.Series(kept))


def _measure(
    frame: pl.DataFrame, root: Path, *, decode: bool, workers: int | None
) -> tuple[pl.DataFrame, list[Reject]]:
    """What is found in the file of each row, in any order, and the files that cannot be read."""
    tasks, schema = Tasks(frame), DECODED if decode else HASHED
    if "mask_path" in frame.columns and frame["mask_path"].count():
        schema = schema | MASKED
    found, rows, rejects = [pl.DataFrame(schema=schema)], list[dict[str, Any]](), list[Reject]()
    with spread(
        "medgraft.index.measure:measuring",
        tasks,
        what="indexing",
        settings={"root": str(root), "decode": decode},
        workers=workers,
    ) as replies:
        for reply in replies:
            if reply.failure:
                rejects += [Reject(path, *reply.failure) for path in tasks[reply.place][0]]
            else:
                rows += reply.said["rows"]
                rejects += [Reject(*reject) for reject in reply.said["rejects"]]
            if len(rows) >= BLOCK:
                found.append(pl.DataFrame(rows, schema=schema))
                rows.clear()
    return pl.concat([*found, pl.DataFrame(rows, schema=schema)]), rejects


def _classed(
    gathered: _Gathered, asked: MaskClasses | None, published: MaskClasses | None
) -> tuple[_Gathered, MaskClasses | None, list[str]]:
    """Rows with the pixels of each class, the classes, and sentences for the user.

    The classes are those that the user asked for, or those that the layout says, or the numbers
    found. Rows whose mask holds a number of no class are rejects.
    """
    frame, rejects = gathered.frame, list(gathered.rejects)
    if "mask_id" not in frame.columns or frame["mask_id"].count() == 0:
        if asked is not None:
            raise ArgumentError(
                "--mask-classes names the classes of masks, and no image has a mask that can be"
                " used. Name their column with --mask, or take --layout image_mask."
            )
        drop = [name for name in MASKED if name in frame.columns]
        return _Gathered(frame.drop(drop), rejects), None, []
    values = [dict(pairs) if pairs is not None else None for pairs in frame["mask_values"]]
    found = sorted({value for pairs in values if pairs is not None for value in pairs})
    named = asked or published
    classes = named or _found_classes(found)
    wrong = [sorted(set(p or ()) - set(classes.values)) if classes else [] for p in values]
    for path, mask, strange in zip(frame["path"], frame["mask_path"], wrong, strict=True):
        if strange and classes:
            reason = f"{strange_values(strange[:5], classes)} ('{mask}')"
            rejects.append(Reject(path, reason, "Mend the mask, or name the class too."))
    counts = [[p.get(v, 0) for v in classes.values] if p and classes else None for p in values]
    kept = frame.drop("mask_values").with_columns(
        pl.Series("mask_counts", counts, dtype=pl.List(pl.Int64))
    )
    kept = kept.filter(pl.Series([not strange for strange in wrong], dtype=pl.Boolean))
    return _Gathered(kept, rejects), classes, _said_of_classes(classes, named)


def _found_classes(values: list[int]) -> MaskClasses | None:
    """Classes of the values found; None if nothing was decoded."""
    if not values:
        return None
    if len({0, *values}) < 2:
        raise TableError(
            "masks must hold at least two classes, and all pixels of all masks are 0."
            " Name the classes with --mask-classes, or leave the masks out with --mask none."
        )
    try:
        return MaskClasses.of_values(values)
    except ArgumentError as error:
        raise TableError(
            f"the masks hold {len(values)} different values, such as"
            f" {', '.join(map(str, values[:5]))}; at most 255 can be classes. Name the right ones"
            " with --mask-classes, or leave the masks out with --mask none."
        ) from error


def _said_of_classes(classes: MaskClasses | None, named: MaskClasses | None) -> list[str]:
    if classes is None:
        return ["masks were not decoded, so their classes are unknown; give --mask-classes"]
    if named is None and len(classes.names) > MANY_CLASSES:
        return [
            f"the masks hold {len(classes.names)} different values; if only some of them are"
            " classes, name those with --mask-classes"
        ]
    return []


def _joined(frame: pl.DataFrame, measured: pl.DataFrame) -> pl.DataFrame:
    """What the layout said comes before what the file's tags say, but for generated images.

    Those are generated if either says so.
    """
    where = places(frame["path"], measured["path"])
    found = measured.drop("path")[where["right"]]
    twice = [name for name in found.columns if name in frame.columns]
    both = frame[where["left"]].hstack(found.rename({name: f"{name} of file" for name in twice}))
    either = [pl.max_horizontal(n, f"{n} of file").alias(n) for n in twice if n == GENERATED]
    first = [pl.coalesce(n, f"{n} of file").alias(n) for n in twice if n != GENERATED]
    filled = both.with_columns(*first, *either).drop(f"{name} of file" for name in twice)
    return filled if filled[GENERATED].any() else filled.drop(GENERATED)


def _nothing_left(source: Path, rejects: list[Reject]) -> str:
    first = f" The first: '{rejects[0].path}': {rejects[0].reason}." if rejects else ""
    return (
        f"'{source}' must hold at least one image that can be used; {len(rejects)} were found and"
        f" none can.{first} Mend what it says, and index again."
    )
