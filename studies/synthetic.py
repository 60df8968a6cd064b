"""Do generated images help a diagnosis learnt from few labels? Three models, two sets, five seeds.

    .venv/bin/python studies/generate.py --data ../shared/data --out runs/generation
    .venv/bin/python studies/synthetic.py --data ../shared/data --out runs/synthetic

The generators are those of studies/generate.py, which must be finished, and so is the split.
Sized for two cores and half an hour: 64 pixels, one generator of each model, three numbers of
labels. `--only histo-idc` runs one set, so that two can run at once. Stopped, it goes on; rewrites
its part of docs/results.md from what is finished.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

from pretraining import call, differences, scores
from results_page import circumstances, run_study

from generate import index_of

GENERATION = "generation"  # folder of studies/generate.py, beside that of this study
IMAGENET = "weights/resnet18_to_layer3_imagenet.safetensors"
TRAIN = (
    "--backbone resnet18 --after layer3 --size 64 --epochs 10 --batch-size 16 --rate 5e-4"
    " --precision bfloat16 --memory-format channels_last --threads 1 --least-steps 100"
    " --labels 25,50,100 --seeds 5 --generators 1"
)
ARMS = "none,augment:{0}/vae,augment:{0}/dcgan,augment:{0}/vae_gan+screen,semi_supervised:{0}/dcgan"


@dataclass(frozen=True)
class Experiment:
    """A set, and what differs from the other."""

    archive: str
    flags: str

    @property
    def folder(self) -> str:
        """Name of its folder."""
        return self.archive

    def generators(self, out: Path) -> Path:
        """Folder of the runs of studies/generate.py on this set."""
        return out.parent / GENERATION / self.archive

    def command(self, data: Path, out: Path) -> list[str]:
        """The study itself."""
        index = self.generators(out).with_suffix(".parquet")
        arms = ARMS.format(self.generators(out))
        given = [*shlex.split(TRAIN), *self.flags.split(), "--weights", str(data / IMAGENET)]
        place = str(out / self.folder)
        return ["generate", "study", str(index), *given, "--arms", arms, "--out", place]


EXPERIMENTS = (
    Experiment("cxr-kermany", "--channels 1"),
    Experiment("histo-idc", "--channels 3"),
)


def run(experiment: Experiment, data: Path, out: Path) -> None:
    """Make what is missing of one experiment."""
    index_of(experiment.archive, data, out.parent / GENERATION)
    call(experiment.command(data, out))


def section(experiment: Experiment, folder: Path) -> str:
    """Answer, commands, scores and differences of one experiment."""
    found = json.loads((folder / "generate-study.json").read_text())
    first = next(folder.glob("runs/none-*/run.json"))
    labels = found["labels"]
    heads = " | ".join(f"{n} labels" for n in labels)
    command = shlex.join(["medgraft", *experiment.command(Path(), Path("runs", "synthetic"))])
    return "\n".join(
        [
            f"### {experiment.folder}",
            "",
            found["answer"],
            "",
            "```",
            command,
            "```",
            "",
            f"| arm | {heads} |",
            "|" + " --- |" * (len(labels) + 1),
            *(scores(one) for one in found["starts"]),
            "",
            f"| difference | {heads} |",
            "|" + " --- |" * (len(labels) + 1),
            *differences(found["gains"]),
            "",
            f"Labels are per class. {found['n_images']:,} test images of {found['n_patients']:,} patients; intervals"
            f" draw patients and seeds. {circumstances(json.loads(first.read_text()))}",
            "",
        ]
    )


if __name__ == "__main__":
    run_study(
        __doc__,
        EXPERIMENTS,
        run=run,
        section=section,
        result="generate-study.json",
        mark="synthetic",
    )
