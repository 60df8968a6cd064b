"""LIDC-IDRI: CT of the chest as DICOM series, read by four radiologists each, in XML.

Checked against the pages of the Cancer Imaging Archive on LIDC-IDRI (what the files of
readings hold, http://www.nih.gov as their name space) and Armato et al. 2011 (doi:10.1118/1.3528204).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element

import numpy as np
import polars as pl

from medgraft.index.layouts import Asked, Found, layout
from medgraft.index.layouts._dicom import tags_of
from medgraft.index.layouts._published import LABEL, REMEDY, count_note, need_images, pick
from medgraft.index.layouts._xml import read_xml
from medgraft.index.paths import Reject, dive, suffix, walk
from medgraft.progress import track

MARK = b"http://www.nih.gov"
ROOT = "LidcReadMessage"  # IdriReadMessage are readings of the plain films of the set
PATIENT = re.compile(r"(?:^|/)(LIDC-IDRI-\d{4})(?:/|$)")
LABELS = ("malignant", "nodule")
MOST_READINGS = 1000  # of one scan; in the set there are some dozens
EVEN = 3  # of the ratings 1 (highly unlikely) to 5 (highly suspicious)
NODULES = pl.List(
    pl.Struct(
        {
            "column": pl.Float64,
            "row": pl.Float64,
            "z_mm": pl.Float64,
            "readings": pl.Int64,
            "malignancy": pl.Float64,
        }
    )
)


class Reading(NamedTuple):
    """A nodule as one radiologist outlined it.

    Attributes:
        low: Least column, row and z in mm of its outlines.
        high: Greatest column, row and z in mm.
        malignancy: The rating, 1 to 5; None if there is none.
    """

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    malignancy: int | None


def recognise(source: Path) -> str | None:
    """An XML file with readings of LIDC in some folder."""
    found = dive(source, ".xml")
    if found is None:
        return None
    with (source / found).open("rb") as handle:
        head = handle.read(4096)
    return f"{found} holds readings of LIDC" if MARK in head and b"ReadMessage" in head else None


@layout(
    "lidc",
    recognise=recognise,
    source="LIDC-IDRI of the Cancer Imaging Archive (Armato et al. 2011): DICOM series and XML",
    takes=LABEL,
    published=True,
)
def lidc(source: Path, asked: Asked) -> Found:
    """One row per CT series: `malignant` by the readings of its most suspicious nodule.

    Nodules of at least 3 mm were outlined and rated by up to four radiologists. Readings whose
    boxes overlap are one nodule, its malignancy the **mean of its ratings**; `malignant` is 1
    above 3, 0 below, and -1 (uncertain) at 3, for the nodule of the highest mean; blank where
    none was rated. It is an opinion, no pathology. With ``--label nodule`` the label is whether
    anybody outlined a nodule of that size. `nodules` lists middle (column, row, z in mm), number
    of readings and mean of each. Files of readings are paired with series by the UID in them;
    plain films of the set are left out.
    """
    labels = pick(asked, LABELS, LABELS[:1])
    seen = walk(source)
    series, films = _series(source, seen.files)
    rejects, rows, doubles = list(seen.rejects), dict[str, dict[str, Any]](), 0
    files = sorted(path for path in seen.ignored if suffix(path) == ".xml")
    for path in track(files, what="readings", unit="file"):
        try:
            uid, readings = _readings(source / path)
        except ValueError as error:
            rejects.append(Reject(path, str(error), REMEDY))
            continue
        if uid is None:
            continue
        if uid not in series:
            rejects.append(Reject(path, f"no CT series has the UID {uid[:64]!r}", REMEDY))
        elif uid in rows:
            doubles += 1
        else:
            rows[uid] = _row(series[uid], readings)
    unread = [folder for uid, folder in series.items() if uid not in rows]
    rejects += [Reject(folder, "no XML file reads it", REMEDY) for folder in unread]
    schema: dict[str, Any] = {"path": pl.String, "patient_id": pl.String}
    schema |= dict.fromkeys(labels, pl.Int8) | {"nodules": NODULES}
    frame = pl.DataFrame([{n: row.get(n) for n in schema} for row in rows.values()], schema=schema)
    need_images(frame, rejects, source, "LIDC-IDRI")
    twice = frame.filter(pl.col("patient_id").is_not_null())["patient_id"]
    blank = sum(row["malignant"] is None for row in rows.values())
    notes = [
        "malignancy is what radiologists thought, no pathology",
        *count_note(films, "series are no CT (plain films of the chest) and left out"),
        *count_note(doubles, "files read a series that another file reads; the first is taken"),
        *count_note(blank, "scans have no rated nodule, so their malignancy is blank"),
        *count_note(twice.len() - twice.n_unique(), "scans are further ones of a patient"),
    ]
    return Found(frame, source, labels, rejects, notes)


def _series(source: Path, files: list[str]) -> tuple[dict[str, str], int]:
    """The folder of each CT series by its UID, and how many series are no CT."""
    first: dict[str, str] = {}
    for path in files:
        if suffix(path) == ".dcm":
            first.setdefault(path.rpartition("/")[0] or ".", path)
    found: dict[str, str] = {}
    others = 0
    for folder, path in track(first.items(), total=len(first), what="series", unit="series"):
        said = tags_of(source / path, "SeriesInstanceUID", "Modality")
        if said and said[1] == "CT":
            found.setdefault(said[0], folder)
        else:
            others += 1
    return found, others


def _readings(file: Path) -> tuple[str | None, list[Reading]]:
    """The series that a file reads, None if it is none of CT, and its nodules.

    Raises:
        ValueError: If it is no XML, or an outline has no place.
    """
    root = read_xml(file)
    if root.tag.rpartition("}")[2] != ROOT:
        return None, []
    uid = root.findtext("{*}ResponseHeader/{*}SeriesInstanceUid") or ""
    marked = root.findall("{*}readingSession/{*}unblindedReadNodule")
    if len(marked) > MOST_READINGS:
        raise ValueError(f"it must hold at most {MOST_READINGS} readings, got {len(marked)}")
    return uid.strip(), [one for nodule in marked for one in _outlined(nodule)]


def _outlined(nodule: Element) -> Iterator[Reading]:
    """A nodule of at least 3 mm; smaller ones are marked by one point and have no reading."""
    points = []
    for roi in nodule.findall("{*}roi"):
        z = float(roi.findtext("{*}imageZposition") or "nan")
        edge = [
            (float(e.findtext("{*}xCoord") or "nan"), float(e.findtext("{*}yCoord") or "nan"), z)
            for e in roi.findall("{*}edgeMap")
        ]
        points += edge if len(edge) > 1 else []
    if not points:
        return
    places = np.array(points)
    if not np.isfinite(places).all():
        raise ValueError("a point of an outline has no column, row or z")
    text = (nodule.findtext("{*}characteristics/{*}malignancy") or "").strip()
    rating = int(text) if text in ("1", "2", "3", "4", "5") else None
    low, high = places.min(axis=0).tolist(), places.max(axis=0).tolist()
    yield Reading((low[0], low[1], low[2]), (high[0], high[1], high[2]), rating)


def _row(folder: str, readings: list[Reading]) -> dict[str, Any]:
    patient = PATIENT.search(folder)
    nodules = [_nodule(group) for group in _together(readings)]
    rated = [n["malignancy"] for n in nodules if n["malignancy"] is not None]
    worst = max(rated, default=None)
    return {
        "path": folder,
        "patient_id": patient[1] if patient else None,
        "malignant": None if worst is None else -1 if worst == EVEN else int(worst > EVEN),
        "nodule": int(bool(nodules)),
        "nodules": nodules,
    }


def _together(readings: list[Reading]) -> list[list[Reading]]:
    """Readings in groups whose boxes are joined by overlaps."""
    groups: list[list[Reading]] = []
    for reading in readings:
        near = [g for g in groups if any(_overlap(reading, other) for other in g)]
        groups = [g for g in groups if not any(g is one for one in near)]
        groups.append([reading, *(other for group in near for other in group)])
    return groups


def _overlap(one: Reading, other: Reading) -> bool:
    return all(
        one.low[axis] <= other.high[axis] and other.low[axis] <= one.high[axis] for axis in range(3)
    )


def _nodule(readings: list[Reading]) -> dict[str, Any]:
    middles = np.array(
        [[(a + b) / 2 for a, b in zip(r.low, r.high, strict=True)] for r in readings]
    )
    column, row, z_mm = middles.mean(axis=0).tolist()
    ratings = [r.malignancy for r in readings if r.malignancy is not None]
    return {
        "column": column,
        "row": row,
        "z_mm": z_mm,
        "readings": len(readings),
        "malignancy": sum(ratings) / len(ratings) if ratings else None,
    }
