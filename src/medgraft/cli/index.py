"""The command `medgraft index`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from medgraft.cli._nodes import Nodes

if TYPE_CHECKING:
    from medgraft.index.build import Built
    from medgraft.index.layouts import Asked
    from medgraft.index.table import Index as Table


Word = Annotated[str, tyro.conf.arg(help_behavior_hint="")]  # empty if not given


@dataclass(frozen=True)
class Index:
    """Find the images in a folder, whose they are, and what is known of them.

    Each image is decoded once; what cannot be read stands beside the index, such as in
    films.rejects.csv, with its reason. The images themselves are neither moved nor copied. Of a table, columns
    whose names leave no doubt are taken without being named, and the output says which.

    Examples:
        medgraft index films --out films.parquet
        medgraft index films --table labels.csv --path file --label label --patient patient
        medgraft index cells --layout image_mask --mask-classes background=0,nucleus=255
        medgraft index films --update --out films.parquet
        medgraft index /shared/archive --out /shared/archive.parquet --ray --address auto
        medgraft index films --patient-from '(?P<patient>P[0-9]+)_' --out films.parquet
    """

    source: Annotated[Path, tyro.conf.Positional]
    """Folder with the images, or an .npz archive."""
    out: Path = Path("index.parquet")
    """Index to write."""
    layout: str = "auto"
    """How the images lie (see `medgraft list layouts`); auto looks which layout fits."""
    table: str | None = None
    """Table with a row per image, relative to SOURCE or to the current folder."""
    path: str | None = None
    """Column of the table with the path of each image, or a pattern such as png/{ref}.png."""
    label: Word = ""
    """Columns that hold labels, separated by commas; none if there is none."""
    patient: Word = ""
    """Column with the patient; none if there is none."""
    patient_from: str | None = None
    """A column, or a regular expression with (?P<patient>...) that is searched in each path."""
    group: str | None = None
    """Column with what must not cross a split: site, slide, video."""
    mask: Word = ""
    """Column with the path of the mask; none if there is none."""
    mask_classes: str | None = None
    """Names and numbers in the masks, the background first: background=0,nucleus=255."""
    view: str | None = None
    """Column with the view, such as PA."""
    study: str | None = None
    """Column with the examination."""
    laterality: str | None = None
    """Column with the side."""
    split: str | None = None
    """Column that says train, val or test."""
    no_decode: bool = False
    """Only hash the files: faster, but damaged and near-identical images are not found."""
    workers: int | None = None
    """Processes; one per processor if not given."""
    update: bool = False
    """Replace an index that exists, and open only files whose size or time has changed since; what
    was found in them is kept beside it, such as in films.measured.parquet."""
    force: bool = False
    """Replace an index that exists."""
    nodes: Nodes = field(default_factory=Nodes)

    def run(self) -> None:
        """Index, save, and say what was found."""
        from medgraft.errors import ArgumentError, OutputError
        from medgraft.index.build import build
        from medgraft.index.masks import MaskClasses
        from medgraft.index.table import beside

        out = self.out / "index.parquet" if self.out.is_dir() else self.out
        if out.suffix != ".parquet":
            raise ArgumentError(f"--out must name a .parquet file, got '{out}'.")
        if out.exists() and not (self.force or self.update):
            raise OutputError(
                f"--out must not exist yet, but '{out}' does, perhaps with a split."
                " Choose another name or pass --force, or --update to open only what is new."
            )
        if self.workers is not None and self.workers < 0:
            raise ArgumentError(f"--workers must be 0 or more, got {self.workers}.")
        if self.workers is not None and self.nodes.ray:
            raise ArgumentError(
                f"--workers are processes of this machine, got {self.workers} with --ray. Leave it"
                " out, or say how many --processes."
            )
        with self.nodes.crew():
            built = build(
                self.source,
                layout=self.layout,
                asked=self._asked(),
                patient_from=self.patient_from,
                mask_classes=MaskClasses.parse(self.mask_classes) if self.mask_classes else None,
                decode=not self.no_decode,
                workers=self.workers,
                remembered=beside(out, "measured.parquet") if self.update else None,
            )
        built.index.save(out)
        built.index.save_rejects(out)
        _report(built, out)

    def _asked(self) -> Asked:
        from medgraft.index.layouts import Asked

        labels = tuple(name.strip() for name in self.label.split(",") if name.strip())
        return Asked(
            table=self.table,
            path=self.path,
            label=labels,
            patient=self.patient or None,
            group=self.group,
            mask=self.mask or None,
            view=self.view,
            study=self.study,
            laterality=self.laterality,
            split=self.split,
        )


def _report(built: Built, out: Path) -> None:
    """Say what was found, and what the user has to know before trusting a number."""
    from medgraft.index.summary import label_lines, mask_line, summarise
    from medgraft.index.table import beside

    index, said = built.index, summarise(built.index)
    print(f"layout    {built.layout}: {built.why}")
    if built.guessed:
        print(f"columns   {built.guessed}")
    again = f" ({built.recalled} as they were, not opened again)" if built.recalled else ""
    print(f"images    {said['images']}{again}")
    print(f"patients  {'unknown' if said['patients'] is None else said['patients']}")
    first, *others = label_lines(index)
    print(f"labels    {first}")
    for line in others:
        print(f"          {line}")
    if index.mask_classes is not None:
        print(f"masks     {mask_line(index)}")
    rejected = index.rejects.height
    print(f"rejected  {rejected}" + (f" (see {beside(out, 'rejects.csv')})" if rejected else ""))
    for path, reason, _ in index.rejects.head(3).iter_rows():
        print(f"  {path}: {reason}")
    for note in built.notes:
        print(f"note: {note}")
    _print_warnings(built)
    print(f"written   {out}")


def _print_warnings(built: Built) -> None:
    from medgraft.errors import LeakageError
    from medgraft.index.split import check_split

    index = built.index
    if not index.patients_known:
        print(
            "warning: patients are unknown, so splits and intervals are by image; if one patient"
            " has several images, results will look better than they are. Name the patient with"
            " --patient or --patient-from."
        )
    elif missing := index.frame["patient_id"].null_count():
        print(f"warning: {missing} images have no patient; each counts as one of its own.")
    if _one_class(index):
        print(
            "warning: there is one class only, so `medgraft train` has nothing to tell apart;"
            " index a folder that holds another class too, or name a column with --label."
        )
    if "orig_split" in index.frame.columns:
        print("note: the data come with a split; `medgraft split INDEX --original` takes it over")
    try:
        check_split(index)
    except LeakageError as error:
        print(f"warning: {error}")


def _one_class(index: Table) -> bool:
    """Whether there are labels, and a classifier cannot be made of them."""
    from medgraft.errors import TableError
    from medgraft.index.target import Target

    try:
        Target.of(index)
    except TableError:
        return bool(index.labels)
    return False
