"""ChestX-ray14: chest films of the NIH with fourteen findings mined from reports.

Checked against what the NIH says of its table (https://nihcc.app.box.com/v/ChestXray-NIHCC): names of
files and columns, ``|`` between findings, and the lists of the official parts, which keep patients whole.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from medgraft.index.layouts import Asked, Found, layout
from medgraft.index.layouts._published import (
    LABEL,
    REMEDY,
    count_note,
    locate,
    need_images,
    numbers,
    pick,
)
from medgraft.index.layouts._tables import has_columns, read_table
from medgraft.index.paths import Reject, walk

FINDINGS = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Effusion",
    "Emphysema",
    "Fibrosis",
    "Hernia",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pleural_Thickening",
    "Pneumonia",
    "Pneumothorax",
)
NOTHING = "No Finding"
TABLES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")  # the later one corrects ages
NEEDED = ("Image Index", "Finding Labels", "Patient ID", "Patient Age", "View Position")
LISTS = {"train_val_list.txt": "train", "test_list.txt": "test"}
OLDEST = 120  # the first edition of the table has ages such as 411


def recognise(source: Path) -> str | None:
    """The table of entries."""
    for name in TABLES:
        if has_columns(source / name, *NEEDED):
            return f"{name} has the columns of ChestX-ray14"
    return None


@layout(
    "chestxray14",
    recognise=recognise,
    source="ChestX-ray14 of the NIH (Wang et al. 2017, arXiv:1705.02315)",
    takes=LABEL,
    published=True,
)
def chestxray14(source: Path, asked: Asked) -> Found:
    """Films of ``Data_Entry_2017.csv``, wherever the twelve archives were unpacked.

    A finding that the table names is 1, one that it does not name is 0; nothing is blank. The
    official lists give `orig_split`; their training part holds what was meant for validation.
    """
    name = next((n for n in TABLES if (source / n).is_file()), TABLES[-1])
    seen = walk(source)
    table = read_table(source / name, *NEEDED)
    found = locate(table, "Image Index", seen.files, name)
    need_images(found.frame, found.rejects, source, "ChestX-ray14")
    labels = pick(asked, (NOTHING, *FINDINGS), FINDINGS)
    named = pl.col("Finding Labels").str.split("|")
    known = named.list.eval(pl.element().is_in([NOTHING, *FINDINGS])).list.all()
    strange = found.frame.filter(~known)
    rejects = [*seen.rejects, *found.rejects]
    rejects += [
        Reject(path, f"{name} names a finding that is none of the set: {told[:60]!r}", REMEDY)
        for path, told in strange.select("path", "Finding Labels").iter_rows()
    ]
    ages = pl.col("Patient Age").str.strip_chars_end("Y").alias("Patient Age")
    sex = next((c for c in ("Patient Gender", "Patient Sex") if c in found.frame.columns), None)
    frame = (
        found.frame.filter(known.fill_null(value=True))
        .with_columns(ages)
        .select(
            "path",
            *[named.list.contains(label).cast(pl.Int8).alias(label) for label in labels],
            patient_id="Patient ID",
            view="View Position",
            sex=pl.col(sex) if sex else pl.lit(None, pl.String),
            age_years=numbers("Patient Age"),
        )
    )
    frame, notes = _with_parts(frame, source)
    old = frame.filter(pl.col("age_years") > OLDEST).height
    notes += count_note(old, f"films have an age above {OLDEST} years: a known error of the table")
    notes += count_note(len(found.unlisted), f"images stand in no row of {name} and were left out")
    return Found(frame, source, labels, rejects, notes)


def _with_parts(frame: pl.DataFrame, source: Path) -> tuple[pl.DataFrame, list[str]]:
    """The part of each film by the official lists."""
    parts = {
        line.strip(): part
        for name, part in LISTS.items()
        if (source / name).is_file()
        for line in (source / name).read_text("utf-8", errors="replace").splitlines()
    }
    if not parts:
        return frame, ["there are no official lists (test_list.txt), so there is no official split"]
    names = frame["path"].str.split("/").list.last()
    column = names.replace_strict(parts, default=None, return_dtype=pl.String)
    unknown = column.null_count()
    return frame.with_columns(column.alias("orig_split")), count_note(
        unknown, "films stand in no official list"
    )
