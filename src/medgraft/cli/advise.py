"""The command `medgraft advise`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from medgraft.cli._called import called
from medgraft.cli.train import Flags, value_of
from medgraft.train.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from medgraft.advise import Advice


@dataclass(frozen=True)
class Advise:
    """Say how to start from weights: what to tune, where to cut, why, and what it would cost.

    Looks at the training images only. Takes the flags of train; --strategy plays no part, and --epochs
    says what to reckon with. With --verify it trains the advice and the next best answer, and says whether
    the advice held.

    Examples:
        medgraft advise films.parquet --weights imagenet --size 128
        medgraft advise films.parquet --weights runs/films --source runs/films --out advice --verify
    """

    index: Annotated[Path, tyro.conf.Positional]
    """Table written by `medgraft index`."""
    settings: Flags = field(default_factory=Flags)
    recipe: Path | None = None
    """A recipe.yaml with defaults for all flags of train."""
    source: Path | None = None
    """Index of images that the weights were trained on, or a run on them, to compare with."""
    most: int = 2000
    """How many training images to look at, at most."""
    verify: bool = False
    """Train the advice and the next best answer into --out, and compare them."""
    out: Path | None = None
    """New folder for advice.json, advice.html and figures."""

    def run(self) -> None:
        """Advise, save, print; then verify."""
        from medgraft.advise import advise
        from medgraft.errors import ArgumentError
        from medgraft.files import check_free

        if self.verify and self.out is None:
            raise ArgumentError("--verify needs --out, a new folder for what it trains.")
        if self.out is not None:
            check_free(self.out)
        recipe = Recipe(**self.settings.model_dump())
        if self.verify:
            from medgraft.advise.verify import check_verifiable

            check_verifiable(self.index, recipe.weights)
        found = advise(self.index, recipe, source=self.source, most=self.most)
        record = found.record()
        _show(record, self.index)
        if self.out is None:
            return
        _save(record, self.out)
        if self.verify:
            record["verified"] = self._verified(found, self.out)
            _save(record, self.out)
            _show_verified(record["verified"])
        print(f"\npage: {self.out / 'advice.html'}")

    def _verified(self, found: Advice, out: Path) -> dict[str, Any]:
        from medgraft.advise.verify import verify

        command = called()
        return verify(found, self.index, out / "verify", command=command)


def defaults(arguments: list[str]) -> dict[str, Any]:
    """Defaults of the flags: from the recipe that --recipe names."""
    file = value_of(arguments, "--recipe")
    if file is None:
        return {}
    missing: Any = tyro.MISSING
    settings = Flags(**load_recipe(Path(file)).model_dump())
    return {"default": Advise(index=missing, settings=settings)}


def _save(record: dict[str, Any], out: Path) -> None:
    from medgraft.files import write_json
    from medgraft.report.advice import write_advice

    write_json(out / "advice.json", record)
    write_advice(out)


def _show(record: dict[str, Any], index: Path) -> None:
    from medgraft.report.words import duration

    other = record["otherwise"]
    cut = f" Cut the network after {record['cut']}." if record["cut"] else ""
    print(f"{record['advice']}{cut}")
    print(f"This is {record['scenario']}; confidence {record['confidence']}.\n\nwhy")
    for text in record["reasons"]:
        print(f"  {text}")
    if record["doubts"]:
        print("\nwhy it might be wrong")
    for text in record["doubts"]:
        print(f"  {text}")
    print()
    _show_stages(record["stages"])
    print(f"\nto train it ({duration(record['seconds'])} on this machine, images prepared):")
    print(f"  {_command(index, record['flags'])}")
    print(f"otherwise: {other['scenario']} ({duration(other['seconds'])}):")
    print(f"  {_command(index, other['flags'])}")


def _show_stages(stages: list[dict[str, Any]]) -> None:
    width = max(5, *(len(stage["name"]) for stage in stages))
    apart = "  proxy A" if stages[0]["apart"] else ""
    print(f"{'stage':<{width}}  distance   LogME  H-score  AUROC of a linear classifier{apart}")
    for one in stages:
        far = "-" if one["distance"] is None else f"{one['distance']:.2f}"
        line = f"{one['name']:<{width}}  {far:>8}  {one['logme']:>6.3f}  {one['h_score']:>7.3f}"
        print(f"{line}  {_auroc(one['auroc']):<28}{_apart(one['apart'])}".rstrip())


def _auroc(entry: dict[str, Any]) -> str:
    if entry["value"] is None:
        return "undefined"
    if entry["low"] is None:
        return f"{entry['value']:.3f}"
    return f"{entry['value']:.3f} ({entry['low']:.3f} to {entry['high']:.3f})"


def _apart(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    return "        -" if found["proxy_a"] is None else f"  {found['proxy_a']:>7.2f}"


def _command(index: Path, flags: list[str]) -> str:
    import shlex

    return shlex.join(["medgraft", "train", str(index), *flags, "--out", "RUN"])


def _show_verified(found: dict[str, Any]) -> None:
    print(f"\ntried out, judged on {found['judged_on']} ({found['images']} images):")
    for key in ("advised", "otherwise"):
        print(f"  {key:<9}  AUROC {_auroc(found[key]['auroc'])}, {found[key]['seconds']:.0f} s")
    print(f"  {found['verdict']}")
