"""CheXpert: chest films with fourteen findings that may be uncertain.

Checked against the columns that the tables of the set have (Irvin et al. 2019 and the programs that
read train.csv): Path, Sex, Age, Frontal/Lateral, AP/PA, then the fourteen findings in this order.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from medgraft.errors import TableError
from medgraft.index.layouts import Asked, Found, layout
from medgraft.index.layouts._published import (
    LABEL,
    REMEDY,
    count_note,
    need_images,
    numbers,
    once,
    pick,
    signs,
)
from medgraft.index.layouts._tables import has_columns, read_table
from medgraft.index.paths import Reject, relative, walk

FINDINGS = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
NEEDED = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *FINDINGS)
PARTS = {"train.csv": "train", "valid.csv": "val"}
OTHER_LABELS = ("train_cheXbert.csv", "train_visualCheXbert.csv")
PATIENT = r"(patient\d+)"
STUDY = r"(patient\d+/study\d+)"


def recognise(source: Path) -> str | None:
    """A ``train.csv`` or ``valid.csv`` with the columns of CheXpert."""
    for name in PARTS:
        if has_columns(source / name, *NEEDED):
            return f"{name} has the columns of CheXpert"
    return None


@layout(
    "chexpert",
    recognise=recognise,
    source="CheXpert 1.0, full size or small (Irvin et al. 2019, arXiv:1901.07031)",
    takes=LABEL,
    published=True,
)
def chexpert(source: Path, asked: Asked) -> Found:
    """Films of ``train.csv`` and ``valid.csv``; their findings are 1, 0, -1 (uncertain) or blank.

    What a blank or a -1 stands for is decided in training, not here. The view is AP, PA, LL or
    RL as the table says, or ``lateral``. Paths are found with or without the folder that the
    tables begin with, such as ``CheXpert-v1.0-small``.
    """
    names = [name for name in PARTS if (source / name).is_file()]
    if not names:
        raise TableError(
            f"'{source}' must hold {' or '.join(PARTS)}, and holds neither. Name the folder that they"
            " lie in as SOURCE, or add them."
        )
    tables = [
        read_table(source / name, *NEEDED).with_columns(
            orig_split=pl.lit(PARTS[name]), __table=pl.lit(name)
        )
        for name in names
    ]
    seen = walk(source)
    frame, rejects = _existing(pl.concat(tables, how="diagonal"), set(seen.files))
    need_images(frame, rejects, source, "CheXpert")
    labels = pick(asked, FINDINGS)
    path = pl.col("path")
    frame = frame.select(
        path,
        *signs(frame, labels, " and ".join(names)),
        patient_id=path.str.extract(PATIENT),
        study_id=path.str.extract(STUDY),
        view=pl.coalesce(
            "AP/PA", pl.when(pl.col("Frontal/Lateral") == "Lateral").then(pl.lit("lateral"))
        ),
        orig_split="orig_split",
        sex=pl.col("Sex"),
        age_years=numbers("Age"),
    )
    return Found(frame, source, labels, [*seen.rejects, *rejects], _notes(source, frame))


def _existing(table: pl.DataFrame, files: set[str]) -> tuple[pl.DataFrame, list[Reject]]:
    """Rows whose film is there, the others as rejects."""
    paths, rejects = [], []
    for text, name in table.select("Path", "__table").iter_rows():
        whole = relative(Path("/"), text or "") or ""
        path = next((p for p in (whole, whole.partition("/")[2]) if p in files), None)
        paths.append(path)
        if path is None:
            rejects.append(
                Reject(text or "", f"{name} names it, and there is no such file", REMEDY)
            )
    found = table.with_columns(pl.Series("path", paths, dtype=pl.String))
    single, repeated = once(found.filter(pl.col("path").is_not_null()), "path", "the table")
    return single, rejects + repeated


def _notes(source: Path, frame: pl.DataFrame) -> list[str]:
    unread = [name for name in OTHER_LABELS if (source / name).is_file()]
    ageless = frame.filter((pl.col("age_years") <= 0) & (pl.col("orig_split") == "train")).height
    parts = set(frame["orig_split"])
    return [
        *count_note(len(unread), f"other tables of labels were left out: {', '.join(unread)}"),
        *count_note(ageless, "films have an age of 0, which in CheXpert means that it is unknown"),
        *(
            ["val was labelled by three radiologists, who left nothing blank; train by a program"]
            if parts == {"train", "val"}
            else []
        ),
    ]
