"""The command `medgraft generate study`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from pydantic import Field

from medgraft.cli._called import called
from medgraft.cli.train import Flags, value_of
from medgraft.train.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from medgraft.study.synthetic import Experiment


class Trainings(Flags):
    """The recipe of the trainings as flags; the experiment sets labels and samples."""

    task: tyro.conf.Suppress[tyro.conf.Fixed[Literal["classification"]]] = "classification"
    samples: tyro.conf.Suppress[tyro.conf.Fixed[str | None]] = None
    samples_as: tyro.conf.Suppress[tyro.conf.Fixed[Literal["generated"]]] = "generated"
    samples_weight: tyro.conf.Suppress[tyro.conf.Fixed[float]] = 1.0
    labels_per_class: tyro.conf.Suppress[tyro.conf.Fixed[int | None]] = None
    seed: int = Field(0, ge=0, description="Seed of the split and of the first runs.")


FIXED = {
    "task": "classification",
    "samples": None,
    "samples_as": "generated",
    "samples_weight": 1.0,
    "labels_per_class": None,
}


@dataclass(frozen=True)
class Study:
    """Do generated images help here? Arms times labels times seeds, with intervals.

    Generators learn from the whole training part without its labels; then the diagnosis is learnt from
    few labels, helped or not, on the same rows, with the same labels and as many steps. An arm is none,
    augment:MODEL (samples with the labels that `none` gives them), augment:MODEL+screen (named and chosen
    by a discriminator) or semi_supervised[:MODEL] (real or generated is learnt as well). MODEL may be the
    folder of a run of `medgraft generate train`, which is then not trained again. Ctrl-C stops; the same
    command goes on, and repeats no finished run.

    Example:
        medgraft generate study films.parquet --size 64 --labels 25,50,100 --arms none,augment:vae,augment:dcgan,augment:vae_gan+screen,semi_supervised --seeds 5 --out runs/help
    """

    index: Annotated[Path, tyro.conf.Positional]
    """Table written by `medgraft index`, with labels; without a split it is split once."""
    out: Path
    """Folder of the experiment; new, or one to go on with."""
    arms: str = "none,augment:vae,augment:vae+screen,semi_supervised"
    """What is compared with none, which is always among them."""
    labels: str = "25,50,100"
    """Labelled training images of each class."""
    seeds: int = 5
    """Trainings of each arm with each number of labels; each seed draws other labels."""
    generators: int | None = None
    """Trainings of each model, with which the others take turns; one per seed if not given."""
    samples: Annotated[int, tyro.conf.arg(name="draw")] = 1000
    """Samples that each generator draws."""
    keep: float = 0.5
    """Share of them that a screening keeps."""
    generating: str = ""
    """Settings of all generators, such as epochs=20,batch_size=64."""
    least_steps: int = 100
    """Steps that each training has at least: few labels make short epochs."""
    settings: Trainings = field(default_factory=Trainings)
    recipe: Path | None = None
    """A recipe.yaml with defaults for all flags of train."""

    def run(self) -> None:
        """Run what is missing, write the page, print the answer."""
        from medgraft.files import read_json
        from medgraft.report import write_any_report, write_synthetic_study
        from medgraft.study.launch import check_made
        from medgraft.study.synthetic import study_synthetic

        asked = self._asked()
        outcomes = study_synthetic(
            self.index, self.out, asked, command=called(), finish=write_any_report
        )
        page = write_synthetic_study(self.out, replicates=asked.tuning.replicates)
        print(f"\n{read_json(self.out / 'generate-study.json')['answer']}\n\nreport: {page}")
        check_made(outcomes)

    def _asked(self) -> Experiment:
        from medgraft.cli.pretrain_study import numbers
        from medgraft.study.synthetic import Experiment, read_generating
        from medgraft.study.synthetic_arms import read_synthetic_arms

        tuning = Recipe(**self.settings.model_dump())
        return Experiment(
            arms=read_synthetic_arms(self.arms),
            labels=numbers(self.labels),
            seeds=self.seeds,
            generators=self.seeds if self.generators is None else self.generators,
            samples=self.samples,
            keep=self.keep,
            tuning=tuning,
            generating=read_generating(self.generating, tuning),
            least_steps=self.least_steps,
        )


def defaults(arguments: list[str]) -> dict[str, Any]:
    """Defaults of the flags: from the recipe that --recipe names."""
    file = value_of(arguments, "--recipe")
    if file is None:
        return {}
    missing: Any = tyro.MISSING
    kept = {**load_recipe(Path(file)).model_dump(), **FIXED}
    return {"default": Study(index=missing, out=missing, settings=Trainings(**kept))}
