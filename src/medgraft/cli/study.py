"""The command `medgraft study`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

if TYPE_CHECKING:
    from medgraft.study.launch import Spread
    from medgraft.study.launchers import Places
    from medgraft.tracking import Tracker


@dataclass(frozen=True)
class Study:
    """Many runs from a file: architectures, weights, cuts, strategies, labels, seeds; one answer.

    FILE (TOML or JSON) names an index, what all runs share, and axes along which they differ. Every
    run is an ordinary run folder in OUT/runs, named by a hash of its recipe and its rows. Ctrl-C
    stops; the same command goes on, repeats no finished run, and takes up values that were added to
    an axis. The page says with intervals what pretraining, size and family are worth on your
    images, and how small the network may be; study.parquet holds every number.

    Examples:
        medgraft study architectures.toml --out runs/architectures
        medgraft study architectures.toml --out runs/architectures --workers 2 --threads 1
        medgraft study large.toml --out runs/large --launch torchrun --workers 2
        medgraft study architectures.toml --out /shared/runs --launch ray --address auto --gpus 1
    """

    file: Annotated[Path, tyro.conf.Positional]
    """The study, see docs/how-to/run-a-study.md."""
    out: Path
    """Folder of the study; new, or one to go on with."""
    index: Path | None = None
    """Table written by `medgraft index`, instead of the one that the file names."""
    launch: str = "local"
    """local: several runs at a time; torchrun: one run at a time, trained by all processes; ray:
    several at a time over a cluster."""
    workers: int | None = None
    """Processes; as many as there are cores, or as the cluster has room for, if not given."""
    threads: int | None = None
    """Of each process; workers times threads never exceed the cores."""
    address: str | None = None
    """With --launch ray: HOST:PORT of a cluster, or auto; Ray on this machine alone if not given."""
    gpus: float | None = None
    """With --launch ray: GPUs of each run, or a part of one; none if not given."""
    track: str | None = None
    """mlflow, or mlflow:URI: mirror each run there, by default into OUT/mlflow.db."""

    def run(self) -> None:
        """Run what is missing, write the page, print the answer."""
        from medgraft.errors import ArgumentError
        from medgraft.files import read_json
        from medgraft.report import write_report, write_study
        from medgraft.study.file import load_study
        from medgraft.study.launch import check_made
        from medgraft.study.study import run_study

        asked = load_study(self.file)
        folder = self.file.resolve().parent
        if self.index is None and asked.index is None:
            raise ArgumentError(
                f"a study must have an index, but '{self.file}' names none. Write index = PATH"
                " into it, or pass --index."
            )
        tracker = self._tracker()
        outcomes = run_study(
            asked,
            folder,
            self.index or folder / str(asked.index),
            self.out,
            command=["medgraft", *sys.argv[1:]],
            finish=write_report,
            spread=self._spread(),
            mirror=None if tracker is None else tracker.mirror,
        )
        page = write_study(self.out)
        print("\n" + "\n".join(read_json(self.out / "study.json")["answer"]))
        print(f"\nreport: {page}")
        waiting = sum(outcome.waits for outcome in outcomes)
        if waiting:
            print(f"{waiting} of {len(outcomes)} runs wait: the same command goes on.")
        check_made(outcomes)

    def _tracker(self) -> Tracker | None:
        from medgraft.tracking import Tracker

        if self.track is None:
            return None
        return Tracker.of(self.track, experiment=self.out.absolute().name, folder=self.out)

    def _spread(self) -> Spread:
        from medgraft.study.launch import LOGS, Spread
        from medgraft.study.launchers import Places, launchers

        launcher = launchers.get(self.launch)
        logs = self.out / LOGS
        if self.launch == "ray":
            return Spread(launcher, self._places(logs))
        self._check_flags()
        return Spread(launcher, Places.of(logs, workers=self.workers, threads=self.threads))

    def _places(self, logs: Path) -> Places:
        from dataclasses import replace

        from medgraft.cluster import Cluster
        from medgraft.study.launchers import Places

        gpus = self.gpus or 0
        if self.address is not None:
            cluster = Cluster(self.address, 1 if self.threads is None else self.threads, gpus)
            return Places.on(cluster, logs, workers=self.workers)
        here = Places.of(logs, workers=self.workers, threads=self.threads)
        return replace(here, cluster=Cluster(None, here.threads, gpus))

    def _check_flags(self) -> None:
        from medgraft.errors import ArgumentError

        for flag, value in (("--address", self.address), ("--gpus", self.gpus)):
            if value is not None:
                raise ArgumentError(
                    f"{flag} belongs to --launch ray, got {value} with --launch {self.launch}."
                    " Leave it out, or pass --launch ray."
                )
