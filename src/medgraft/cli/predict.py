"""The command `medgraft predict`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Predict:
    """Predict new files with a finished run, prepared exactly as in training.

    The table has a probability per class and the answer at the run's own threshold. Files that
    cannot be read stand in another one beside it, such as predictions.rejects.csv.

    Example:
        medgraft predict runs/films new/a.dcm new/b.png --out predictions.csv
    """

    run_folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder that `medgraft train` wrote."""
    files: Annotated[
        tuple[Path, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="FILES", help_behavior_hint="(at least one)"),
    ]
    """Images; a folder stands for a DICOM series."""
    out: Path = Path("predictions.csv")
    """Table to write; .csv or .parquet."""
    force: bool = False
    """Write over an existing table."""
    tta: str | None = None
    """Views to average each answer over, such as corners, or none; those of the run if not given, which chose its threshold with them."""
    device: str = "auto"
    """Where to compute."""

    def run(self) -> None:
        """Predict and write the table."""
        from medgraft.errors import ArgumentError, OutputError, TableError
        from medgraft.files import replacing, write_text
        from medgraft.runs import RunFolder
        from medgraft.train.predict import predict_files

        if self.out.suffix not in (".csv", ".parquet"):
            raise ArgumentError(f"--out must end in .csv or .parquet, got '{self.out}'.")
        if self.out.exists() and not self.force:
            raise OutputError(f"--out must name a new file, but '{self.out}' exists. Pass --force.")
        if not self.files:
            raise ArgumentError("predict needs at least one file after the run folder.")
        found = predict_files(
            RunFolder.existing(self.run_folder),
            list(self.files),
            device=self.device,
            tta=self.tta,
        )
        if not len(found.table):
            first = found.rejects.row(0, named=True)
            raise TableError(
                f"at least one file must be readable, and none was: '{first['path']}':"
                f" {first['reason']}. {first['remedy']}"
            )
        with replacing(self.out) as temporary:
            if self.out.suffix == ".csv":
                found.table.write_csv(temporary)
            else:
                found.table.write_parquet(temporary)
        print(f"{len(found.table)} predictions: {self.out}")
        rejects = self.out.with_name(f"{self.out.stem}.rejects.csv")
        rejects.unlink(missing_ok=True)  # of an earlier table that this one replaces
        if len(found.rejects):
            write_text(rejects, found.rejects.write_csv())
            for row in found.rejects.head(5).iter_rows(named=True):
                print(f"not read: {row['path']}: {row['reason']}")
            print(f"{len(found.rejects)} files could not be read: {rejects}")
