"""The command `medgraft generate discriminate`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from pydantic import Field

from medgraft.cli._called import called
from medgraft.cli.train import Flags, value_of
from medgraft.train.recipe import Recipe, load_recipe


class Discriminating(Flags):
    """The recipe of both phases as flags."""

    task: tyro.conf.Suppress[tyro.conf.Fixed[Literal["classification"]]] = "classification"
    samples: tyro.conf.Suppress[tyro.conf.Fixed[str | None]] = None
    samples_as: tyro.conf.Suppress[tyro.conf.Fixed[Literal["generated"]]] = "generated"
    weights: str = Field(
        "imagenet", description="'none', 'imagenet', a .safetensors file or a run folder."
    )


@dataclass(frozen=True)
class Discriminate:
    """Make a discriminator of a trained network, feed it with samples, and let it diagnose.

    Phase 1: source weights learn the labels of a first medical set (--first). Phase 2: what came out
    is told real images of the second set from generated ones, and learns the diagnosis from those
    that have labels (Salimans et al. 2016). OUT/first and OUT/discriminator are ordinary run folders.
    Ctrl-C stops; the same command goes on.

    Examples:
        medgraft generate discriminate films.parquet --samples samples/samples.parquet --out runs/judge
        medgraft generate discriminate second.parquet --first first.parquet --samples samples/samples.parquet --labels-per-class 25 --strategy two-phase --out runs/both
    """

    index: Annotated[Path, tyro.conf.Positional]
    """Table of the second set, written by `medgraft index`; without a split it is split first."""
    samples: Path
    """Index of generated images like those of the second set, see `medgraft generate sample`."""
    out: Path
    """Folder of both runs; new, or one to go on with."""
    first: Path | None = None
    """Table of the first set; without one phase 2 begins with the weights."""
    settings: Discriminating = field(default_factory=Discriminating)
    recipe: Path | None = None
    """A recipe.yaml with defaults for all flags below."""

    def run(self) -> None:
        """Train what is missing, write the reports, show the second evaluation."""
        from medgraft.cli._evaluation import show
        from medgraft.files import read_json
        from medgraft.generate.discriminate import discriminate
        from medgraft.report import write_report

        asked = {**self.settings.model_dump(), "samples": str(self.samples)}
        runs = discriminate(
            self.index, self.out, Recipe(**asked), first=self.first, command=called()
        )
        pages = [write_report(run.path) for run in runs]
        show(read_json(runs[-1].evaluation))
        print()
        for page in pages:
            print(f"report: {page}")


def defaults(arguments: list[str]) -> dict[str, Any]:
    """Defaults of the flags: from the recipe that --recipe names."""
    file = value_of(arguments, "--recipe")
    if file is None:
        return {}
    missing: Any = tyro.MISSING
    fixed = {"task": "classification", "samples": None, "samples_as": "generated"}
    settings = Discriminating(**{**load_recipe(Path(file)).model_dump(), **fixed})
    return {"default": Discriminate(index=missing, samples=missing, out=missing, settings=settings)}
