"""The command `medgraft lr-find`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from medgraft.cli.train import Flags, value_of
from medgraft.train.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from medgraft.train.lr_find import RateCurve


@dataclass(frozen=True)
class LrFind:
    """Find a learning rate: train a little at rising rates, and see where the loss falls.

    Takes the flags of train, and the images and the network that train would take. The
    flags --rate, --schedule and --epochs play no part. Prints what each rule suggests, and last the flag
    for train. Keeps nothing but what --out asks for.

    Examples:
        medgraft lr-find films.parquet --size 128
        medgraft lr-find films.parquet --recipe runs/films/recipe.yaml --out rates
    """

    index: Annotated[Path, tyro.conf.Positional]
    """Table written by `medgraft index`."""
    settings: Flags = field(default_factory=Flags)
    recipe: Path | None = None
    """A recipe.yaml with defaults for all flags of train."""
    iterations: int = 100
    """Steps, each at a higher rate."""
    low: float = 1e-7
    """First rate."""
    high: float = 10.0
    """Last rate; the test ends before it when the loss is lost."""
    rule: str = "valley"
    """Whose suggestion to take, see `medgraft list suggestions`."""
    out: Path | None = None
    """New folder for lr_find.json and lr_find.svg."""

    def run(self) -> None:
        """Test the rates, print the suggestions and save."""
        from medgraft.files import check_free
        from medgraft.train.lr_find import range_test, takes_rate
        from medgraft.train.suggestions import suggestions

        _refuse_several_processes()
        suggestions.get(self.rule)
        if self.out is not None:
            check_free(self.out)
        recipe = Recipe(**self.settings.model_dump())
        found = range_test(
            self.index, recipe, iterations=self.iterations, low=self.low, high=self.high
        )
        if self.out is not None:
            _save(found, self.rule, recipe, self.out)
        _show(found, self.iterations)
        chosen = found.suggestions[self.rule]
        if takes_rate(recipe):
            print(f"\n--rate {chosen:.2e}")
        else:
            print(
                f"\n{chosen:.2e}, but {recipe.strategy} has rates of its own: --rate changes none."
            )


def defaults(arguments: list[str]) -> dict[str, Any]:
    """Defaults of the flags: from the recipe that --recipe names."""
    file = value_of(arguments, "--recipe")
    if file is None:
        return {}
    missing: Any = tyro.MISSING
    settings = Flags(**load_recipe(Path(file)).model_dump())
    return {"default": LrFind(index=missing, settings=settings)}


def _refuse_several_processes() -> None:
    from medgraft.errors import ArgumentError

    world = os.environ.get("WORLD_SIZE", "1")
    if world != "1":
        raise ArgumentError(
            f"lr-find must run in one process, got {world}. Leave torchrun out: --batch-size counts"
            " the images of all processes, so the rate holds for training with several."
        )


def _show(found: RateCurve, iterations: int) -> None:
    lowest = int(found.smoothed.argmin())
    print(
        f"{len(found.rates)} of {iterations} steps, rates {found.rates[0]:.1e} to"
        f" {found.rates[-1]:.1e}; smoothed loss {found.smoothed[0]:.4f} at the first,"
        f" {found.smoothed[lowest]:.4f} at {found.rates[lowest]:.1e}"
    )
    if not found.fell:
        print("The loss never fell: no suggestion means anything. Raise --high or --iterations.")
    print("\nrule        rate")
    for name, rate in found.suggestions.items():
        late = bool(rate > found.rates[lowest])
        print(f"{name:<10}  {rate:.2e}" + "  beyond the lowest loss: do not take it" * late)


def _save(found: RateCurve, rule: str, recipe: Recipe, out: Path) -> None:
    from medgraft.files import new_folder, write_json, write_text
    from medgraft.report.figures import rates

    new_folder(out)
    saved = {
        "rule": rule,
        "suggestions": found.suggestions,
        "rates": found.rates.tolist(),
        "losses": found.losses.tolist(),
        "smoothed": found.smoothed.tolist(),
        "recipe": recipe.model_dump(mode="json"),
    }
    write_json(out / "lr_find.json", saved)
    marks = {name: (rate, found.height(rate)) for name, rate in found.suggestions.items()}
    drawing = rates.draw(rates.Rates(found.rates, found.losses, found.smoothed, marks, rule))
    write_text(out / "lr_find.svg", drawing.alone())
