"""Do generated images help a diagnosis learnt from few labels? Three models, two sets, five seeds.

    .venv/bin/python studies/synthetic.py --data ../shared/data --out runs/synthetic

Sized for two cores and under half an hour: 64 pixels, one generator of each model, few epochs of it,
two numbers of labels. `--only histo-idc` runs one set, so that two can run at once. Stopped, it goes
on; rewrites its part of docs/results.md from what is finished.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pretraining import call, differences
from results_page import circumstances, run_study

IMAGENET = "weights/resnet18_to_layer3_imagenet.safetensors"
INDEX = "--layout csv --table labels.csv --path file --label label --patient"
TRAIN = (
    "--backbone resnet18 --after layer3 --size 64 --epochs 10 --batch-size 16 --rate 5e-4"
    " --precision bfloat16 --memory-format channels_last --threads 1 --least-steps 100"
    " --labels 25,100 --seeds 5 --generators 1"
    " --arms none,augment:vae,augment:dcgan,augment:vae_gan+screen,semi_supervised"
)


@dataclass(frozen=True)
class Experiment:
    """A set, and what differs from the other."""

    archive: str
    patient: str
    split: str
    flags: str

    @property
    def folder(self) -> str:
        """Name of its folder."""
        return self.archive

    def commands(self, data: Path, out: Path) -> list[list[str]]:
        """All that is done, in order."""
        index, weights = str(out / f"{self.archive}.parquet"), str(data / IMAGENET)
        given = [*shlex.split(TRAIN), *self.flags.split(), "--weights", weights]
        place = str(out / self.folder)
        return [
            ["index", str(data / self.archive), *INDEX.split(), self.patient, "--out", index],
            ["split", index, *self.split.split(), "--seed", "0"],
            ["generate", "study", index, *given, "--out", place],
        ]


EXPERIMENTS = (
    Experiment(
        "cxr-kermany",
        "group",
        "--test 0.2 --val 0.05",
        "--channels 1 --generating epochs=5,batch_size=32",
    ),
    Experiment(
        "histo-idc",
        "patient",
        "--test 0.3 --val 0.1",
        "--channels 3 --generating epochs=6,batch_size=32",
    ),
)


def run(experiment: Experiment, data: Path, out: Path) -> None:
    """Make what is missing of one experiment."""
    *first, study = experiment.commands(data, out)
    if not (out / f"{experiment.archive}.parquet").is_file():
        for command in first:
            call(command)
    call(study)


def section(experiment: Experiment, folder: Path) -> str:
    """Answer, commands, scores and differences of one experiment."""
    found = json.loads((folder / "generate-study.json").read_text())
    first = next(folder.glob("runs/none-*/run.json"))
    labels = found["labels"]
    heads = " | ".join(f"{n} labels" for n in labels)
    commands = experiment.commands(Path(), Path())
    return "\n".join(
        [
            f"### {experiment.folder}",
            "",
            found["answer"],
            "",
            "```",
            *(shlex.join(["medgraft", *command]) for command in commands),
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


def scores(one: dict[str, Any]) -> str:
    """An arm: its mean with interval, and each seed."""
    cells = [f"`{one['start']}`"]
    for point in one["points"]:
        each = ", ".join("–" if value is None else f"{value:.3f}" for value in point["scores"])
        cells.append(f"**{point['value']:.3f}** ({point['low']:.3f}–{point['high']:.3f}); {each}")
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    run_study(
        __doc__,
        EXPERIMENTS,
        run=run,
        section=section,
        result="generate-study.json",
        mark="synthetic",
    )
