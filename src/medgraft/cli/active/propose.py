"""The command `medgraft active propose`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from medgraft.cli._called import called


@dataclass(frozen=True)
class Propose:
    """Train on the labels so far and queue what should be labelled next, with the reasons.

    The first time there is nothing to train on: typical images are chosen by the features of the
    weights, and others are drawn by chance to measure on. What was interrupted goes on where
    it was. Refuses (exit status 3) while readers have not finished the batches before.

    Example:
        medgraft active propose campaign
    """

    campaign: Annotated[Path, tyro.conf.Positional]
    """Folder that `medgraft active start` wrote."""
    unfinished: bool = False
    """Go on although images still wait for readers."""

    def run(self) -> None:
        """Train, choose, queue, report."""
        from medgraft.active.campaign.propose import propose
        from medgraft.report import write_report

        done = propose(self.campaign, command=called(), unfinished=self.unfinished)
        print(f"batch {done.number}: {done.learn} images to learn from, chosen by {done.by}")
        if done.measure:
            print(f"and {done.measure} drawn by chance to measure on, mixed among them")
        for note in done.notes:
            print(note)
        if done.run is not None:
            print(f"model: {write_report(done.run.path)}")
        print(f"label them: medgraft label {self.campaign}")
