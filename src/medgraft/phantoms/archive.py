"""An archive of phantom films or volumes on disk, as a clinic would hand it over."""

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
from medgraft.phantoms.nifti import voxel_of, write_nifti
from medgraft.phantoms.rendering import AT_ONCE, render
from medgraft.phantoms.volumes import Volume, draw_volumes, render_volume
from medgraft.progress import track

Format = Literal["png", "dicom", "nifti"]
FORMATS = ("png", "dicom", "nifti")
COLUMNS = ("file", "patient", "view", "laterality", "label", "x", "y", "radius", "mask")
COLUMNS_3D = ("file", "patient", "scan", "label", "i", "j", "k", "radius_mm", "mask")
SIDES = {"films": (32, 4096), "volumes": (16, 512)}  # least and greatest
USUAL = {"films": 128, "volumes": 48}
WARNING = "SYNTHETIC IMAGES. NOT CLINICAL DATA."
README = """\
SYNTHETIC IMAGES. NOT CLINICAL DATA. NO PATIENT IS SHOWN HERE.

These {kind} were drawn by a random number generator (medgraft phantoms). The "patients" do not
exist. A result on these {kind} says that software works; it says nothing about any disease, any
detector or any hospital, and must never be reported as if it did.

{count} {kind} of {patients} made-up patients, {size}, {bits} bits, seed {seed},
lesion contrast {contrast}. The same options draw the same {kind}.

{columns}
"""
FILMS = """\
labels.csv: file, patient, view, laterality, label (lesion / normal); x and y (column and row of
the centre, from the upper left) and radius of the lesion in pixels; mask (white is lesion)."""
VOLUMES = """\
labels.csv: file, patient, scan, label (lesion / normal); i, j and k (place of the lesion's centre
on the grid of the file, from 0) and its mean radius; mask (1 is the organ, which every patient
has, 2 the lesion). Sizes differ, slices are 2 mm thick, and files lie in several orientations."""


def write_archive(
    out: str | Path,
    *,
    patients: int = 120,
    views: int = 2,
    contrast: float = 0.5,
    seed: int = 0,
    side: int | None = None,
    bits: int = 8,
    format: Format = "png",  # noqa: A002 (the word on the command line)
) -> Path:
    """Write synthetic films or volumes, their labels and masks; never clinical data.

    Args:
        out: A new or empty folder.
        patients: Number of patients; half of them, rounded down, have a lesion.
        views: Films or volumes per patient, 1 to 4.
        contrast: Brightness of lesions, 0 (invisible: nothing can be learnt) to 1.
        seed: The same seed draws the same films.
        side: Pixels along each side of a film; voxels along the longest side of a volume, give
            or take a tenth. None takes 128 or 48.
        bits: 8 or 16.
        format: "png" or "dicom" for films, "nifti" for volumes.

    Returns:
        The label table, ``labels.csv`` in `out`.

    Raises:
        ArgumentError: If an option is out of its range.
        OutputError: If `out` holds something already.
    """
    kind = "volumes" if format == "nifti" else "films"
    side = USUAL[kind] if side is None else side
    _check(patients=patients, views=views, contrast=contrast, side=side, bits=bits, format=format)
    folder = new_folder(out)
    for name in ("images", "masks"):
        (folder / name).mkdir()
    told = {"kind": kind, "patients": patients, "bits": bits, "seed": seed, "contrast": contrast}
    if format == "nifti":
        volumes = draw_volumes(patients=patients, scans=views, seed=seed)
        rows = _write_volumes(folder, volumes, side=side, bits=bits, contrast=contrast)
        told |= {"size": f"about {side} voxels long", "columns": VOLUMES}
        table = _table(rows, COLUMNS_3D)
    else:
        films = draw(patients=patients, views=views, seed=seed)
        suffix = "png" if format == "png" else "dcm"
        rows = _write_films(folder, films, suffix, seed, side=side, bits=bits, contrast=contrast)
        told |= {"size": f"{side} x {side} pixels", "columns": FILMS}
        table = _table(rows, COLUMNS)
    write_text(folder / "README.txt", README.format(count=len(rows), **told))
    write_text(folder / "labels.csv", table)
    return folder / "labels.csv"


def _write_films(
    folder: Path,
    films: Sequence[Film],
    suffix: str,
    seed: int,
    *,
    side: int,
    bits: int,
    contrast: float,
) -> list[dict[str, str]]:
    rows = []
    chunks = [films[k : k + AT_ONCE] for k in range(0, len(films), AT_ONCE)]
    for chunk in track(chunks, what="drawing phantoms", unit=f"{AT_ONCE} films"):
        pictures, masks = render(chunk, side=side, contrast=contrast)
        for film, picture, mask in zip(chunk, pictures, masks, strict=True):
            row = _row(film, side, suffix)
            _write_image(folder / row["file"], _whole(picture, bits), film, seed)
            if film.lesion is not None:
                _write_png(folder / row["mask"], mask.astype(np.uint8) * 255)
            rows.append(row)
    return rows


def _write_volumes(
    folder: Path, volumes: Sequence[Volume], *, side: int, bits: int, contrast: float
) -> list[dict[str, str]]:
    rows = []
    for volume in track(volumes, what="drawing phantoms", unit="volumes"):
        values, mask = render_volume(volume, side=side, contrast=contrast)
        name = f"{volume.patient}_{volume.scan}.nii.gz"
        affine = write_nifti(folder / f"images/{name}", _whole(values, bits), volume)
        write_nifti(folder / f"masks/{name}", mask, volume)
        row = dict.fromkeys(COLUMNS_3D, "")
        row |= {"file": f"images/{name}", "mask": f"masks/{name}", "patient": volume.patient}
        row |= {"scan": str(volume.scan), "label": "normal"}
        if volume.lesion is not None:
            place = dict(zip("ijk", voxel_of(volume, affine, side), strict=True))
            row |= {axis: f"{where:.1f}" for axis, where in place.items()}
            radius = float(np.prod(volume.lesion.radii)) ** (1 / 3) * side / 2
            row |= {"label": "lesion", "radius_mm": f"{radius:.1f}"}
        rows.append(row)
    return rows


def _whole(values: np.ndarray, bits: int) -> np.ndarray:
    """Values in [0, 1] as whole numbers of so many bits."""
    kind = np.uint8 if bits == 8 else np.uint16
    return np.asarray(np.rint(values * (2**bits - 1)).astype(kind))


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
    if format not in FORMATS:
        raise ArgumentError(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
    kind = "volumes" if format == "nifti" else "films"
    least, most = SIDES[kind]
    if not least <= side <= most:
        raise ArgumentError(f"side must be from {least} to {most} pixels in {kind}, got {side}")
    if bits not in (8, 16):
        raise ArgumentError(f"bits must be 8 or 16, got {bits}")


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


def _table(rows: Sequence[dict[str, str]], columns: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
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
