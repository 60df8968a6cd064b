"""The command `medgraft generate screen`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from medgraft.cli._called import called


@dataclass(frozen=True)
class Screen:
    """Score samples by a discriminator that diagnoses, and keep the representative ones.

    The score of a sample is the probability that it is a real image times the probability of its class:
    that which it was drawn for, else the likeliest. The same share of each class is kept. The images
    stay where they are; the new index names the kept ones, with their labels and scores.

    Example:
        medgraft generate screen runs/discriminator samples/samples.parquet --keep 0.5 --out screened
    """

    run_folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Run that was trained beside generated images (`medgraft generate discriminate`)."""
    samples: Annotated[Path, tyro.conf.Positional]
    """Index that `medgraft generate sample` wrote."""
    out: Path
    """New folder for the index, screening.json, screening.html and the sheets."""
    keep: float = 0.5
    """Share of the samples of each class to keep."""
    device: str = "auto"
    """Where to compute."""

    def run(self) -> None:
        """Screen, write the page, say what was kept."""
        from medgraft.generate.screening import KEPT, screen
        from medgraft.report.screening import write_screening
        from medgraft.runs import RunFolder

        found = screen(
            RunFolder.existing(self.run_folder),
            self.samples,
            self.out,
            keep=self.keep,
            device=self.device,
            command=called(),
        )
        page = write_screening(self.out)
        for name, counts in found["classes"].items():
            print(f"{name}: {counts['kept']} of {counts['images']} samples kept")
        print(f"index:  {self.out / KEPT}\nreport: {page}")
