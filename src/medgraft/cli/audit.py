"""The command `medgraft audit`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Audit:
    """Look for what would make a result worthless, and refuse with exit status 3 if it is there.

    Refused are patients, groups or identical images in two parts of the split, and parts with
    only one class. With --strict, so are warnings: near-identical images in two parts,
    identical images with different labels, missing patients, damaged values, burned-in text and
    DICOM tags that may tell who a patient is.

    Example:
        medgraft audit films.parquet --strict
    """

    index: Annotated[Path, tyro.conf.Positional]
    """Index written by `medgraft index`."""
    out: Path | None = None
    """Where to write the findings; such as films.audit.json beside the index if not given."""
    strict: bool = False
    """Refuse warnings too."""
    distance: int = 6
    """Bits of 64 in which the perceptual hashes of near-identical images may differ."""
    look_at: int = 500
    """Images searched for burned-in text, drawn at random; 0 for none."""
    allow: tuple[str, ...] | None = None
    """DICOM tags that may stay, such as PatientID where it is a pseudonym."""
    no_confirm: bool = False
    """Trust the hashes alone, without looking at the pixels of near images."""
    workers: int | None = None
    """Processes; one per processor if not given."""

    def run(self) -> None:
        """Audit, write the findings, print them, and refuse what must not pass."""
        from medgraft.errors import ArgumentError, CheckRefusedError
        from medgraft.files import write_json
        from medgraft.index.audit import audit
        from medgraft.index.summary import table
        from medgraft.index.table import Index, beside
        from medgraft.read.dicom.personal import check_name

        if not 0 <= self.distance <= 32:
            raise ArgumentError(f"--distance must be in [0, 32] bits, got {self.distance}.")
        if self.look_at < 0:
            raise ArgumentError(f"--look-at must be 0 or more images, got {self.look_at}.")
        for name in self.allow or ():
            check_name(name)
        index = Index.load(self.index)
        result = audit(
            index,
            distance=self.distance,
            confirm=not self.no_confirm,
            look_at=self.look_at,
            allow=self.allow or (),
            workers=self.workers,
        )
        out = self.out or beside(self.index, "audit.json")
        write_json(out, {"index": str(self.index), **result.as_dict()})
        print(table(index))
        for finding in result.findings:
            print(f"{finding.level:<7} {finding.message}")
            for example in finding.examples[:2] if finding.level == "refuse" else ():
                print(f"          {example}")
        print(f"written {out}")
        refusals = result.refusals(strict=self.strict)
        if refusals:
            listed = "; ".join(finding.message for finding in refusals)
            raise CheckRefusedError(f"{listed}. See '{out}'.")
