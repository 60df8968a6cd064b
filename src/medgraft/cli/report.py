"""The command `medgraft report`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Report:
    """Write the page of a run or an experiment again, or lay several runs over one another.

    One RUN: its figures, report.html and card.md are made anew from its saved files, in the
    run folder itself or in --out. A folder of a study, a transfer, a pretrain-study, a generate
    study, a simulation, advice or a discovery: its page, in the folder; the folder says what it is. Several runs: one page compares them, with a polygon per run in
    one hexagon; it needs --out. It is the page of `medgraft compare`, but runs that were not
    judged on the same rows are shown side by side instead of refused. A folder that
    `medgraft evaluate` wrote will do as well.

    Examples:
        medgraft report runs/vanilla
        medgraft report runs/architectures
        medgraft report runs/vanilla runs/transfer --out both
    """

    runs: Annotated[
        tuple[Path, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="RUN [RUN ...]", help_behavior_hint="(at least one)"),
    ]
    """Folders of runs or evaluations, or one of an experiment."""
    out: Path | None = None
    """A new or empty folder for the page. With one run the default is the run folder."""

    def run(self) -> None:
        """Write the page and print where it lies."""
        from medgraft.errors import ArgumentError
        from medgraft.files import check_free, new_folder
        from medgraft.report import write_again, write_comparison

        if not self.runs:
            raise ArgumentError("report needs at least one RUN folder, got none.")
        if len(self.runs) > 1 and self.out is None:
            raise ArgumentError(
                f"--out must name a folder when runs are compared, got {len(self.runs)} runs"
                " and no --out."
            )
        if len(self.runs) == 1:
            out = None if self.out is None else check_free(self.out)
            print(write_again(self.runs[0], out=out))
        elif self.out is not None:
            print(write_comparison(self.runs, new_folder(self.out)))
