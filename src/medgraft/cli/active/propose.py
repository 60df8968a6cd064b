"""The command `medgraft active propose`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from medgraft.cli._called import called
from medgraft.cli._nodes import Nodes


@dataclass(frozen=True)
class Propose:
    """Train on the labels so far and queue what should be labelled next, with the reasons.

    The first time there is nothing to train on: typical images are chosen by the features of the
    weights, and others are drawn by chance to measure on. What was interrupted goes on where
    it was. Refuses (exit status 3) while readers have not finished the batches before.

    With --ray the images of the pool pass the network on the nodes of a cluster; training stays here.

    Examples:
        medgraft active propose campaign
        medgraft active propose campaign --ray --address 10.0.0.1:6379 --gpus 1
    """

    campaign: Annotated[Path, tyro.conf.Positional]
    """Folder that `medgraft active start` wrote."""
    unfinished: bool = False
    """Go on although images still wait for readers."""
    nodes: Nodes = field(default_factory=Nodes)

    def run(self) -> None:
        """Train, choose, queue, report."""
        from medgraft.active.campaign.propose import propose
        from medgraft.active.elsewhere import passing_by
        from medgraft.report import write_report

        with self.nodes.crew() as crew, passing_by(crew, self.campaign / "nodes") as nodes:
            done = propose(
                self.campaign, command=called(), unfinished=self.unfinished, elsewhere=nodes
            )
        print(f"batch {done.number}: {done.learn} images to learn from, chosen by {done.by}")
        if done.measure:
            print(f"and {done.measure} drawn by chance to measure on, mixed among them")
        for note in done.notes:
            print(note)
        if done.run is not None:
            print(f"model: {write_report(done.run.path)}")
        print(f"label them: medgraft label {self.campaign}")
