"""The command `medgraft truncate`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from pydantic import Field

from medgraft.cli._called import called
from medgraft.cli.train import Flags, value_of
from medgraft.train.recipe import Recipe, load_recipe


class Shorter(Flags):
    """The recipe as flags, but for what the smaller run takes over."""

    backbone: tyro.conf.Suppress[tyro.conf.Fixed[str]] = "resnet18"
    weights: tyro.conf.Suppress[tyro.conf.Fixed[str]] = "none"
    after: str | None = Field(
        None, description="Last stage to keep, see `medgraft describe BACKBONE`."
    )
    strategy: str = Field(
        "full", description="What is tuned; not taken from RUN, which may name a stage that goes."
    )
    size: tyro.conf.Suppress[tyro.conf.Fixed[int]] = 224
    channels: tyro.conf.Suppress[tyro.conf.Fixed[Literal[1, 3] | None]] = None
    window: tyro.conf.Suppress[tyro.conf.Fixed[Literal["file"] | tuple[float, float] | None]] = None
    steps: tyro.conf.Suppress[tyro.conf.Fixed[tuple[str, ...] | None]] = None
    labels_per_class: tyro.conf.Suppress[tyro.conf.Fixed[int | None]] = None
    test: tyro.conf.Suppress[tyro.conf.Fixed[float]] = 0.2
    val: tyro.conf.Suppress[tyro.conf.Fixed[float]] = 0.1
    positive: tyro.conf.Suppress[tyro.conf.Fixed[str | None]] = None


@dataclass(frozen=True)
class Truncate:
    """Make a run smaller: cut its network after a stage, train what is left, lay both side by side.

    The stages that are left keep the weights of RUN; the head is new. The smaller run is trained
    on the same rows, with the settings of RUN where a flag does not say otherwise, and is an
    ordinary run folder. Its page says how many parameters, operations and images per second it
    has beside RUN, how its AUROC differs on the same test images, and shows the finer heat maps.

    Example:
        medgraft truncate runs/films --after layer3 --epochs 5 --out runs/films-small
    """

    run_folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder that `medgraft train` wrote."""
    out: Path
    """Folder of the smaller run; new or empty."""
    settings: Shorter = field(default_factory=Shorter)
    most: int = 8
    """Images whose heat maps are drawn."""
    resume: bool = False
    """Go on with the smaller run in --out that was stopped."""

    def run(self) -> None:
        """Cut, train, report, and say what came of it."""
        from medgraft.cli._evaluation import show
        from medgraft.files import read_json
        from medgraft.report import write_report, write_truncation
        from medgraft.study.truncate import truncate

        recipe = Recipe(**self.settings.model_dump())
        smaller = truncate(
            self.run_folder,
            self.out,
            recipe,
            command=called(),
            resume=self.resume,
            most=self.most,
        )
        if smaller is None:
            return  # the first process reports
        report = write_report(smaller.path)
        page = write_truncation(
            self.run_folder, smaller.path, replicates=recipe.replicates, seed=recipe.seed
        )
        show(read_json(smaller.evaluation))
        _tell(read_json(smaller.truncation / "truncation.json"))
        difference = read_json(smaller.truncation / "comparison.json")["differences"][0]
        print(f"{'AUROC':<20} {_difference(difference['metrics'].get('auroc'))}")
        print(f"\nreport: {report}\nbeside the whole network: {page}")


def _tell(found: dict[str, Any]) -> None:
    whole, smaller = found["whole"], found["smaller"]
    print(f"\n{'':<20} {'whole':>15} {'smaller':>15}   ratio")
    print(f"{'last stage':<20} {whole['stage']:>15} {smaller['stage']:>15}")
    for name, key in (
        ("parameters", "parameters"),
        ("operations", "operations"),
        ("images per second", "images_per_second"),
    ):
        print(
            f"{name:<20} {whole[key]:>15,} {smaller[key]:>15,}   {found['ratios'][key]:.2f}".rstrip()
        )
    cells = (" x ".join(map(str, one["cells"])) for one in (whole, smaller))
    print(f"{'cells of heat maps':<20} {next(cells):>15} {next(cells):>15}")


def _difference(entry: dict[str, Any] | None) -> str:
    if entry is None or entry["value"] is None:
        return "not defined by these rows"
    if entry["low"] is None:
        return f"{entry['value']:+.4f}"
    return f"{entry['value']:+.4f} ({entry['low']:+.4f} to {entry['high']:+.4f})"


def defaults(arguments: list[str]) -> dict[str, Any]:
    """Defaults of the flags: from the recipe of RUN, or of the smaller run to resume."""
    kept = _recipe_of(arguments)
    if kept is None:
        return {}
    missing: Any = tyro.MISSING
    changes = {} if "--resume" in arguments else {"strategy": "full", "after": None}
    settings = Shorter(**{**load_recipe(kept).model_dump(), **changes})
    return {"default": Truncate(run_folder=missing, out=missing, settings=settings)}


def _recipe_of(arguments: list[str]) -> Path | None:
    """The recipe that the flags start from; None if there is none yet, which `run` will tell."""
    out = value_of(arguments, "--out")
    if "--resume" in arguments and out is not None and (Path(out) / "recipe.yaml").is_file():
        return Path(out) / "recipe.yaml"
    values = {place + 1 for place, word in enumerate(arguments) if word.startswith("--")}
    values -= {place + 1 for place, word in enumerate(arguments) if word == "--resume"}
    for place, word in enumerate(arguments):
        if place not in values and (Path(word) / "recipe.yaml").is_file():
            return Path(word) / "recipe.yaml"
    return None
