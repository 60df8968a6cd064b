"""The command `medgraft generate train`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from medgraft.cli._called import called
from medgraft.cli.train import InOneLine, recipe_file
from medgraft.generate.recipe import Generating
from medgraft.train.recipe import load_recipe


class Flags(InOneLine, Generating):
    """The recipe of a generative model as flags."""


@dataclass(frozen=True)
class Train:
    """Learn to draw images like those of an index: a VAE, a DCGAN or both in one.

    It learns from the train part alone, labelled or not; images of the val part choose the epoch
    of a VAE, and test images are not opened. What went wrong (samples that are all alike, a
    discriminator that won) is said at the end and stands in the report.

    Examples:
        medgraft generate train films.parquet --model vae --out runs/vae
        medgraft generate train films.parquet --model dcgan:r1=1 --conditional --out runs/gan
        medgraft generate train films.parquet --model vae_gan --size 32 --out runs/both
    """

    index: Annotated[Path, tyro.conf.Positional]
    """Table written by `medgraft index`; labels are needed with --conditional alone."""
    out: Path
    """Folder of the run; new or empty."""
    settings: Flags = field(default_factory=Flags)
    recipe: Path | None = None
    """A recipe.yaml of such a run with defaults for all flags below."""
    resume: bool = False
    """Go on with the run in --out that was stopped."""

    def run(self) -> None:
        """Train, then write the report."""
        from medgraft.files import read_json
        from medgraft.generate.job import train_generator
        from medgraft.report import write_generation

        run = train_generator(
            self.index,
            self.out,
            Generating(**self.settings.model_dump()),
            command=called(),
            resume=self.resume,
        )
        if run is None:
            return  # the first process reports
        for trouble in read_json(run.generation)["troubles"]:
            print(f"warning: {trouble}")
        print(f"report: {write_generation(run.path)}")
        print(f"draw:   medgraft generate sample {run.path} --count 100 --out SAMPLES")


def defaults(arguments: list[str]) -> dict[str, Any]:
    """Defaults of the flags: from the recipe that --recipe names, or of the run to resume."""
    file = recipe_file(arguments)
    if file is None:
        return {}
    missing: Any = tyro.MISSING
    settings = Flags(**load_recipe(file, Generating).model_dump())
    return {"default": Train(index=missing, out=missing, settings=settings)}
