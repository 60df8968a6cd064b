"""The command `medgraft train`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import tyro
from pydantic import BaseModel, ModelWrapValidatorHandler, ValidationError, model_validator

from medgraft.cli._called import called
from medgraft.errors import ArgumentError, MedgraftError
from medgraft.runs import RunFolder
from medgraft.spec import first_problem
from medgraft.train.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from medgraft.tracking import Tracker


class WrongFlagError(MedgraftError):
    """A flag is out of range; not a ValueError, which tyro would draw a box around."""


class InOneLine(BaseModel):
    """Settings as flags: what is wrong with them is said in one line."""

    @model_validator(mode="wrap")
    @classmethod
    def _in_one_line(cls, values: Any, check: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return check(values)
        except ValidationError as error:
            raise WrongFlagError(f"{first_problem(error, cls)}, in the flags.") from error


class Flags(InOneLine, Recipe):
    """The recipe as flags."""

    continues: tyro.conf.Suppress[tyro.conf.Fixed[str | None]] = None  # set by --continue


@dataclass(frozen=True)
class Train:
    """Train on an index, evaluate on patients it never saw, write the report.

    Labels are learnt unless --task segmentation asks for masks, which an index must then have.
    An index without a split is split by patient first. Ctrl-C saves and stops; a stopped run goes
    on with --resume. Under torchrun the same command trains with several processes.
    When new labelled images arrive, --continue goes on from a finished run: its network with its
    head, its recipe at a tenth of the rates; the report says what was forgotten.

    Examples:
        medgraft train films.parquet --out runs/films --size 128
        medgraft train films.parquet --out runs/again --recipe runs/films/recipe.yaml
        medgraft train cells.parquet --task segmentation --backbone unet2d --out runs/cells
        medgraft train newer.parquet --continue runs/films --out runs/newer
        torchrun --nproc-per-node 2 -m medgraft.cli train films.parquet --out runs/two
    """

    index: Annotated[Path, tyro.conf.Positional]
    """Table written by `medgraft index`."""
    out: Path
    """Folder of the run; new or empty."""
    settings: Flags = field(default_factory=Flags)
    recipe: Path | None = None
    """A recipe.yaml with defaults for all flags below."""
    resume: bool = False
    """Go on with the run in --out that was stopped."""
    continue_: Annotated[Path | None, tyro.conf.arg(name="continue", metavar="RUN")] = None
    """A finished run to go on from with new images: flags default to its recipe, slower."""
    track: str | None = None
    """mlflow, or mlflow:URI: mirror the run there, by default into mlflow.db beside its folder."""

    def run(self) -> None:
        """Train, then write the report."""
        from medgraft.tracking import tracked

        with tracked(self._tracker(), RunFolder(self.out)):
            self._train()

    def _train(self) -> None:
        from medgraft.cli._evaluation import show
        from medgraft.files import read_json
        from medgraft.report import write_report
        from medgraft.train.train import train

        run = train(
            self.index,
            self.out,
            Recipe(**self.settings.model_dump()),
            command=called(),
            resume=self.resume,
        )
        if run is None:
            return  # the first process reports
        page = write_report(run.path)
        show(read_json(run.evaluation))
        print(f"\nreport: {page}")

    def _tracker(self) -> Tracker | None:
        from medgraft.tracking import Tracker

        if self.track is None:
            return None
        folder = self.out.absolute().parent
        return Tracker.of(self.track, experiment=folder.name or "medgraft", folder=folder)


def defaults(arguments: list[str]) -> dict[str, Any]:
    """Defaults of the flags: from the recipe that --recipe names, or of the run to resume."""
    recipe = _recipe(arguments)
    if recipe is None:
        return {}
    missing: Any = tyro.MISSING
    settings = Flags(**recipe.model_dump())
    return {"default": Train(index=missing, out=missing, settings=settings)}


def _recipe(arguments: list[str]) -> Recipe | None:
    file, earlier = recipe_file(arguments), value_of(arguments, "--continue")
    if earlier is None or "--resume" in arguments:  # a run to resume has its recipe already
        return None if file is None else load_recipe(file)
    if file is not None:
        raise ArgumentError(
            f"--continue takes the recipe of its run, got --recipe '{file}' as well. Leave one out."
        )
    from medgraft.train.continuing import continued

    return continued(RunFolder(Path(earlier)))


def recipe_file(arguments: list[str]) -> Path | None:
    """What --recipe names, or the recipe of the run to resume."""
    file = value_of(arguments, "--recipe")
    if file is None and "--resume" in arguments and (out := value_of(arguments, "--out")):
        kept = Path(out) / "recipe.yaml"
        return kept if kept.is_file() else None
    return None if file is None else Path(file)


def value_of(arguments: list[str], flag: str) -> str | None:
    """What stands after a flag, before the flags are parsed."""
    for place, argument in enumerate(arguments):
        if argument == flag and place + 1 < len(arguments):
            return arguments[place + 1]
        if argument.startswith(f"{flag}="):
            return argument.partition("=")[2]
    return None
