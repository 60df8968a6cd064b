"""The command `medgraft active start`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from medgraft.active.campaign.settings import Choosing
from medgraft.cli.train import Flags, InOneLine, value_of
from medgraft.train.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from medgraft.ledger import Class

Words = Annotated[tuple[str, ...], tyro.conf.arg(help_behavior_hint="")]  # empty if not given


class ChoosingFlags(InOneLine, Choosing):
    """What decides which images are proposed, as flags."""


@dataclass(frozen=True)
class Start:
    """Begin a campaign of labelling: a folder with an index, a ledger and settings.

    The index needs no labels; those that it has are left out unless --known says otherwise. Images
    are proposed from its train part and models are measured on its test part, so images of
    the test and val parts, drawn by chance, are labelled first (--measure). The images stay
    where they lie and are only read.

    Example:
        medgraft active start films.parquet --out campaign --classes normal pneumonia --weights imagenet
    """

    index: Annotated[Path, tyro.conf.Positional]
    """Table written by `medgraft index`; labels are not needed."""
    out: Path
    """New folder of the campaign."""
    classes: Words = ()
    """What readers can answer, apart by spaces or commas."""
    definitions: Path | None = None
    """Instead of --classes: a CSV file with columns name, definition and perhaps key."""
    kind: Literal["exclusive", "independent"] = "exclusive"
    """Exactly one class holds, or any number of them."""
    readers: int = 1
    """People who look at each image, each without seeing the others' answers."""
    name: str | None = None
    """Of the campaign, for people; that of the folder if not given."""
    ledger: str | None = None
    """URL of a PostgreSQL database for the labels; a file in the folder if not given."""
    choosing: ChoosingFlags = field(default_factory=ChoosingFlags)
    settings: Flags = field(default_factory=Flags)
    recipe: Path | None = None
    """A recipe.yaml with defaults for all flags of train."""

    def run(self) -> None:
        """Make the folder."""
        from medgraft.active.campaign.start import start
        from medgraft.ledger import Campaign

        question = Campaign(
            self.name or self.out.name, self._classes(), self.kind, readers_per_image=self.readers
        )
        folder = start(
            self.index,
            self.out,
            question,
            Choosing(**self.choosing.model_dump()),
            Recipe(**self.settings.model_dump()),
            ledger=self.ledger,
        )
        print(f"campaign: {folder.path}")
        print(f"choose the first images: medgraft active propose {folder.path}")

    def _classes(self) -> tuple[Class, ...]:
        from medgraft.errors import ArgumentError
        from medgraft.ledger import Class
        from medgraft.ledger.definitions import read_definitions

        names = [name for word in self.classes for name in word.split(",") if name]
        if bool(names) == (self.definitions is not None):
            raise ArgumentError(
                "a campaign needs either --classes or --definitions, got"
                f" {'both' if names else 'neither'}."
            )
        if self.definitions is not None:
            return read_definitions(self.definitions)
        return tuple(Class(name) for name in names)


def defaults(arguments: list[str]) -> dict[str, Any]:
    """Defaults of the flags: from the recipe that --recipe names."""
    file = value_of(arguments, "--recipe")
    if file is None:
        return {}
    missing: Any = tyro.MISSING
    settings = Flags(**load_recipe(Path(file)).model_dump())
    return {"default": Start(index=missing, out=missing, settings=settings)}
