"""The command `medgraft active export`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Export:
    """Write the labels of a campaign as CSV, or an index to train on, or a sheet to read offline.

    A CSV file holds what every reader says as of now, a row per reading, as `medgraft active import`
    reads it. With --sheet it holds the images that a reader may still read, with an empty column to
    be filled in; those that are bought together stand together. A file that ends in .parquet
    becomes an index of the labelled images, to train on.

    Examples:
        medgraft active export campaign --out readings.csv
        medgraft active export campaign --out labelled.parquet
        medgraft active export campaign --sheet anna --out anna.csv
    """

    campaign: Annotated[Path, tyro.conf.Positional]
    """Folder that `medgraft active start` wrote."""
    out: Path
    """File to write, .csv or .parquet."""
    sheet: str | None = None
    """Name of the reader who will fill it in."""

    def run(self) -> None:
        """Write it and say how much it holds."""
        import polars as pl

        from medgraft.active.campaign.labelled import labelled
        from medgraft.active.campaign.settings import opened
        from medgraft.errors import ArgumentError
        from medgraft.index import Index

        suffix = self.out.suffix.lower()
        if suffix not in (".csv", ".parquet") or (suffix == ".parquet" and self.sheet):
            wanted = ".csv" if self.sheet else ".csv or .parquet"
            raise ArgumentError(f"--out must end in {wanted}, got '{self.out}'.")
        with opened(self.campaign) as campaign:
            index = Index.load(campaign.folder.index)
            if suffix == ".parquet":
                found = labelled(index, campaign.ledger.labels())
                found.save(self.out)
                print(f"{self.out}: {len(found)} labelled images")
                return
            columns = {"path": "path"}
            if campaign.settings.candidate is not None:
                columns["candidate"] = campaign.settings.candidate
            about = {
                name: dict(index.frame.select("image_id", pl.col(one).cast(pl.String)).iter_rows())
                for name, one in columns.items()
            }
            if self.sheet is None:
                count = campaign.ledger.export_csv(self.out, about=about)
                print(f"{self.out}: {count} readings")
            else:
                count = campaign.ledger.export_sheet(self.out, self.sheet, about=about)
                print(f"{self.out}: {count} images for {self.sheet}")
