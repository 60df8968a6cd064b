"""What generative models draw of two real sets: a VAE, a DCGAN and a VAE/GAN at 64 pixels.

    .venv/bin/python studies/generate.py --data ../shared/data --out runs/generation

Sized: one to two minutes of one core for each model and set; its epochs and widths stand in
`MODELS`. Stopped, it goes on. --write rewrites the page from what is there. Then look at the sheets
in docs/figures, and say on the page what you see.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from results_page import ROOT, circumstances, put

from medgraft.files import read_json, replacing, write_json
from medgraft.generate.generator import load_generator
from medgraft.generate.job import train_generator
from medgraft.generate.recipe import Generating
from medgraft.generate.sheets import sheet
from medgraft.index.build import build
from medgraft.index.layouts import Asked
from medgraft.index.split import split
from medgraft.report import write_generation
from medgraft.runs import RunFolder

FIGURES = ROOT / "docs" / "figures"
SETS = {  # set: column of its patients, channels (some films are grey pictures kept in colour)
    "cxr-kermany": ("group", 1),
    "histo-idc": ("patient", 3),
}
MODELS = {  # name: its options, images of a batch, epochs on the one set and the other
    "vae": ("vae", 64, (10, 12)),
    "dcgan": ("dcgan:width=16", 32, (12, 10)),
    "vae_gan": ("vae_gan:width=16", 32, (4, 10)),
}
SEED, ACROSS, DOWN = 0, 8, 3
COLOURS = 64  # of the palette of a sheet, so that pages stay small


@dataclass(frozen=True)
class Trained:
    """One model of one set.

    Attributes:
        archive: The set.
        model: Name of the model.
        run: Its folder.
    """

    archive: str
    model: str
    run: RunFolder

    @property
    def figure(self) -> Path:
        """The sheet of its samples."""
        return FIGURES / f"generated-{self.archive}-{self.model}.png"


def planned(out: Path) -> list[Trained]:
    """All of them, whether trained or not."""
    return [Trained(a, m, RunFolder(out / a / m)) for a in SETS for m in MODELS]


def index_of(archive: str, data: Path, out: Path) -> Path:
    """The index of a set, split by patient; made once."""
    path = out / f"{archive}.parquet"
    if not path.is_file():
        asked = Asked(table="labels.csv", path="file", label=("label",), patient=SETS[archive][0])
        split(build(data / archive, layout="csv", asked=asked).index, seed=SEED).save(path)
    return path


def train(one: Trained, data: Path, out: Path) -> None:
    """Train one, unless it is there; keep what it took."""
    if one.run.generation.is_file():
        return
    model, batch, epochs = MODELS[one.model]
    recipe = Generating(
        model=model,
        size=64,
        channels=SETS[one.archive][1],
        batch_size=batch,
        epochs=epochs[list(SETS).index(one.archive)],
        seed=SEED,
        threads=1,
        precision="bfloat16",
        memory_format="channels_last",
    )
    cost = out / f"{one.archive}-{one.model}-cost.json"
    before = read_json(cost)["cpu_seconds"] if cost.is_file() else 0.0
    began, index, resume = (
        time.process_time(),
        index_of(one.archive, data, out),
        one.run.recipe.is_file(),
    )
    try:
        train_generator(index, one.run.path, recipe, command=sys.argv, resume=resume)
    finally:  # a run that was stopped goes on later, and cost both
        write_json(cost, {"cpu_seconds": before + time.process_time() - began})
    write_generation(one.run.path)


def draw(one: Trained) -> None:
    """The first samples of the seed, none chosen, as a small PNG."""
    from PIL import Image

    images = load_generator(one.run).sample(ACROSS * DOWN, seed=SEED).numpy()
    picture = Image.fromarray(sheet(images, across=ACROSS))
    with replacing(one.figure) as temporary:
        picture.quantize(COLOURS).save(temporary, format="PNG", optimize=True)


def section(found: list[Trained]) -> str:
    """A table of all, and the samples of each."""
    lines = [
        "| set | model | parameters | epochs | processor time | spread | distinct | said by the run |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [_row(one) for one in found]
    record = read_json(found[0].run.record)
    lines += ["", f"One thread; {circumstances(record)}", ""]
    for archive in SETS:
        here = [one for one in found if one.archive == archive]
        if here:
            lines += ["| " + " | ".join(f"{one.model}, {archive}" for one in here) + " |"]
            lines += ["|" + "---|" * len(here)]
            shown = (f"![samples of {one.model}](figures/{one.figure.name})" for one in here)
            lines += ["| " + " | ".join(shown) + " |", ""]
    return "\n".join(lines)


def _row(one: Trained) -> str:
    record, done = read_json(one.run.record), read_json(one.run.generation)
    cost = one.run.path.parents[1] / f"{one.archive}-{one.model}-cost.json"
    seconds = read_json(cost)["cpu_seconds"]
    epochs = len(one.run.history.read_text().splitlines()) - 1
    said = "; ".join(text.partition(":")[0] for text in done["troubles"]) or "nothing"
    cells: list[Any] = [one.archive, f"`{MODELS[one.model][0]}`"]
    cells += [f"{record['network']['parameters']:,}", epochs, f"{seconds / 60:.1f} min"]
    cells += [f"{done['spread']:.2f}", f"{done['distinct']:.2f}", said]
    return "| " + " | ".join(map(str, cells)) + " |"


def main() -> None:
    """Train what is missing, draw, write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "generation")
    parser.add_argument("--only", nargs="*", help="such as cxr-kermany/vae; all if not given")
    parser.add_argument("--write", action="store_true", help="only write the page")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    for one in planned(asked.out):
        if (not asked.write and asked.only in (None, [])) or f"{one.archive}/{one.model}" in (
            asked.only or []
        ):
            train(one, asked.data.resolve(), asked.out)
            if not asked.only:
                draw(one)
    if asked.only:  # others may be on the way in other processes: they share the page
        return
    found = [one for one in planned(asked.out) if one.run.generation.is_file()]
    for one in found:
        draw(one)
    put(section(found), "generation")


if __name__ == "__main__":
    main()
