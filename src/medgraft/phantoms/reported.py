"""A set in the shape of CheXpert, of films with known findings: what reports say of them is 1, 0, -1 or nothing.

Reports follow a rule that is written here, so that it is known what each way to learn from
uncertain and blank labels must do.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medgraft.errors import ArgumentError
from medgraft.files import new_folder, write_text
from medgraft.phantoms.archive import WARNING
from medgraft.phantoms.films import draw
from medgraft.phantoms.findings import SIGNS, Finding, draw_findings, show
from medgraft.phantoms.rendering import render
from medgraft.progress import track
from medgraft.seeds import generator

OTHERS = (
    "Enlarged Cardiomediastinum", "Lung Opacity", "Lung Lesion", "Pneumonia", "Pneumothorax",
    "Pleural Other", "Fracture", "Support Devices",
)  # fmt: skip
COLUMNS = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", "No Finding", *SIGNS, *OTHERS)
UNMENTIONED = 0.6  # share of the findings that are surely absent of which a report says nothing
CHECKED = 0.25  # share of the patients whose films radiologists labelled: valid.csv


@dataclass(frozen=True)
class Hedge:
    """When a report is unsure of a finding.

    Attributes:
        present: It hedges where the finding is there and its strength is below this.
        absent: Share of the patients without the finding of whom it hedges all the same.
    """

    present: float
    absent: float


# What an uncertain label is worth differs: always there, never there, or no evidence at all.
HEDGES = {
    "Atelectasis": Hedge(0.7, 0.0),
    "Cardiomegaly": Hedge(0.5, 0.1),
    "Consolidation": Hedge(0.0, 0.5),
    "Edema": Hedge(0.6, 0.05),
    "Pleural Effusion": Hedge(0.4, 0.4),
}
README = f"""\
{WARNING}

{{films}} films of {{patients}} made-up patients in the shape of CheXpert, seed {{seed}}, contrast {{contrast}}. The
findings were drawn onto the films by a program (medgraft phantoms --format chexpert), whatever the films
show besides. A result says that software works; it says nothing about any disease.

train.csv: what reports say. 1 present, 0 absent, -1 uncertain, nothing where it is not mentioned.
{{rule}}
No Finding is 1 where every finding is surely absent, and else blank. Of findings that are surely absent
{UNMENTIONED:.0%} are blank.
valid.csv: {CHECKED:.0%} of the patients, labelled with the truth.
truth.csv: the truth of all films, for judging.
"""


@dataclass(frozen=True)
class Picture:
    """A film to draw on.

    Attributes:
        patient: Whose it is; films of one patient stay together.
        open: Gives it, in [0, 1], shape (H, W).
    """

    patient: str
    open: Callable[[], np.ndarray]


def phantom_pictures(*, patients: int, views: int, seed: int, side: int) -> list[Picture]:
    """Films without lesions, where there are no real ones."""
    films = draw(patients=patients, views=views, seed=seed)
    return [
        Picture(film.patient, lambda film=film: render([film], side=side, contrast=0)[0][0])  # type: ignore[misc]
        for film in films
    ]


def write_reported(
    out: str | Path,
    pictures: Sequence[Picture],
    *,
    patients: int,
    views: int,
    contrast: float = 0.5,
    seed: int = 0,
) -> Path:
    """Write films with findings, tables of what reports say of them, and the truth.

    Args:
        out: A new or empty folder.
        pictures: Films to draw on.
        patients: How many made-up patients there are.
        views: Films of each, at least; patients of `pictures` that have fewer are joined.
        contrast: Brightness of the findings, 0 (invisible) to 1.
        seed: The same seed draws the same findings, reports and patients.

    Returns:
        The table of reports, ``train.csv`` in `out`.

    Raises:
        ArgumentError: If a number is out of its range, or there are too few films.
        OutputError: If `out` holds something already.
    """
    if patients < 1 or views < 1:
        raise ArgumentError(f"patients and views must be at least 1, got {patients} and {views}")
    if not 0 <= contrast <= 1:
        raise ArgumentError(f"contrast must be in [0, 1], got {contrast}")
    groups = _joined(pictures, views, seed)
    if len(groups) < patients:
        raise ArgumentError(
            f"there must be films for {patients} patients with {views} each, but {len(pictures)}"
            f" make {len(groups)}. Ask for fewer patients or views."
        )
    folder = new_folder(out)
    said: dict[str, list[dict[str, str]]] = {"train": [], "valid": [], "truth": []}
    chosen = list(enumerate(groups[:patients], start=1))
    for number, films in track(chosen, what="draw findings", unit="patient"):
        name = f"patient{number:05}"
        findings = draw_findings(name, seed)
        part = "valid" if number <= round(CHECKED * patients) else "train"
        truth = _truth(findings)
        told = truth if part == "valid" else _report(name, findings, seed)
        for view, film in enumerate(films, start=1):
            path = f"{part}/{name}/study1/view{view}_frontal.jpg"
            _write_jpeg(folder / path, show(film.open(), findings, contrast=contrast))
            about = {"Path": path, **_person(name, seed)}
            said[part].append(about | told)
            said["truth"].append(about | truth)
    for table, rows in said.items():
        write_text(folder / f"{table}.csv", _csv(rows))
    count = len(said["truth"])
    told = {"films": str(count), "patients": str(patients), "seed": str(seed)}
    write_text(
        folder / "README.txt", README.format(**told, contrast=contrast, rule="\n".join(_rule()))
    )
    return folder / "train.csv"


def _joined(pictures: Sequence[Picture], views: int, seed: int) -> list[list[Picture]]:
    """Films of made-up patients: those of whole patients, as many of them as it takes."""
    of: dict[str, list[Picture]] = {}
    for picture in pictures:
        of.setdefault(picture.patient, []).append(picture)
    names = sorted(of)
    groups: list[list[Picture]] = [[]]
    for place in generator(seed, "patients").permutation(len(names)):
        if len(groups[-1]) >= views:
            groups.append([])
        groups[-1] += of[names[place]]
    return groups if len(groups[-1]) >= views else groups[:-1]


def _truth(findings: dict[str, Finding]) -> dict[str, str]:
    there = {name: one.strength > 0 for name, one in findings.items()}
    found = {name: _number(value) for name, value in there.items()}
    return {"No Finding": _number(not any(there.values())), **found, **dict.fromkeys(OTHERS, "0.0")}


def _report(patient: str, findings: dict[str, Finding], seed: int) -> dict[str, str]:
    said = {}
    for name, finding in findings.items():
        hedge, rng = HEDGES[name], generator(seed, "report", patient, name)
        unsure, unmentioned = rng.random() < hedge.absent, rng.random() < UNMENTIONED
        if finding.strength > 0:
            said[name] = "-1.0" if finding.strength < hedge.present else "1.0"
        else:
            said[name] = "-1.0" if unsure else "" if unmentioned else "0.0"
    well = all(said[name] in ("", "0.0") for name in findings)
    return {"No Finding": "1.0" if well else "", **said, **dict.fromkeys(OTHERS, "")}


def _number(value: bool) -> str:  # noqa: FBT001 (what is written)
    return "1.0" if value else "0.0"


def _person(patient: str, seed: int) -> dict[str, str]:
    rng = generator(seed, "person", patient)
    return {
        "Sex": str(rng.choice(["Female", "Male"])),
        "Age": str(rng.integers(18, 90)),
        "Frontal/Lateral": "Frontal",
        "AP/PA": str(rng.choice(["AP", "PA"])),
    }


def _rule() -> Iterable[str]:
    for name, hedge in HEDGES.items():
        yield (
            f"- {name}: -1 where it is there with a strength below {hedge.present:g}, and for"
            f" {hedge.absent:.0%} of those without it"
        )


def _write_jpeg(path: Path, picture: np.ndarray) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.rint(picture * 255).astype(np.uint8)).save(path, quality=95)


def _csv(rows: Sequence[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
