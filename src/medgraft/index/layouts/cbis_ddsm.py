"""CBIS-DDSM: mammograms as DICOM, masses and calcifications in four tables, a mask for each.

Checked against Lee et al. 2017 (doi:10.1038/sdata.2017.177) as public notes on the set quote it: four
tables, one line for each abnormality, 465 of 3,103 films with several, a mask and a cut-out for each.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from medgraft.errors import TableError
from medgraft.index.layouts import Asked, Found, layout
from medgraft.index.layouts._dicom import size_of, tags_of
from medgraft.index.layouts._published import (
    LABEL,
    REMEDY,
    count_note,
    need_images,
    pick,
)
from medgraft.index.layouts._tables import has_columns, read_table
from medgraft.index.masks import JOIN, MaskClasses
from medgraft.index.paths import Reject, suffix, walk
from medgraft.progress import track

TABLES = {
    f"{kind}_case_description_{part}_set.csv": part
    for kind in ("mass", "calc")
    for part in ("train", "test")
}
NEED = (
    "patient_id",
    "left or right breast",
    "image view",
    "abnormality type",
    "pathology",
    "image file path",
    "cropped image file path",
    "ROI mask file path",
)
PATHOLOGY = {  # in order: the worst of a film is the last
    "BENIGN_WITHOUT_CALLBACK": "benign",
    "BENIGN": "benign",
    "MALIGNANT": "malignant",
}
SIDES = {"LEFT": "L", "RIGHT": "R"}
LABELS = ("pathology", "abnormality")


def recognise(source: Path) -> str | None:
    """A table such as ``mass_case_description_train_set.csv``."""
    found = [name for name in TABLES if has_columns(source / name, *NEED)]
    return f"{found[0]} has the columns of CBIS-DDSM" if found else None


@layout(
    "cbis_ddsm",
    recognise=recognise,
    source="CBIS-DDSM of the Cancer Imaging Archive (Lee et al. 2017)",
    takes=LABEL,
    published=True,
)
def cbis_ddsm(source: Path, asked: Asked) -> Found:
    """One row per film: `pathology` of its worst abnormality, benign or malignant.

    With ``--label abnormality`` the label is mass or calcification (both, if a film shows both).
    Files are found by the folder of their series, since their names depend on the program that
    fetched them; where folders are called by dates and descriptions, as that program does unless
    told otherwise, by the UIDs in their tags. In part of the published set the mask and the cut-out lie in one folder or in
    each other's: the mask is the file as large as its film, and how often that was not the file
    that the table names is said. Of a film with several abnormalities the masks of all are one;
    where one of them is missing the film has none.
    """
    names = [name for name in TABLES if (source / name).is_file()]
    if not names:
        raise TableError(
            f"'{source}' must hold tables such as {next(iter(TABLES))}, and holds none. Add them."
        )
    table = pl.concat(
        [
            read_table(source / n, *NEED).select(NEED).with_columns(part=pl.lit(TABLES[n]))
            for n in names
        ]
    )
    seen = walk(source)
    series = _series(source, seen.files, {_folder(path) for path in table["image file path"]})
    rows, rejects = dict[str, dict[str, Any]](), list(seen.rejects)
    strange = table.filter(~pl.col("pathology").is_in(list(PATHOLOGY)).fill_null(value=False))
    for line in table.iter_rows(named=True):
        found = series.get(_folder(line["image file path"]), [])
        if len(found) != 1:
            reason = f"{len(found)} files lie in the folder that the tables name, and one must"
            rejects.append(Reject(line["image file path"] or "", reason, REMEDY))
        elif line["pathology"] in PATHOLOGY:
            row = rows.setdefault(found[0], {"path": found[0], "lines": []})
            row["lines"].append(line)
    swapped = maskless = several = 0
    for row in track(rows.values(), total=len(rows), what="masks", unit="film"):
        film = row.pop("lines")
        row |= _film(film)
        masks = [_mask(source, row["path"], line, series) for line in film]
        swapped += sum(moved for _, moved in masks)
        several += len(film) > 1
        paths = list(dict.fromkeys(path for path, _ in masks if path))
        if all(path for path, _ in masks):
            row["mask_path"] = JOIN.join(paths)
        else:
            maskless += 1
    labels = pick(asked, LABELS, LABELS[:1])
    names = ["patient_id", "laterality", "view", "orig_split", *labels, "mask_path"]
    schema = dict.fromkeys(["path", *names], pl.String)
    frame = pl.DataFrame(
        [{name: row.get(name) for name in schema} for row in rows.values()], schema=schema
    ).sort("path")
    need_images(frame, rejects, source, "CBIS-DDSM")
    torn = frame.group_by("patient_id").agg(pl.col("orig_split").n_unique())
    twice = frame.group_by("patient_id", "laterality", "view").len().filter(pl.col("len") > 1)
    notes = [
        *count_note(swapped, "masks are not the files that the tables name: found by their size"),
        *count_note(maskless, "films lack the mask of an abnormality, and so have none"),
        *count_note(several, "films show several abnormalities: the label is the worst of them"),
        *count_note(
            twice.height,
            "views of a breast stand several times, such as for masses and for calcifications,"
            " each with its own part of the labels and masks",
        ),
        *count_note(strange.height, "lines of the tables name no known pathology"),
        *count_note(
            torn.filter(pl.col("orig_split") > 1).height,
            "patients stand in several official parts: do not use that split",
        ),
    ]
    classes = MaskClasses(("background", "abnormality"), (0, 255))
    has_masks = frame["mask_path"].count() > 0
    return Found(
        frame if has_masks else frame.drop("mask_path"),
        source,
        labels,
        rejects,
        notes,
        mask_classes=classes if has_masks else None,
    )


def _series(source: Path, files: list[str], wanted: set[str]) -> dict[str, list[str]]:
    """The DICOM files of each series, by the UIDs of its study and of itself.

    Args:
        source: The folder that they start from.
        files: Paths of files.
        wanted: Series that the tables name; if no folder is called as one of them, tags tell.
    """
    films = [path for path in files if suffix(path) == ".dcm"]
    found: dict[str, list[str]] = {}
    for path in films:
        found.setdefault(_folder(path), []).append(path)
    if found.keys() & wanted:
        return found
    found = {}
    for path in track(films, what="series", unit="file"):
        uids = tags_of(source / path, "StudyInstanceUID", "SeriesInstanceUID")
        if uids is not None:
            found.setdefault("/".join(uids), []).append(path)
    return found


def _folder(path: str | None) -> str:
    """Study and series of a file; UIDs that no other folder has."""
    return "/".join(PurePosixPath(path or "").parent.parts[-2:])


def _film(lines: list[dict[str, Any]]) -> dict[str, str | None]:
    first, ranks = lines[0], list(PATHOLOGY)
    worst = max(lines, key=lambda line: ranks.index(line["pathology"]))
    kinds = sorted({str(line["abnormality type"]) for line in lines})
    return {
        "patient_id": first["patient_id"],
        "laterality": SIDES.get(first["left or right breast"]),
        "view": first["image view"],
        "orig_split": first["part"],
        "pathology": PATHOLOGY[worst["pathology"]],
        "abnormality": " and ".join(kinds),
    }


def _mask(
    source: Path, film: str, line: dict[str, Any], series: dict[str, list[str]]
) -> tuple[str | None, bool]:
    """The file as large as the film, and whether it is another than the table names."""
    named = line["ROI mask file path"]
    folders = dict.fromkeys(map(_folder, (named, line["cropped image file path"])))
    files = [path for folder in folders for path in series.get(folder, []) if path != film]
    size = size_of(source / film)
    fits = [path for path in files if size and size_of(source / path) == size]
    if len(fits) != 1:
        return None, False
    alone = len(series.get(_folder(named), [])) == 1
    told = alone or PurePosixPath(named or "").name == PurePosixPath(fits[0]).name
    return fits[0], not (told and _folder(named) == _folder(fits[0]))
