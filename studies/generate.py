"""What generative models draw of two real sets, and what that is worth; and what stabilises them.

    .venv/bin/python studies/generate.py --data ../shared/data --out runs/generation

A VAE, a DCGAN and a VAE/GAN at 64 pixels of each set, judged by Fréchet and kernel distance,
precision, recall, density, coverage and copying; then the DCGAN of one set with one stabiliser more
or fewer, twice each. Sized: `PLAN` takes about an hour of one core. Stopped, it goes on; `--only`
makes some, so that others can be made beside it; `--write` rewrites the page from what is there.
Then look at the sheets in docs/figures, and say on the page what you see.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from results_page import ROOT, circumstances, put

from medgraft.files import read_json, replacing, write_json
from medgraft.generate.generator import load_generator
from medgraft.generate.job import train_generator
from medgraft.generate.quality.features import Seeing
from medgraft.generate.quality.job import Asked, judge_generator
from medgraft.generate.recipe import Generating
from medgraft.generate.sheets import sheet
from medgraft.index.build import build
from medgraft.index.layouts import Asked as Flags
from medgraft.index.split import split
from medgraft.report import write_generation
from medgraft.report.quality import write_quality
from medgraft.runs import RunFolder

FIGURES = ROOT / "docs" / "figures"
IMAGENET = Path("weights", "resnet18_to_layer3_imagenet.safetensors")
SETS = {  # set: column of its patients, channels (some films are grey pictures kept in colour)
    "cxr-kermany": ("group", 1),
    "histo-idc": ("patient", 3),
}
ACROSS, DOWN = 8, 3
COLOURS = 64  # of the palette of a sheet, so that pages stay small
SHARES = ("precision", "recall", "density", "coverage")


@dataclass(frozen=True)
class Training:
    """One training of one model on one set.

    Attributes:
        archive: The set.
        name: Of its folder.
        model: With its options.
        epochs: Passes over the training images.
        batch: Images of a batch.
        seed: Of the training.
    """

    archive: str
    name: str
    model: str
    epochs: int
    batch: int
    seed: int = 0

    def run(self, out: Path) -> RunFolder:
        """Its folder."""
        return RunFolder(out / self.archive / self.name)

    @property
    def figure(self) -> Path:
        """The sheet of its samples."""
        return FIGURES / f"generated-{self.archive}-{self.name}.png"


MODELS = (
    Training("cxr-kermany", "vae", "vae", 20, 64),
    Training("cxr-kermany", "dcgan", "dcgan", 60, 32),
    Training("cxr-kermany", "vae_gan", "vae_gan", 30, 32),
    Training("histo-idc", "vae", "vae", 20, 64),
    Training("histo-idc", "dcgan", "dcgan", 60, 32),
    Training("histo-idc", "vae_gan", "vae_gan", 30, 32),
)
VARIANTS = {
    "as it is": "",
    "batch norm for spectral norm": "spectral_norm=false",
    "no label smoothing": "smoothing=0",
    "gradient penalty R1": "r1=1",
    "feature matching": "feature_matching=1",
    "no moving average": "average=0",
    "transposed convolutions": "upsampling=transposed",
    "one learning rate": "discriminator_rate=1",
}
STABILISERS = tuple(
    Training(
        "histo-idc",
        f"stabilisers/{place}-{seed}",
        f"dcgan:{options}".rstrip(":"),
        20,
        32,
        seed,
    )
    for seed in (1, 2)
    for place, options in enumerate(VARIANTS.values())
)
PLAN = (*MODELS, *STABILISERS)


def index_of(archive: str, data: Path, out: Path) -> Path:
    """The index of a set, split by patient; made once."""
    path = out / f"{archive}.parquet"
    if not path.is_file():
        asked = Flags(table="labels.csv", path="file", label=("label",), patient=SETS[archive][0])
        split(build(data / archive, layout="csv", asked=asked).index, seed=0).save(path)
    return path


def train(one: Training, data: Path, out: Path) -> None:
    """Train one, unless it is there; keep what it took."""
    run = one.run(out)
    if run.generation.is_file():
        return
    recipe = Generating(
        model=one.model,
        size=64,
        channels=SETS[one.archive][1],
        batch_size=one.batch,
        epochs=one.epochs,
        seed=one.seed,
        threads=1,
        precision="bfloat16",
        memory_format="channels_last",
    )
    index, cost = index_of(one.archive, data, out), _cost(one, out)
    before = read_json(cost)["cpu_seconds"] if cost.is_file() else 0.0
    began, resume = time.process_time(), run.recipe.is_file()
    try:
        train_generator(index, run.path, recipe, command=sys.argv, resume=resume)
    finally:  # a run that was stopped goes on later, and cost both
        held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        spent = before + time.process_time() - began
        write_json(cost, {"cpu_seconds": spent, "gib": held})
    write_generation(run.path)


def judge(one: Training, data: Path, out: Path) -> None:
    """Judge the samples of one, unless that is done."""
    run = one.run(out)
    if not (run.quality / "quality.json").is_file():
        seeing = Seeing("resnet18", str(data / IMAGENET), "layer3", "cpu")
        judge_generator(run, run.quality, seeing, Asked(images=500), command=sys.argv)
        write_quality(run.quality)
        write_generation(run.path)


def draw(one: Training, out: Path) -> None:
    """The first samples of seed 0, none chosen, as a small PNG."""
    from PIL import Image

    images = load_generator(one.run(out)).sample(ACROSS * DOWN, seed=0).numpy()
    picture = Image.fromarray(sheet(images, across=ACROSS))
    with replacing(one.figure) as temporary:
        picture.quantize(COLOURS).save(temporary, format="PNG", optimize=True)


def models(found: list[Training], out: Path) -> str:
    """What each model took and is worth, and its samples."""
    heads = ["set", "model", "parameters", "epochs", "processor time", "said by the run"]
    costs = [[one.archive, one.name, *_took(one, out)] for one in found]
    record = read_json(found[0].run(out).record)
    held = max(read_json(_cost(one, out))["gib"] for one in found)
    told = f"One thread, at most {held:.1f} GiB of memory; {circumstances(record)}"
    lines = [*_table(heads, costs), "", told, ""]
    for archive in SETS:
        here = [one for one in found if one.archive == archive]
        if not here:
            continue
        first = _quality(here[0], out)
        rows = [["unseen images", *_worth(first, "real"), ""]]
        rows += [[f"`{one.name}`", *_worth(_quality(one, out)), _copying(one, out)] for one in here]
        lines += [
            f"**{archive}**: {first['images']['each']} images of each set, in the features of {first['network']['backbone']}"
            f" up to {first['network']['stage']} from ImageNet weights.",
            "",
            *_table(["", "Fréchet", "kernel × 1000", *SHARES, "nearer to training images"], rows),
            "",
            *_table(
                [f"{one.name}, {archive}" for one in here],
                [[f"![samples of {one.name}](figures/{one.figure.name})" for one in here]],
            ),
            "",
        ]
    return "\n".join(lines)


def stabilisers(found: list[Training], out: Path) -> str:
    """What each variant is worth, both seeds beside each other."""
    rows = []
    for name, place in zip(VARIANTS, range(len(VARIANTS)), strict=True):
        both = [one for one in found if one.name.startswith(f"stabilisers/{place}-")]
        if not both:
            continue
        worth = [_quality(one, out)["generated"] for one in both]
        cells = [", ".join(f"{each['frechet']['value']:.2f}" for each in worth)]
        cells += [", ".join(f"{1000 * each['kernel']['value']:.1f}" for each in worth)]
        cells += [", ".join(f"{each[k]['value']:.2f}" for each in worth) for k in SHARES]
        said = {_said(one, out) for one in both} - {"nothing"}
        rows.append([name, f"`{both[0].model}`", *cells, "; ".join(sorted(said)) or "nothing"])
    heads = ["", "model", "Fréchet", "kernel × 1000", *SHARES, "said by the runs"]
    if not rows:
        return ""
    first = found[0]
    seeds = " and ".join(sorted({str(one.seed) for one in found}))
    told = (
        f"{first.archive}, {first.epochs} epochs, one run for each of the seeds {seeds}, beside one"
        f" another; {_minutes(found, out):.0f} minutes of one core in all."
    )
    return "\n".join([*_table(heads, rows), "", told])


def _took(one: Training, out: Path) -> list[str]:
    record = read_json(one.run(out).record)
    parameters = f"{record['network']['parameters']:,}"
    return [parameters, str(one.epochs), f"{_minutes([one], out):.1f} min", _said(one, out)]


def _minutes(found: list[Training], out: Path) -> float:
    seconds: float = sum(read_json(_cost(one, out))["cpu_seconds"] for one in found)
    return seconds / 60


def _said(one: Training, out: Path) -> str:
    troubles = read_json(one.run(out).generation)["troubles"]
    return "; ".join(text.partition(":")[0] for text in troubles) or "nothing"


def _worth(quality: dict[str, Any], which: str = "generated") -> list[str]:
    found = quality[which]
    cells = [_interval(found["frechet"], 2), _interval(found["kernel"], 1, 1000)]
    return cells + [_interval(found[key], 2) for key in SHARES]


def _interval(entry: dict[str, float], digits: int, factor: float = 1) -> str:
    value, low, high = (
        f"{factor * entry[k]:.{digits}f}".replace("-", "−") for k in ("value", "low", "high")
    )
    return f"**{value}** ({low}–{high})"


def _copying(one: Training, out: Path) -> str:
    told = _quality(one, out)["copying"]
    return f"{told['share']:.2f} ({told['low']:.2f}–{told['high']:.2f})"


@cache
def _quality(one: Training, out: Path) -> dict[str, Any]:
    found: dict[str, Any] = read_json(one.run(out).quality / "quality.json")
    return found


def _cost(one: Training, out: Path) -> Path:
    return out / f"{one.archive}-{one.name.replace('/', '-')}-cost.json"


def _table(heads: list[str], rows: list[list[str]]) -> list[str]:
    lines = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def main() -> None:
    """Make what is missing, draw, write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "generation")
    parser.add_argument("--only", nargs="*", default=[], help="such as cxr-kermany/vae")
    parser.add_argument("--write", action="store_true", help="only write the page")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    for one in () if asked.write else PLAN:
        if not asked.only or f"{one.archive}/{one.name}" in asked.only:
            train(one, asked.data.resolve(), asked.out)
            judge(one, asked.data.resolve(), asked.out)
    if asked.only:  # others may be on the way in other processes: they share the page
        return
    for part, mark, section in (
        (MODELS, "generation", models),
        (STABILISERS, "stabilisers", stabilisers),
    ):
        found = [one for one in part if (one.run(asked.out).quality / "quality.json").is_file()]
        if part is MODELS:
            for one in found:
                draw(one, asked.out)
        if found:
            put(section(found, asked.out), mark)


if __name__ == "__main__":
    main()
