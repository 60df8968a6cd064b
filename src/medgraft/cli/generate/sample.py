"""The command `medgraft generate sample`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Sample:
    """Draw images from a trained generative model, as PNG files with an index of them.

    Sample 7 of a seed is the same image however many are drawn. Each file names the run, the seed
    and the number it comes from; each row of samples.parquet is marked as generated, and no
    command takes it into a validation or test part.

    Example:
        medgraft generate sample runs/vae --count 1000 --seed 1 --out samples
    """

    model: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Run folder that `medgraft generate train` wrote."""
    out: Path
    """Folder for the images; new or empty."""
    count: int = 100
    """How many."""
    seed: int = 0
    """Another seed gives other images."""
    start: int = 0
    """Number of the first, to go on where an earlier call ended."""
    label: str | None = None
    """Class of all, of a conditional model; else drawn in the shares of the training images."""
    device: str = "cpu"
    """'cpu', 'cuda' or 'cuda:1'."""

    def run(self) -> None:
        """Draw and write."""
        from medgraft.generate.generator import load_generator
        from medgraft.generate.samples import write_samples

        generator = load_generator(self.model, device=self.device)
        index = write_samples(
            generator, self.out, self.count, seed=self.seed, label=self.label, start=self.start
        )
        print(f"written  {self.count} samples and {index}")
