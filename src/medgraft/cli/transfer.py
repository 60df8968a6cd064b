"""The command `medgraft transfer`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro
from pydantic import Field

from medgraft.cli._called import called
from medgraft.cli.train import Flags, value_of
from medgraft.train.recipe import Recipe, load_recipe


class Shared(Flags):
    """The recipe as flags; the arms name the strategy."""

    strategy: tyro.conf.Suppress[tyro.conf.Fixed[str]] = "full"
    weights: str = Field(
        "imagenet",
        description="Of arms that name none: 'imagenet', a .safetensors file or a run folder.",
    )
    seed: int = Field(0, ge=0, description="Seed of the split and of the first run of each arm.")


@dataclass(frozen=True)
class Transfer:
    """Training from nothing against transfer: one experiment, one answer with intervals.

    Every arm is trained with every seed on the same rows with the same augmentation; each run is
    an ordinary run folder in OUT/runs. Ctrl-C stops; the same command goes on, and repeats no
    finished run. Arms are separated by commas, each STRATEGY[+WEIGHTS][@KEY=VALUE,...]: full+none
    starts from random weights, full@rate=1e-4,epochs=5 has settings of its own. The arm vanilla
    always starts from random weights and, if it is there, is what the others are compared with.

    Examples:
        medgraft transfer films.parquet --out runs/gain --backbone inception_v4 --size 299 --arms vanilla,head,from:inception_c3,full
        medgraft transfer films.parquet --out runs/few --labels-per-class 10 --arms full+none,full,gradual@epochs=30
    """

    index: Annotated[Path, tyro.conf.Positional]
    """Table written by `medgraft index`; without a split it is split once."""
    out: Path
    """Folder of the experiment; new, or one to go on with."""
    arms: str = "vanilla,head,full"
    """What to compare."""
    seeds: int = 3
    """Runs per arm; each has the seed after that of the one before."""
    settings: Shared = field(default_factory=Shared)
    recipe: Path | None = None
    """A recipe.yaml with defaults for all flags of train."""

    def run(self) -> None:
        """Train what is missing, write the page, print the answer."""
        from medgraft.files import read_json
        from medgraft.report import write_report, write_transfer
        from medgraft.study.arms import read_arms
        from medgraft.study.launch import check_made
        from medgraft.study.transfer import transfer

        recipe = Recipe(**self.settings.model_dump())
        outcomes = transfer(
            self.index,
            self.out,
            recipe,
            read_arms(self.arms, weights=recipe.weights),
            seeds=self.seeds,
            command=called(),
            finish=write_report,
        )
        page = write_transfer(self.out, replicates=recipe.replicates)
        _show(read_json(self.out / "transfer.json"))
        print(f"\nreport: {page}")
        check_made(outcomes)


def defaults(arguments: list[str]) -> dict[str, Any]:
    """Defaults of the flags: from the recipe that --recipe names."""
    file = value_of(arguments, "--recipe")
    if file is None:
        return {}
    missing: Any = tyro.MISSING
    settings = Shared(**{**load_recipe(Path(file)).model_dump(), "strategy": "full"})
    return {"default": Transfer(index=missing, out=missing, settings=settings)}


SHOWN = ("auroc", "accuracy", "recall", "specificity", "precision", "f1")


def _show(found: dict[str, Any]) -> None:
    width = max(len(arm["arm"]) for arm in found["arms"])
    patients = f" of {found['n_patients']} patients" if found["n_patients"] else ""
    print(
        f"\n{found['n_images']} images{patients}; means over seeds {', '.join(map(str, found['seeds']))};"
        f" {found['confidence']:.0%} intervals from {found['replicates']} replicates by"
        f" {found['unit']}\n"
    )
    print(f"{'arm':<{width}}  " + "  ".join(f"{name:<19}" for name in SHOWN).rstrip())
    for arm in found["arms"]:
        cells = (_cell(arm["metrics"].get(name)) for name in SHOWN)
        print(f"{arm['arm']:<{width}}  " + "  ".join(f"{cell:<19}" for cell in cells).rstrip())
    print(
        f"\n{'arm':<{width}}  {'seconds':>9}  {'ratio':>6}  {'trainable':>12}  difference of AUROC"
    )
    tests = {one["arm"]: one for one in found["differences"]}
    for arm in found["arms"]:
        print(
            f"{arm['arm']:<{width}}  {_number(arm['seconds']['mean'], '9,.1f')}"
            f"  {_number(arm['ratio']['mean'], '6.2f')}  {_number(arm['trainable'], '12,.0f')}"
            f"  {_tested(tests.get(arm['arm']))}".rstrip()
        )
    print(f"\n{found['answer']}")


def _cell(entry: dict[str, Any] | None) -> str:
    if entry is None or entry["value"] is None:
        return "-"
    if entry["low"] is None:
        return f"{entry['value']:.3f}"
    return f"{entry['value']:.3f} ({entry['low']:.3f}-{entry['high']:.3f})"


def _number(value: float | None, layout: str) -> str:
    return (
        format("-", f">{layout.partition(',')[0].partition('.')[0]}")
        if value is None
        else format(value, layout)
    )


def _tested(one: dict[str, Any] | None) -> str:
    if one is None:
        return "-"
    entry, test = one["metrics"]["auroc"], one["delong"]
    if test["p"] is None or entry["value"] is None:
        return str(test.get("reason", "undefined"))
    ends = "" if entry["low"] is None else f" ({entry['low']:+.3f} to {entry['high']:+.3f})"
    return f"{entry['value']:+.3f}{ends}, p = {test['p_holm']:.2g}"
