"""The command `medgraft generate quality`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from medgraft.cli._called import called


@dataclass(frozen=True)
class Quality:
    """Say what the samples of a generative model are worth, with intervals, and whether it memorises.

    Samples and real images that the model has not learnt from are compared with its training images
    in the features of a network: Fréchet and kernel distance, precision, recall, density and coverage,
    how various samples are, and whether they lie nearer to training images than unseen images do. What
    the unseen images get is what a perfect model would get.

    Examples:
        medgraft generate quality runs/vae
        medgraft generate quality runs/gan --backbone resnet18 --weights runs/films --after layer3 --out judged
    """

    model: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Run folder that `medgraft generate train` wrote."""
    index: Path | None = None
    """Another index to compare with; that of the run if not given."""
    out: Path | None = None
    """New folder for quality.json, quality.html and the sheet; RUN/quality if not given."""
    backbone: str = "mobilenetv2_100"
    """Network that looks at the images; see `medgraft list backbones`."""
    weights: str = "imagenet"
    """'imagenet', a .safetensors file, a run folder or 'none'."""
    after: str | None = None
    """Stage whose maps are compared; the last if not given."""
    images: int = 1000
    """Images of each set, at most; all sets are as large as the smallest."""
    split: str = "val"
    """Part of the index that the model has not learnt from."""
    neighbours: int = 5
    """Neighbours that say how wide the region around an image is."""
    replicates: int = 200
    """Bootstrap replicates of each interval."""
    seed: int = 0
    """Of the samples, of the images drawn and of the replicates."""
    device: str = "auto"
    """Where to compute."""

    def run(self) -> None:
        """Judge, write the page, print the table."""
        from medgraft.errors import ArgumentError
        from medgraft.generate.quality.features import Seeing
        from medgraft.generate.quality.job import Asked, judge_generator
        from medgraft.report import write_generation
        from medgraft.report.quality import table, write_quality
        from medgraft.runs import RunFolder

        for name, least in (("images", 2), ("neighbours", 1), ("replicates", 0), ("seed", 0)):
            if getattr(self, name) < least:
                raise ArgumentError(
                    f"--{name} must be at least {least}, got {getattr(self, name)}."
                )
        run = RunFolder.existing(self.model)
        out = self.out or run.quality
        found = judge_generator(
            run,
            out,
            Seeing(self.backbone, self.weights, self.after, self.device),
            Asked(self.images, self.split, self.neighbours, self.replicates, self.seed),
            index_path=self.index,
            command=called(),
        )
        page = write_quality(out)
        if out == run.quality:
            write_generation(run.path)
        print(f"{'':<20} {'samples':<28} unseen images")
        for row in table(found):
            print(f"{row.name:<20} {row.samples:<28} {row.unseen}")
        print(f"\nreport: {page}")
