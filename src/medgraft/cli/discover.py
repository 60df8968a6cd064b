"""The command `medgraft discover`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from pydantic import ModelWrapValidatorHandler, ValidationError, model_validator

from medgraft.cli._called import called
from medgraft.cli.train import WrongFlagError
from medgraft.pretext.discovery.settings import Settings
from medgraft.spec import first_problem

if TYPE_CHECKING:
    from medgraft.pretext.discovery.table import Patterns


class Wanted(Settings):
    """The settings as flags."""

    @model_validator(mode="wrap")
    @classmethod
    def _in_one_line(cls, values: Any, check: ModelWrapValidatorHandler[Wanted]) -> Wanted:
        try:
            return check(values)
        except ValidationError as error:
            raise WrongFlagError(f"{first_problem(error, Settings)}, in the flags.") from error


@dataclass(frozen=True)
class Discover:
    """Find recurring anatomical patterns in unlabelled scans, to look at and to learn from.

    Draws places in reference scans, looks up the scans most like each reference, and cuts the same place
    from all of them: a pattern, whose number is a label that nobody had to give. Writes a table of
    crops, a contact sheet and a page. Scans of the test part are never looked at. Needs the extra
    search. The method is patented in the United States, see the how-to page.

    Examples:
        medgraft discover films.parquet --out patterns
        medgraft discover ct.parquet --out patterns --window -1000 1000 --threshold 0.425 --least 0 --most 0.15
        medgraft discover films.parquet --out patterns --descriptors runs/films --patterns 50 --neighbours 100
    """

    index: Annotated[Path, tyro.conf.Positional]
    """Table written by `medgraft index`; it needs no labels."""
    out: Path
    """New folder for crops.parquet, patterns.png, discovery.html and what belongs to them."""
    settings: Wanted = field(default_factory=Wanted)

    def run(self) -> None:
        """Discover, write the page, print what was found."""
        from medgraft.pretext.discovery.job import discover
        from medgraft.report.discovery import write_discovery

        found = discover(
            self.index,
            self.out,
            Settings(**self.settings.model_dump()),
            command=called(),
        )
        page = write_discovery(self.out)
        _tell(found)
        print(f"contact sheet: {self.out / 'patterns.png'}\npage: {page}")


def _tell(found: Patterns) -> None:
    record = found.record
    crop = " x ".join(map(str, record["crop"]))
    shape = " x ".join(map(str, record["shape"]))
    print(
        f"{found.count} patterns, {record['neighbours']} of {record['scans']} training scans each"
    )
    print(f"{len(found.frame)} crops of {crop} from scans of {shape}")
    near, other = (
        sum(place[key] for place in record["places"]) / found.count for key in ("near", "any")
    )
    print(
        f"correlation with the reference's crop: {near:.2f} of neighbours, {other:.2f} of any scans"
    )
    for note in record["notes"]:
        print(note)
