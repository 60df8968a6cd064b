"""The command `medgraft active import`."""

# ruff: noqa: N999 (the file is called as the command)

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Import:
    """Bring readings from a CSV file into a campaign; nothing is overwritten in silence.

    The file has columns `image_id` and `label` (`medgraft active export --sheet` writes one to fill
    in), perhaps `act` (unsure, skip), `reader`, `seconds`. A row that is there already changes nothing.
    One that contradicts what its reader said before, or comes too late, is a conflict: it is not
    taken, all others are, and the exit status is 3. A row that cannot be meant (an unknown class,
    image or reader) refuses the whole file.

    Examples:
        medgraft active import campaign anna.csv --reader anna
        medgraft active import campaign anna.csv --report conflicts.csv --correct
    """

    campaign: Annotated[Path, tyro.conf.Positional]
    """Folder that `medgraft active start` wrote."""
    file: Annotated[Path, tyro.conf.Positional]
    """CSV file of readings."""
    reader: str | None = None
    """Who read, where the file does not say."""
    correct: bool = False
    """Let the file correct what its readers said before, as new events."""
    report: Path | None = None
    """CSV file to write conflicts to."""

    def run(self) -> None:
        """Record the readings; say what was not taken."""
        import polars as pl

        from medgraft.active.campaign.settings import opened
        from medgraft.errors import CheckRefusedError
        from medgraft.files import write_text

        with opened(self.campaign) as campaign:
            found = campaign.ledger.import_csv(self.file, reader=self.reader, correct=self.correct)
        print(
            f"{found.added} readings added, {found.corrected} corrected, {found.known} were there"
        )
        if not found.conflicts:
            return
        for one in found.conflicts:
            print(f"line {one.line}: {one.reader} says {one.sheet} of {one.image_id}; {one.why}")
            print(f"  the ledger has {one.ledger or 'nothing'}")
        if self.report is not None:
            table = pl.DataFrame([asdict(one) for one in found.conflicts])
            write_text(self.report, table.write_csv())
        raise CheckRefusedError(
            f"{len(found.conflicts)} rows of '{self.file}' contradict the ledger and were not taken;"
            " all others were. Look at them; --correct takes those of a reader's own answers."
        )
