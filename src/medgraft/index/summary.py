"""How many images, patients and classes an index has, in all and in each part."""

from __future__ import annotations

from typing import Any

import polars as pl

from medgraft.index.table import PARTS, Index
from medgraft.index.target import as_classes, is_independent

SIGNS = {1: "positive", 0: "negative", -1: "uncertain"}


def summarise(index: Index) -> dict[str, Any]:
    """Counts, as ``run.json`` holds them under ``data``.

    Returns:
        `images`, `patients` (None where they are unknown), `patients_known`, `layout`,
        `rejected`, and `splits`: for each part that has images its `images`, `patients`,
        `unlabelled` (images blank in every label) and `classes` (name: images that have it).
        Of an index with masks, also `masks`: images with one, and `mask_classes`: images in
        which a class of pixels occurs, by name (None where masks were not decoded).
    """
    found = {part: index.frame.filter(pl.col("split") == part) for part in PARTS}
    return {
        **_counts(index, index.frame),
        "patients_known": index.patients_known,
        "layout": index.layout,
        "rejected": index.rejects.height,
        "splits": {part: _counts(index, rows) for part, rows in found.items() if rows.height},
    }


def _counts(index: Index, rows: pl.DataFrame) -> dict[str, Any]:
    patients = rows["patient_id"].drop_nulls().n_unique() if index.patients_known else None
    return {
        "images": rows.height,
        "patients": patients,
        "unlabelled": unlabelled(index, rows),
        "classes": class_counts(index, rows),
        **mask_counts(index, rows),
    }


def mask_counts(index: Index, rows: pl.DataFrame) -> dict[str, Any]:
    """How many of `rows` have a mask, and in how many each class occurs; nothing without masks."""
    if index.mask_classes is None:
        return {}
    counts = rows["mask_counts"].drop_nulls().to_list()
    names = index.mask_classes.names
    seen = {name: sum(c[place] > 0 for c in counts) for place, name in enumerate(names)}
    return {"masks": rows["mask_path"].count(), "mask_classes": seen if counts else None}


def mask_line(index: Index) -> str:
    """Masks and their classes in one line, for an index with masks."""
    assert index.mask_classes is not None
    said = mask_counts(index, index.frame)
    seen = said["mask_classes"] or dict.fromkeys(index.mask_classes.names, "?")
    listed = ", ".join(
        f"{name if name == str(value) else f'{name} ({value})'} in {seen[name]}"
        for name, value in zip(index.mask_classes.names, index.mask_classes.values, strict=True)
    )
    return f"{said['masks']} of {len(index)} images; {listed}"


def unlabelled(index: Index, rows: pl.DataFrame) -> int:
    """How many of `rows` are blank in every label."""
    return rows.filter(pl.all_horizontal(pl.lit(value=True), *blanks(index))).height


def blanks(index: Index) -> list[pl.Expr]:
    """For each label, whether a row is blank in it."""
    return [pl.col(name).is_null() for name in index.labels]


def label_lines(index: Index) -> list[str]:
    """What is known of the labels, a line per class or per independent label."""
    if not index.labels:
        return ["none: `medgraft train` will need a label, pretraining will not"]
    if all(is_independent(index.frame[name]) for name in index.labels):
        return [_signs(index.frame[name]) for name in index.labels]
    lines = [f"{name}: {count}" for name, count in class_counts(index, index.frame).items()]
    blank = unlabelled(index, index.frame)
    return [*lines, f"without label: {blank}"] if blank else lines


def _signs(column: pl.Series) -> str:
    """How often a label is present, absent, uncertain and blank.

    Examples:
        >>> _signs(pl.Series("effusion", [1, 0, 0, None]))
        'effusion: 1 positive, 2 negative, 0 uncertain, 1 blank'
    """
    values = column.cast(pl.Float64)
    counts = [f"{(values == v).sum()} {word}" for v, word in SIGNS.items()]
    return f"{column.name}: {', '.join(counts)}, {values.null_count()} blank"


def class_counts(index: Index, rows: pl.DataFrame) -> dict[str, int]:
    """Images of each class among `rows`, by name; a class of the index that is absent counts 0."""
    if all(is_independent(index.frame[name]) for name in index.labels):
        return {name: int((rows[name].cast(pl.Float64) == 1).sum()) for name in index.labels}
    counts: dict[str, int] = {}
    for name in index.labels:
        here = dict(as_classes(rows[name]).drop_nulls().value_counts().iter_rows())
        known = sorted(as_classes(index.frame[name]).drop_nulls().unique())
        counts |= {value: here.get(value, 0) for value in known}
    return counts


def table(index: Index) -> str:
    """The counts of each part as lines of text."""
    said = summarise(index)
    parts = said["splits"] or {"all": said}
    names = list(said["classes"])
    blank = ["no label"] if index.labels and said["unlabelled"] else []
    lines = [["part", "images", "share", "patients", *names, *blank]]
    for part, counts in parts.items():
        share = f"{counts['images'] / max(said['images'], 1):.1%}"
        patients = "unknown" if counts["patients"] is None else str(counts["patients"])
        classes = [str(counts["classes"][name]) for name in names]
        without = [str(counts["unlabelled"])] if blank else []
        lines.append([part, str(counts["images"]), share, patients, *classes, *without])
    return aligned(lines)


def aligned(rows: list[list[str]]) -> str:
    """Rows of cells as lines: the first column to the left, the others to the right.

    Examples:
        >>> print(aligned([["part", "n"], ["a", "10"]]))
        part   n
        a     10
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            cell.ljust(w) if k == 0 else cell.rjust(w)
            for k, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)
