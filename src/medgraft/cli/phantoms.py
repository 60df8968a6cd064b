"""The command `medgraft phantoms`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

    from medgraft.phantoms import Picture


@dataclass(frozen=True)
class Phantoms:
    """Draw synthetic films or volumes with patients, views, markers, lesions and their masks.

    Never clinical data: they show whether software works, and with --contrast 0 whether a
    pipeline learns from what it must not see (the AUROC must then be about 0.5).

    Examples:
        medgraft phantoms --out phantoms --patients 120 --seed 0
        medgraft phantoms --out volumes --format nifti --patients 20 --views 1
        medgraft phantoms --out chexpert --format chexpert --patients 200
        medgraft phantoms --out chexpert --format chexpert --films kermany.parquet --contrast 1
    """

    out: Path
    """New folder for images/, masks/, labels.csv and README.txt."""
    patients: int = 120
    """Number of made-up patients; half of them have a lesion."""
    views: int = 2
    """Films, or volumes, per patient, 1 to 4."""
    contrast: float = 0.5
    """Brightness of lesions, from 0 (invisible) to 1."""
    seed: int = 0
    """The same seed draws the same films."""
    side: int | None = None
    """Pixels along each side of a film (128 if not given), or along a volume (48)."""
    bits: Literal[8, 16] = 8
    """Depth of the files."""
    format: Literal["png", "dicom", "nifti", "chexpert"] = "png"
    """Kind of files: png or dicom hold films, nifti volumes like an MR scan of a head; chexpert is a
    set in the shape of CheXpert with five findings, which reports hedge by a known rule."""
    films: Path | None = None
    """Index of real films onto which the findings of chexpert are drawn, instead of phantoms."""

    def run(self) -> None:
        """Draw them and say what to do next."""
        from medgraft.errors import ArgumentError
        from medgraft.phantoms import write_archive

        if self.format == "chexpert":
            self._reported()
            return
        if self.films is not None:
            raise ArgumentError(
                f"--films belongs to --format chexpert, got --format {self.format}. Leave it out."
            )
        table = write_archive(
            self.out,
            patients=self.patients,
            views=self.views,
            contrast=self.contrast,
            seed=self.seed,
            side=self.side,
            bits=self.bits,
            format=self.format,
        )
        kind = "volumes" if self.format == "nifti" else "films"
        masks = " --mask mask --mask-classes background=0,organ=1,lesion=2"
        print(
            f"{self.patients * self.views} synthetic {kind} (not clinical data) in {table.parent}"
        )
        print(
            f"next: medgraft index {table.parent} --layout csv --table labels.csv --path file"
            f" --label label --patient patient{masks if kind == 'volumes' else ''}"
            f" --out {table.parent.name}.parquet"
        )

    def _reported(self) -> None:
        from medgraft.errors import ArgumentError
        from medgraft.phantoms import phantom_pictures, write_reported

        if self.bits != 8:
            raise ArgumentError(f"--format chexpert writes JPEG of 8 bits, got --bits {self.bits}.")
        side = self.side or 128
        if self.films is None:
            pictures = phantom_pictures(
                patients=self.patients, views=self.views, seed=self.seed, side=side
            )
        else:
            pictures = _real(self.films, side)
        table = write_reported(
            self.out,
            pictures,
            patients=self.patients,
            views=self.views,
            contrast=self.contrast,
            seed=self.seed,
        )
        print(f"films of {self.patients} made-up patients (not clinical data) in {table.parent}")
        print(
            f"next: medgraft index {table.parent} --label"
            ' "No Finding,Atelectasis,Cardiomegaly,Consolidation,Edema,Pleural Effusion"'
            f" --out {table.parent.name}.parquet"
        )


def _real(path: Path, side: int) -> list[Picture]:
    """Films of an index, those of one patient or group together."""
    from functools import partial

    from medgraft.index.table import Index
    from medgraft.phantoms import Picture

    index = Index.load(path)
    rows = index.frame.unique("image_id", keep="first", maintain_order=True)
    return [
        Picture(str(patient), partial(_open, index.root / film, side))
        for film, patient in rows.select("path", "patient_id").iter_rows()
    ]


def _open(path: Path, side: int) -> np.ndarray:
    """A film in grey, in [0, 1], shape (side, side)."""
    from medgraft.prepare import load
    from medgraft.prepare.pipeline import default_steps, pipeline

    film: np.ndarray = load(path, pipeline(default_steps(side, 1)))[0]
    return film
