"""The command `medgraft pretrain`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from medgraft.cli._called import called
from medgraft.cli.train import InOneLine, recipe_file
from medgraft.pretext.recipe import Pretraining
from medgraft.train.recipe import load_recipe

if TYPE_CHECKING:
    from medgraft.runs import RunFolder


class Flags(InOneLine, Pretraining):
    """The recipe of a pretraining as flags."""


@dataclass(frozen=True)
class Pretrain:
    """Learn from the images of an index without their labels, to begin a training with.

    It learns from the training part and is chosen on the validation part; test images are not
    opened. The run folder is what `medgraft train --weights` takes, with the same backbone.

    Models Genesis and Semantic Genesis are covered by patents in the United States
    (10,956,785; 11,763,952; 12,469,315); using them there may need a licence.

    Examples:
        medgraft pretrain films.parquet --task models_genesis --size 64 --out runs/pre
        medgraft pretrain films.parquet --task jigsaw:tiles=2 --backbone resnet34 --out runs/two
    """

    index: Annotated[Path, tyro.conf.Positional]
    """Table written by `medgraft index`; labels are not needed."""
    out: Path
    """Folder of the run; new or empty."""
    settings: Flags = field(default_factory=Flags)
    recipe: Path | None = None
    """A recipe.yaml of a pretraining with defaults for all flags below."""
    resume: bool = False
    """Go on with the run in --out that was stopped."""

    def run(self) -> None:
        """Train, then write the report."""
        from medgraft.pretext.pretrain import pretrain
        from medgraft.report import write_pretraining

        run = pretrain(
            self.index,
            self.out,
            Pretraining(**self.settings.model_dump()),
            command=called(),
            resume=self.resume,
        )
        if run is not None:  # the first process reports
            print(f"report: {write_pretraining(run.path)}")
            print(f"use it: {following(self.index, run)}")


def following(index: Path, run: RunFolder) -> str:
    """The training that begins with a run: on its network, and of masks if there is nothing else."""
    from medgraft.index import Index

    recipe, indexed = load_recipe(run.recipe, Pretraining), Index.load(index)
    flags = [f"--backbone {recipe.backbone}"]
    flags += [f"--after {recipe.after}"] if recipe.after else []
    masks_alone = indexed.mask_classes is not None and not indexed.labels
    flags += ["--task segmentation"] if masks_alone else []
    return f"medgraft train {index} --weights {run.path} {' '.join(flags)} --out RUN"


def defaults(arguments: list[str]) -> dict[str, Any]:
    """Defaults of the flags: from the recipe that --recipe names, or of the run to resume."""
    file = recipe_file(arguments)
    if file is None:
        return {}
    missing: Any = tyro.MISSING
    settings = Flags(**load_recipe(file, Pretraining).model_dump())
    return {"default": Pretrain(index=missing, out=missing, settings=settings)}
