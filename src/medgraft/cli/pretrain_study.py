"""The command `medgraft pretrain-study`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from pydantic import Field

from medgraft.cli._called import called
from medgraft.cli.train import Flags, value_of
from medgraft.train.recipe import load_recipe

if TYPE_CHECKING:
    from medgraft.study.pretraining import Experiment


class Tuning(Flags):
    """The recipe of the tunings as flags; the experiment sets weights and labels."""

    weights: tyro.conf.Suppress[tyro.conf.Fixed[str]] = "none"
    labels_per_class: tyro.conf.Suppress[tyro.conf.Fixed[int | None]] = None
    seed: int = Field(0, ge=0, description="Seed of the split and of the first runs.")


@dataclass(frozen=True)
class PretrainStudy:
    """What is a pretraining worth here? Tasks times labels times seeds, with intervals.

    Learns every task from the whole training part without its labels, then tunes on few labels from
    those weights and from random ones, on the same rows with the same labels, and draws the score
    against the labels: AUROC, or Dice with --task segmentation. Ctrl-C stops; the same command goes on,
    and repeats no finished run. Tasks are separated by commas, each TASK[+semantic][@KEY=VALUE,...];
    none, random weights, is always among them.

    Models Genesis and Semantic Genesis are covered by patents in the United States
    (10,956,785; 11,763,952; 12,469,315); using them there may need a licence.

    Examples:
        medgraft pretrain-study films.parquet --out runs/worth --size 64 --tasks none,autoencoder,models_genesis --labels 10,25,50,100 --seeds 5 --pretraining epochs=10,batch_size=32
        medgraft pretrain-study ct.parquet --out runs/volumes --task segmentation --backbone unet3d --tasks inpainting,inpainting+semantic --labels 5,10 --discovery patterns=20,neighbours=40
    """

    index: Annotated[Path, tyro.conf.Positional]
    """Table written by `medgraft index`; without a split it is split once."""
    out: Path
    """Folder of the experiment; new, or one to go on with."""
    tasks: str = "none,autoencoder,inpainting,models_genesis,semantic_genesis"
    """What to begin with; see `medgraft list pretexts`."""
    labels: str = "10,25,50,100"
    """Labelled training images: of each class, or with a mask."""
    seeds: int = 5
    """Tunings of each start with each number of labels; each seed draws other labels."""
    pretrainings: int | None = None
    """Pretrainings of each task, with which the tunings take turns; one per seed if not given."""
    pretraining: str = ""
    """Settings of all pretrainings, such as epochs=20,batch_size=32,rate=1e-3."""
    discovery: str = ""
    """Settings of all discoveries, as of `medgraft discover`, such as patterns=24,size=96,crop=64."""
    least_steps: int = 100
    """Steps that each tuning has at least: few labels make short epochs, and random weights need longer."""
    settings: Tuning = field(default_factory=Tuning)
    recipe: Path | None = None
    """A recipe.yaml with defaults for all flags of train."""

    def run(self) -> None:
        """Run what is missing, write the page, print the answer."""
        from medgraft.files import read_json
        from medgraft.report import write_any_report, write_pretraining_study
        from medgraft.study.launch import check_made
        from medgraft.study.pretraining import study_pretraining

        asked = self._asked()
        outcomes = study_pretraining(
            self.index,
            self.out,
            asked,
            command=called(),
            finish=write_any_report,
        )
        page = write_pretraining_study(self.out, replicates=asked.tuning.replicates)
        print(f"\n{read_json(self.out / 'pretrain-study.json')['answer']}\n\nreport: {page}")
        check_made(outcomes)

    def _asked(self) -> Experiment:
        from medgraft.pretext.recipe import Pretraining
        from medgraft.study.pretraining import Experiment, read_discovery
        from medgraft.study.starts import SHARED, own_settings, read_starts
        from medgraft.train.recipe import Recipe, check_recipe

        tuning = Recipe(**self.settings.model_dump())
        shared = {key: getattr(tuning, key) for key in SHARED}
        own = own_settings(self.pretraining, "--pretraining")
        return Experiment(
            starts=read_starts(self.tasks),
            labels=numbers(self.labels),
            seeds=self.seeds,
            pretrainings=self.seeds if self.pretrainings is None else self.pretrainings,
            tuning=tuning,
            pretraining=check_recipe({**shared, **own}, Pretraining, where="--pretraining"),
            discovery=read_discovery(self.discovery, tuning),
            least_steps=self.least_steps,
        )


def numbers(text: str) -> list[int]:
    """Numbers of labels, as they are written in a flag."""
    from medgraft.errors import ArgumentError

    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ArgumentError(
            f"--labels must be whole numbers such as 10,25,50, got {text!r}."
        ) from None


def defaults(arguments: list[str]) -> dict[str, Any]:
    """Defaults of the flags: from the recipe that --recipe names."""
    file = value_of(arguments, "--recipe")
    if file is None:
        return {}
    missing: Any = tyro.MISSING
    kept = {**load_recipe(Path(file)).model_dump(), "weights": "none", "labels_per_class": None}
    return {"default": PretrainStudy(index=missing, out=missing, settings=Tuning(**kept))}
