"""The command `medgraft phantoms`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Phantoms:
    """Draw film-like synthetic images with patients, views, markers and lesions.

    Never clinical data: they show whether software works, and with --contrast 0 whether a
    pipeline learns from what it must not see (the AUROC must then be about 0.5).

    Example:
        medgraft phantoms --out phantoms --patients 120 --seed 0
    """

    out: Path
    """New folder for images/, masks/, labels.csv and README.txt."""
    patients: int = 120
    """Number of made-up patients; half of them have a lesion."""
    views: int = 2
    """Films per patient, 1 to 4."""
    contrast: float = 0.5
    """Brightness of lesions, from 0 (invisible) to 1."""
    seed: int = 0
    """The same seed draws the same films."""
    side: int = 128
    """Pixels along each side."""
    bits: Literal[8, 16] = 8
    """Depth of the files."""
    format: Literal["png", "dicom"] = "png"
    """Kind of files."""

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
        print(f"{self.patients * self.views} synthetic films (not clinical data) in {table.parent}")
        print(
            f"next: medgraft index {table.parent} --layout csv --table labels.csv --path file"
            f" --label label --patient patient --out {table.parent.name}.parquet"
        )
