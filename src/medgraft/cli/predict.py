"""The command `medgraft predict`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from medgraft.cli._nodes import Nodes

if TYPE_CHECKING:
    from medgraft.runs import RunFolder
    from medgraft.train.predict import Predicted


@dataclass(frozen=True)
class Predict:
    """Predict new files with a finished run, prepared exactly as in training.

    The table has a probability per class and the answer at the run's own threshold. Files that
    cannot be read stand in another one beside it, such as predictions.rejects.csv.

    A run that learnt masks writes a mask for each file into the folder --out: NIfTI in the
    geometry of a volume, PNG of a picture; masks.csv there counts the pixels of each class.

    Examples:
        medgraft predict runs/films new/a.dcm new/b.png --out predictions.csv
        medgraft predict runs/cells new/a.png new/b.png --out masks
        medgraft predict runs/films new/*.dcm --ray --address auto
    """

    run_folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder that `medgraft train` wrote."""
    files: Annotated[
        tuple[Path, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="FILES", help_behavior_hint="(at least one)"),
    ]
    """Images; a folder stands for a DICOM series."""
    out: Path | None = None
    """Table to write, .csv or .parquet (predictions.csv if not given); for masks a folder (masks)."""
    force: bool = False
    """Write over an existing table, or into a folder that holds something."""
    tta: str | None = None
    """Views to average each answer over, such as corners, or none; those of the run if not given, which chose its threshold with them."""
    device: str = "auto"
    """Where to compute."""
    nodes: Nodes = field(default_factory=Nodes)

    def run(self) -> None:
        """Predict and write the table, or the masks."""
        from medgraft.errors import ArgumentError
        from medgraft.runs import RunFolder
        from medgraft.train.segmentation.predict import draws_masks

        if not self.files:
            raise ArgumentError("predict needs at least one file after the run folder.")
        run = RunFolder.existing(self.run_folder)
        with self.nodes.crew():  # which read the files; the network answers here
            if draws_masks(run):
                self._masks(run)
            else:
                self._table(run)

    def _masks(self, run: RunFolder) -> None:
        from medgraft.errors import ArgumentError, OutputError
        from medgraft.train.segmentation.predict import predict_masks

        out = self.out or Path("masks")
        if self.tta is not None:
            raise ArgumentError("--tta is for runs of labels, and this one learnt masks.")
        if out.suffix in (".csv", ".parquet") or out.is_file():
            raise ArgumentError(
                f"'{run.path}' learnt masks, so --out must be a folder, got '{out}'."
            )
        if out.is_dir() and any(out.iterdir()) and not self.force:
            raise OutputError(
                f"--out must name a new folder, but '{out}' holds files. Pass --force."
            )
        out.mkdir(parents=True, exist_ok=True)
        found = predict_masks(run, list(self.files), out, device=self.device)
        self._save(found, out / "masks.csv", "masks")

    def _table(self, run: RunFolder) -> None:
        from medgraft.errors import ArgumentError, OutputError
        from medgraft.train.predict import predict_files

        out = self.out or Path("predictions.csv")
        if out.suffix not in (".csv", ".parquet"):
            raise ArgumentError(
                f"--out must end in .csv or .parquet, got '{out}'. (Masks come from a run of"
                " --task segmentation; this one learnt labels.)"
            )
        if out.exists() and not self.force:
            raise OutputError(f"--out must name a new file, but '{out}' exists. Pass --force.")
        found = predict_files(run, list(self.files), device=self.device, tta=self.tta)
        self._save(found, out, "predictions")

    def _save(self, found: Predicted, out: Path, what: str) -> None:
        from medgraft.errors import TableError
        from medgraft.files import replacing, write_text

        if not len(found.table):
            first = found.rejects.row(0, named=True)
            raise TableError(
                f"at least one file must be readable, and none was: '{first['path']}':"
                f" {first['reason']}. {first['remedy']}"
            )
        with replacing(out) as temporary:
            if out.suffix == ".csv":
                found.table.write_csv(temporary)
            else:
                found.table.write_parquet(temporary)
        print(f"{len(found.table)} {what}: {out}")
        rejects = out.with_name(f"{out.stem}.rejects.csv")
        rejects.unlink(missing_ok=True)  # of an earlier table that this one replaces
        if len(found.rejects):
            write_text(rejects, found.rejects.write_csv())
            for row in found.rejects.head(5).iter_rows(named=True):
                print(f"not read: {row['path']}: {row['reason']}")
            print(f"{len(found.rejects)} files could not be read: {rejects}")
