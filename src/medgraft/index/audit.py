"""What in an index would make a result worthless, or doubtful."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import polars as pl

from medgraft.index.hashing import MOST, near_pairs
from medgraft.index.masks import JOIN
from medgraft.index.privacy import tagged
from medgraft.index.split import NAMES, leaked, missing_classes
from medgraft.index.summary import summarise
from medgraft.index.table import PARTS, Index
from medgraft.index.units import TIES
from medgraft.pool import spread
from medgraft.seeds import generator

Level = Literal["refuse", "warn", "note"]

DISTANCE = 6  # bits of 64; aligned films of different children come as near as 2, hence LIKENESS
LIKENESS = 0.99  # correlation of thumbnails; recompressed copies reach 0.999, different films 0.96
SHOWN = 100  # examples kept of each finding
LOOKED_AT = 500  # images searched for text, some ten seconds
TAGS: tuple[tuple[str, Level, str], ...] = (
    ("person", "warn", "images with DICOM tags that may name the patient"),
    ("private", "warn", "images with private DICOM tags, of which nobody knows what they say"),
    ("linking", "note", "images with dates or identifiers by which records can be joined"),
)
TIMES = 4.0  # an image with so many times more or fewer pixels than the median is an outlier


@dataclass(frozen=True)
class Finding:
    """One thing that an audit found.

    Attributes:
        name: What it is, in one word for programs.
        level: "refuse" invalidates a result, "warn" may, "note" is good to know.
        count: How many images, pairs, patients or groups.
        message: The same in one sentence for people.
        examples: The first of them.
    """

    name: str
    level: Level
    count: int
    message: str
    examples: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Audit:
    """All findings about one index.

    Attributes:
        findings: The worst first.
        summary: Images, patients and classes of each part.
    """

    findings: tuple[Finding, ...]
    summary: dict[str, Any]

    def refusals(self, *, strict: bool = False) -> list[Finding]:
        """The findings that must not pass; with `strict`, warnings as well."""
        levels = ("refuse", "warn") if strict else ("refuse",)
        return [finding for finding in self.findings if finding.level in levels]

    def as_dict(self) -> dict[str, Any]:
        """What is written as ``films.audit.json``."""
        return {"findings": [asdict(f) for f in self.findings], **self.summary}


def audit(
    index: Index,
    *,
    distance: int = DISTANCE,
    confirm: bool = True,
    look_at: int = LOOKED_AT,
    allow: Collection[str] = (),
    workers: int | None = None,
) -> Audit:
    """Look for what would make a result worthless.

    Args:
        index: The index, with or without a split.
        distance: Bits in which perceptual hashes of near-identical images may differ.
        confirm: Whether to look at the pixels of images whose hashes are near; without, films
            of different patients in the same pose may count as near-identical.
        look_at: How many images are decoded and searched for burned-in text, drawn at random
            with a fixed seed; the tags of all are read.
        allow: Keywords of DICOM tags that may stay, such as "PatientID" where it is a pseudonym.
        workers: Processes; None takes one per processor, 0 this process.
    """
    found = [
        *_leaks(index),
        *_classes(index),
        *_identical(index),
        *_near(index, distance, confirm=confirm, workers=workers),
        *_values(index),
        *_sizes(index),
        *_people(index),
        *_privacy(index, look_at, frozenset(allow), workers),
        *_masks(index),
        *_rejects(index),
    ]
    rank = ("refuse", "warn", "note")
    return Audit(tuple(sorted(found, key=lambda f: rank.index(f.level))), summarise(index))


def _finding(
    name: str, level: Level, examples: list[Any], message: str, count: int | None = None
) -> Iterator[Finding]:
    """The finding, if there is anything to it."""
    count = len(examples) if count is None else count
    if count:
        yield Finding(name, level, count, f"{message}: {count}", tuple(examples[:SHOWN]))


def _leaks(index: Index) -> Iterator[Finding]:
    for tie in TIES:
        leaks = leaked(index.frame, tie)
        examples = [
            {"id": row[tie], "parts": row["parts"], "paths": row["paths"]}
            for row in leaks.head(SHOWN)
            .join(
                index.frame.group_by(tie).agg(pl.col("path").alias("paths")),
                on=tie,
                maintain_order="left",
            )
            .iter_rows(named=True)
        ]
        what = "images (byte by byte)" if tie == "image_id" else f"{NAMES[tie]}s"
        message = f"{what} in more than one part of the split"
        yield from _finding(f"{NAMES[tie]}_leak", "refuse", examples, message, leaks.height)


def _classes(index: Index) -> Iterator[Finding]:
    if index.frame["split"].count() == 0:
        yield Finding("no_split", "note", 1, "the index has no split; see `medgraft split`")
    if not index.labels:
        yield Finding("unlabelled", "note", 1, "the index has no labels")
        return
    present = [part for part in PARTS if (index.frame["split"] == part).any()]
    rows = {part: index.frame.filter(pl.col("split") == part) for part in present}
    alone = [part for part, frame in (rows or {"all": index.frame}).items() if _one(index, frame)]
    yield from _finding("one_class", "refuse", alone, f"parts with one class only ({_and(alone)})")
    if _one(index, index.frame):
        return
    pairs = [(part, name) for part, name in missing_classes(index) if part not in alone]
    absent = [{"part": part, "class": name} for part, name in pairs]
    listed = _and([f"{name} in {part}" for part, name in pairs])
    yield from _finding("class_missing", "warn", absent, f"classes missing from a part ({listed})")


def _and(words: list[str]) -> str:
    return ", ".join(words[:5]) + (", ..." if len(words) > 5 else "")


def _one(index: Index, rows: pl.DataFrame) -> bool:
    """Whether no label of these rows takes two values."""
    for name in index.labels:
        values = rows[name].drop_nulls()
        values = values.filter(values != -1) if values.dtype.is_numeric() else values
        if values.n_unique() > 1:
            return False
    return True


def _identical(index: Index) -> Iterator[Finding]:
    same = (
        index.frame.group_by("image_id", maintain_order=True)
        .agg(
            pl.col("path").alias("paths"),
            pl.len().alias("times"),
            (pl.struct(index.labels).n_unique() if index.labels else pl.lit(1)).alias("kinds"),
        )
        .filter(pl.col("times") > 1)
    )
    conflicts = same.filter(pl.col("kinds") > 1)
    yield from _finding(
        "label_conflict",
        "warn",
        conflicts["paths"].to_list(),
        "images that stand several times, byte by byte, with different labels",
    )
    yield from _finding(
        "identical",
        "note",
        same["paths"].to_list(),
        "images that stand more than once, byte by byte",
    )


def _near(index: Index, distance: int, *, confirm: bool, workers: int | None) -> Iterator[Finding]:
    """Images that look the same and are not the same bytes."""
    once = index.frame.unique("image_id", keep="first", maintain_order=True)
    once = once.filter(pl.col("phash").is_not_null())
    pairs = near_pairs(once["phash"].to_numpy(), distance)
    if len(pairs) == MOST:
        yield Finding(
            "near_unfinished",
            "warn",
            MOST,
            "the search for near-identical images stopped at this many pairs (try a smaller --distance)",
        )
    if confirm and len(pairs):
        pairs = pairs[_alike(index, once["path"].to_list(), pairs, workers)]
    rows = [
        {"paths": [once["path"][i], once["path"][j]], "parts": [parts[i], parts[j]], "bits": bits}
        for parts in [once["split"].to_list()]
        for i, j, bits in pairs.tolist()
    ]
    across = [row for row in rows if None not in row["parts"] and len(set(row["parts"])) > 1]
    yield from _finding(
        "near_identical_across_splits",
        "warn",
        across,
        "pairs of near-identical images in two parts of the split",
    )
    yield from _finding("near_identical", "note", rows, "pairs of near-identical images")


def _alike(index: Index, paths: list[str], pairs: np.ndarray, workers: int | None) -> np.ndarray:
    """Which pairs still look the same as thumbnails; one that cannot be read stays under suspicion."""
    rows = np.unique(pairs[:, :2])
    files = [index.file(paths[row]) for row in rows]
    with spread(
        "medgraft.index.measure:comparing", files, what="comparing", workers=workers
    ) as replies:
        seen = {rows[reply.place]: reply.array for reply in replies}

    def alike(i: int, j: int) -> bool:
        one, other = seen[i], seen[j]
        if one is None or other is None:
            return True
        return one.shape == other.shape and float(one @ other) >= LIKENESS

    return np.array([alike(i, j) for i, j in pairs[:, :2]], dtype=bool)


def _values(index: Index) -> Iterator[Finding]:
    low, high = pl.col("low"), pl.col("high")
    nan = index.frame.filter(low.is_nan() | high.is_nan())["path"].to_list()
    yield from _finding("nan", "warn", nan, "images with values that are not numbers (NaN)")
    infinite = index.frame.filter(low.is_infinite() | high.is_infinite())["path"].to_list()
    yield from _finding("infinite", "warn", infinite, "images with infinite values")
    same = (low == high) & low.is_not_nan()  # NaN, of an image that holds one, is equal to itself
    constant = index.frame.filter(same)["path"].to_list()
    yield from _finding("constant", "note", constant, "images with the same value everywhere")


def _sizes(index: Index) -> Iterator[Finding]:
    spatial = pl.col("shape").list.slice(1)
    known = index.frame.filter(pl.col("shape").is_not_null())
    sized = known.select(
        "path",
        "shape",
        spatial.list.len().alias("dims"),
        # the logarithm of a product, which large volumes would overflow
        spatial.list.eval(pl.element().log()).list.sum().alias("size"),
    )
    off = (pl.col("size") - pl.col("size").median().over("dims")).abs() > np.log(TIMES)
    outliers = sized.filter(off).select("path", "shape").rows(named=True)
    message = f"images with over {TIMES:g} times more or fewer pixels than the median"
    yield from _finding("size_outlier", "note", outliers, message)
    dims = sized.group_by("dims").agg(pl.col("path").first()).sort("dims").rows(named=True)
    if len(dims) > 1:
        yield Finding(
            "mixed_dimensions", "warn", len(dims), "pictures and volumes are mixed", tuple(dims)
        )


def _people(index: Index) -> Iterator[Finding]:
    if not index.patients_known:
        yield Finding(
            "patients_unknown",
            "warn",
            len(index),
            "patients are unknown: splits and intervals are by image, and look better than they are"
            " if a patient has several images",
        )
        return
    missing = index.frame.filter(pl.col("patient_id").is_null())["path"].to_list()
    yield from _finding("patient_missing", "warn", missing, "images without a patient")


def _privacy(
    index: Index, look_at: int, allow: frozenset[str], workers: int | None
) -> Iterator[Finding]:
    """What in the files may tell who the patients are; values are never repeated."""
    images = index.frame["path"].unique(maintain_order=True)
    masks = (
        index.frame["mask_path"].drop_nulls().str.split(JOIN).explode().unique(maintain_order=True)
    )
    paths = [*images, *masks]
    some = generator(0, "audit", "text").permutation(len(images))[:look_at]
    looks = np.isin(np.arange(len(paths)), some)
    asked = np.flatnonzero(looks | np.array(tagged(index.root, paths), dtype=bool))
    jobs = [(paths[place], bool(looks[place])) for place in asked]
    with spread(
        "medgraft.index.privacy:inspecting",
        jobs,
        what="privacy",
        settings={"root": str(index.root)},
        workers=workers,
    ) as replies:
        said = {reply.place: reply.said for reply in replies}
    found = [(path, said[place]) for place, (path, _) in enumerate(jobs)]
    unread = [path for path, one in found if one is None or "unread" in one]
    yield from _finding("unread", "warn", unread, "images that can no longer be read")
    read = [(path, one) for path, one in found if one is not None and "unread" not in one]
    for kind, level, what in TAGS:
        rows = [
            {"path": path, "tags": left}
            for path, one in read
            if (left := [name for name in one[kind] if name not in allow])
        ]
        names = Counter(name for row in rows for name in row["tags"])
        listed = _and([name for name, _ in names.most_common()])
        yield from _finding(f"{kind}_tags", level, rows, f"{what} ({listed})")
    declared = [path for path, one in read if one["burned_in"]]
    message = "images whose own tags say that data of the patient are burned in"
    yield from _finding("burned_in", "warn", declared, message)
    lines = [{"path": path, "boxes": one["lines"]} for path, one in read if one["lines"]]
    message = f"of {len(some)} images looked at, those that seem to bear lines of text"
    yield from _finding("text", "warn", lines, message)


def _masks(index: Index) -> Iterator[Finding]:
    """What a network that is to find these classes could not learn, or not be judged on."""
    if index.mask_classes is None:
        return
    frame, names = index.frame, index.mask_classes.names
    without = frame.filter(pl.col("mask_path").is_null())["path"].to_list()
    yield from _finding("mask_missing", "note", without, "images without a mask")
    kinds = pl.col("mask_id").drop_nulls().n_unique().over("image_id")
    twice = frame.filter(kinds > 1)["path"].to_list()
    message = "images that stand several times, byte by byte, with different masks"
    yield from _finding("mask_conflict", "warn", twice, message)
    known = frame.filter(pl.col("mask_counts").is_not_null())
    total, most = pl.col("mask_counts").list.sum(), pl.col("mask_counts").list.max()
    ground = pl.col("mask_counts").list.first()
    empty = known.filter(ground == total)["path"].to_list()
    message = f"masks without foreground (all of it {names[0]})"
    yield from _finding("mask_empty", "note", empty, message)
    full = known.filter((most == total) & (ground < total))["path"].to_list()
    yield from _finding("mask_constant", "warn", full, "masks of one single class of foreground")
    if known.height and len(empty) == known.height:
        yield Finding("no_foreground", "refuse", len(empty), "no mask has any foreground")
        return
    whole = [("the archive", known)]
    parts = [(part, known.filter(pl.col("split") == part)) for part in PARTS]
    for where, rows in whole + [(part, rows) for part, rows in parts if rows.height]:
        never = [
            name
            for place, name in enumerate(names)
            if not (rows["mask_counts"].list.get(place) > 0).any()
        ]
        message = f"mask classes that never occur in {where} ({_and(never)})"
        yield from _finding("mask_class_missing", "warn", never, message)


def _rejects(index: Index) -> Iterator[Finding]:
    rejects = index.rejects.rows(named=True)
    yield from _finding(
        "rejected", "note", rejects, "rows that could not be used (the index names them)"
    )
