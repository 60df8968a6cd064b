"""The command `medgraft phantoms`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Phantoms:
    """Draw synthetic films or volumes with patients, views, markers, lesions and their masks.

    Never clinical data: they show whether software works, and with --contrast 0 whether a
    pipeline learns from what it must not see (the AUROC must then be about 0.5).

    Examples:
        medgraft phantoms --out phantoms --patients 120 --seed 0
        medgraft phantoms --out volumes --format nifti --patients 20 --views 1
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
    format: Literal["png", "dicom", "nifti"] = "png"
    """Kind of files: png or dicom hold films, nifti volumes like an MR scan of a head."""

    def run(self) -> None:
        """Draw them and say what to do next."""
        from medgraft.phantoms import write_archive

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
