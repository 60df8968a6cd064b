"""An archive of phantom films on disk, as a clinic would hand it over."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from medgraft.errors import ArgumentError
from medgraft.files import new_folder, write_text
from medgraft.phantoms.films import VIEWS, Film, draw
from medgraft.phantoms.rendering import AT_ONCE, render
from medgraft.progress import track

COLUMNS = ("file", "patient", "view", "laterality", "label", "x", "y", "radius", "mask")
WARNING = "SYNTHETIC IMAGES. NOT CLINICAL DATA."
README = """\
SYNTHETIC IMAGES. NOT CLINICAL DATA. NO PATIENT IS SHOWN HERE.

These films were drawn by a random number generator (medgraft phantoms). The "patients" do not
exist. A result on these films says that software works; it says nothing about any disease, any
detector or any hospital, and must never be reported as if it did.

{films} films of {patients} made-up patients, {side} x {side} pixels, {bits} bits, seed {seed},
lesion contrast {contrast}. The same options draw the same films.

labels.csv: file, patient, view, laterality, label (lesion / normal); x and y (column and row of
the centre, from the upper left) and radius of the lesion in pixels; mask (white is lesion).
"""


def write_archive(
    out: str | Path,
    *,
    patients: int = 120,
    views: int = 2,
    contrast: float = 0.5,
    seed: int = 0,
    side: int = 128,
    bits: int = 8,
    format: Literal["png", "dicom"] = "png",  # noqa: A002 (the word on the command line)
) -> Path:
    """Write synthetic films, their labels and masks; never clinical data.

    Args:
        out: A new or empty folder.
        patients: Number of patients; half of them, rounded down, have a lesion.
        views: Films per patient, 1 to 4.
        contrast: Brightness of lesions, 0 (invisible: nothing can be learnt) to 1.
        seed: The same seed draws the same films.
        side: Pixels along each side.
        bits: 8 or 16.
        format: "png" or "dicom".

    Returns:
        The label table, ``labels.csv`` in `out`.

    Raises:
        ArgumentError: If an option is out of its range.
        OutputError: If `out` holds something already.
    """
    _check(patients=patients, views=views, contrast=contrast, side=side, bits=bits, format=format)
    folder = new_folder(out)
    films = draw(patients=patients, views=views, seed=seed)
    suffix = "png" if format == "png" else "dcm"
    for name in ("images", "masks"):
        (folder / name).mkdir()
    rows = []
    chunks = [films[k : k + AT_ONCE] for k in range(0, len(films), AT_ONCE)]
    for chunk in track(chunks, what="drawing phantoms", unit=f"{AT_ONCE} films"):
        pictures, masks = render(chunk, side=side, contrast=contrast)
        for film, picture, mask in zip(chunk, pictures, masks, strict=True):
            row = _row(film, side, suffix)
            values = np.rint(picture * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)
            _write_image(folder / row["file"], values, film, seed)
            if film.lesion is not None:
                _write_png(folder / row["mask"], mask.astype(np.uint8) * 255)
            rows.append(row)
    facts = {"films": len(films), "patients": patients, "side": side, "bits": bits}
    write_text(folder / "README.txt", README.format(**facts, seed=seed, contrast=contrast))
    write_text(folder / "labels.csv", _table(rows))
    return folder / "labels.csv"


def _check(
    *,
    patients: int,
    views: int,
    contrast: float,
    side: int,
    bits: int,
    format: str,  # noqa: A002
) -> None:
    if patients < 1:
        raise ArgumentError(f"patients must be at least 1, got {patients}")
    if not 1 <= views <= len(VIEWS):
        raise ArgumentError(f"views must be from 1 to {len(VIEWS)}, got {views}")
    if not 0 <= contrast <= 1:
        raise ArgumentError(f"contrast must be in [0, 1], got {contrast}")
    if not 32 <= side <= 4096:
        raise ArgumentError(f"side must be from 32 to 4096 pixels, got {side}")
    if bits not in (8, 16):
        raise ArgumentError(f"bits must be 8 or 16, got {bits}")
    if format not in ("png", "dicom"):
        raise ArgumentError(f"format must be png or dicom, got {format!r}")


def _row(film: Film, side: int, suffix: str) -> dict[str, str]:
    name = f"{film.patient}_{film.laterality}_{film.view}"
    row = dict.fromkeys(COLUMNS, "")
    row |= {
        "file": f"images/{name}.{suffix}",
        "patient": film.patient,
        "view": film.view,
        "laterality": film.laterality,
        "label": "normal" if film.lesion is None else "lesion",
    }
    if film.lesion is not None:
        column = film.lesion.column
        column = 1 - column if film.laterality == "R" else column
        row |= {
            "x": f"{column * side - 0.5:.1f}",
            "y": f"{film.lesion.row * side - 0.5:.1f}",
            "radius": f"{film.lesion.radius * side:.1f}",
            "mask": f"masks/{name}.png",
        }
    return row


def _table(rows: Sequence[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _write_image(path: Path, values: np.ndarray, film: Film, seed: int) -> None:
    if path.suffix == ".png":
        _write_png(path, values)
        return
    from medgraft.phantoms.dicom import write_dicom

    write_dicom(path, values, film, seed)


def _write_png(path: Path, values: np.ndarray) -> None:
    from PIL import Image

    Image.fromarray(values).save(path, compress_level=1)  # grain does not compress further


def is_archive(folder: Path) -> bool:
    """Whether a folder holds phantoms: its README says so."""
    try:
        with (folder / "README.txt").open(encoding="utf-8") as text:
            return text.read(len(WARNING)) == WARNING
    except (OSError, UnicodeDecodeError):
        return False
