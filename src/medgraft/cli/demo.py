"""The command `medgraft demo`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from medgraft.cli._called import called

if TYPE_CHECKING:
    from medgraft.index.build import Built
    from medgraft.index.layouts import Asked
    from medgraft.index.table import Index

PATIENTS, VIEWS, SIDE = 600, 2, 96
EPOCHS = 20


Word = Annotated[str, tyro.conf.arg(help_behavior_hint="")]  # empty if not given


@dataclass(frozen=True)
class Demo:
    """Run the main job from images to report: on synthetic films, or on your own folder.

    Without --data it draws phantoms, which are never clinical data. With --data it takes a
    folder whose layout it knows by sight (class folders, or a table of labels), and checks it
    before it makes the folder --out.

    Examples:
        medgraft demo --out demo
        medgraft demo --data films --out films-demo
        medgraft demo --data films --table labels.csv --path file --label label --patient patient
    """

    out: Path = Path("demo")
    """New folder for the images, the index and the run."""
    data: Path | None = None
    """Folder of real images; phantoms if not given."""
    layout: str = "auto"
    """With --data: how the images lie (see `medgraft list layouts`)."""
    table: str | None = None
    """With --data: table with a row per image."""
    path: str | None = None
    """With --data: column with the path of each image."""
    label: Word = ""
    """With --data: column with the label."""
    patient: Word = ""
    """With --data: column with the patient."""
    patient_from: str | None = None
    """With --data: regular expression with (?P<patient>...), searched in each path."""
    group: str | None = None
    """With --data: column with what must not cross a split."""
    mask: Word = ""
    """With --data: column with the path of the mask; none if there is none."""
    epochs: int = EPOCHS
    """Passes over the training images."""
    size: int = 64
    """Side of the prepared image, in pixels."""
    seed: int = 0
    """Seed of everything random."""

    def run(self) -> None:
        """Index, split, train, report."""
        from medgraft.cli._evaluation import show
        from medgraft.files import check_free, new_folder, read_json
        from medgraft.index.summary import table
        from medgraft.report import write_report
        from medgraft.train.recipe import check_recipe
        from medgraft.train.train import train

        settings = {"size": self.size, "epochs": self.epochs, "seed": self.seed}
        recipe = check_recipe(settings, where="the flags")
        self._refuse_flags_of_data()
        check_free(self.out)
        index = self._divided(self.data or self._phantoms())
        if self.data:
            new_folder(self.out)
        path = self.out / "index.parquet"
        index.save(path)
        index.save_rejects(path)
        print(table(index))
        run = train(path, self.out / "run", recipe, command=called())
        assert run is not None  # there is one process
        page = write_report(run.path)
        show(read_json(run.evaluation))
        print(f"\nreport: {page.absolute()}")

    def _divided(self, source: Path) -> Index:
        """The images indexed and split, and whether they can be trained on checked."""
        from medgraft.index.build import build
        from medgraft.index.split import split
        from medgraft.index.target import Target

        layout = self.layout if self.data else "csv"
        built = build(source, layout=layout, asked=self._asked(), patient_from=self.patient_from)
        _report(built)
        Target.of(built.index)
        return split(built.index, test=0.25, val=0.15, seed=self.seed)

    def _refuse_flags_of_data(self) -> None:
        from medgraft.errors import ArgumentError

        names = ("table", "path", "label", "patient", "patient_from", "group", "mask")
        given = [name for name in names if getattr(self, name)]
        if given and self.data is None:
            flag = given[0].replace("_", "-")
            raise ArgumentError(f"--{flag} speaks of your own images: give --data DIR with it.")

    def _phantoms(self) -> Path:
        from medgraft.phantoms import write_archive

        table = write_archive(
            self.out / "phantoms", patients=PATIENTS, views=VIEWS, side=SIDE, seed=self.seed
        )
        print(f"{PATIENTS * VIEWS} synthetic films, not clinical data: {table.parent}")
        return table.parent

    def _asked(self) -> Asked:
        from medgraft.index.layouts import Asked

        if self.data is None:
            return Asked(
                "labels.csv", path="file", label=("label",), patient="patient", mask="none"
            )
        label = (self.label,) if self.label else ()
        return Asked(
            self.table,
            path=self.path,
            label=label,
            patient=self.patient or None,
            group=self.group,
            mask=self.mask or None,
        )


def _report(built: Built) -> None:
    print(f"layout   {built.layout}: {built.why}")
    if built.guessed:
        print(f"columns  {built.guessed}")
    rejects = built.index.rejects
    if rejects.height:
        path, reason, _ = rejects.row(0)
        print(f"rejected {rejects.height} rows, such as '{path}': {reason}")
