"""A campaign is a folder; this file knows the names of what lies in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medgraft.errors import TableError
from medgraft.files import sha256
from medgraft.ledger import open_ledger
from medgraft.runs import RunFolder

if TYPE_CHECKING:
    from medgraft.ledger.ledger import Ledger


@dataclass(frozen=True)
class CampaignFolder:
    """Paths of a campaign.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def settings(self) -> Path:
        """How images are chosen and models trained; written last, so that a campaign is whole."""
        return self.path / "campaign.yaml"

    @property
    def index(self) -> Path:
        """The images among which scans are chosen; they stay where they lie."""
        return self.path / "index.parquet"

    @property
    def ledger(self) -> Path:
        """What readers said, in SQLite."""
        return self.path / "ledger.sqlite"

    @property
    def ledger_url(self) -> Path:
        """One line, the URL of the PostgreSQL database that holds the ledger instead."""
        return self.path / "ledger.url"

    @property
    def kept(self) -> Path:
        """What stages that never learn make of the images, computed once; may be deleted."""
        return self.path / "kept"

    @property
    def lock(self) -> Path:
        """Held by whoever proposes."""
        return self.path / ".lock"

    def open_ledger(self) -> Ledger:
        """The ledger of this campaign, which is that of its index.

        Raises:
            TableError: If the folder holds no campaign, or its ledger is of another index.
        """
        if not self.index.is_file():
            raise TableError(
                f"'{self.path}' must be a campaign (a folder that holds index.parquet and a ledger),"
                " and is not. `medgraft active start` begins one."
            )
        elsewhere = self.ledger_url.is_file()
        ledger = open_ledger(
            self.ledger_url.read_text(encoding="utf-8").strip() if elsewhere else self.ledger
        )
        try:
            ledger.check_index(sha256(self.index))
        except TableError:
            ledger.close()
            raise
        return ledger

    def run(self, model: str) -> RunFolder | None:
        """The finished run that a queued image names as its model; None if there is none here."""
        folder = RunFolder(self.path / model)
        return folder if model and folder.weights_record.is_file() else None

    def round(self, number: int) -> RoundFolder:
        """What belongs to one batch."""
        return RoundFolder(self.path / "rounds" / f"{number:04d}", number)

    def rounds(self) -> list[RoundFolder]:
        """All that were begun, in their order."""
        found = (self.path / "rounds").glob("[0-9]" * 4)
        return [self.round(number) for number in sorted(int(folder.name) for folder in found)]


@dataclass(frozen=True)
class RoundFolder:
    """Paths of one round: what was learnt, and what was chosen to be labelled next.

    Attributes:
        path: The folder.
        number: Of the round, and of the batch that it proposes.
    """

    path: Path
    number: int

    @property
    def labelled(self) -> Path:
        """The images with a label when the round began."""
        return self.path / "labelled.parquet"

    @property
    def learnt(self) -> Path:
        """What of it the network was trained and measured on, as the continual strategy has it."""
        return self.path / "learnt.parquet"

    @property
    def answers(self) -> Path:
        """What the model said of every image that could be chosen: image_id, p_<class>."""
        return self.path / "answers.parquet"

    @property
    def run(self) -> RunFolder:
        """The training; a first round has none."""
        return RunFolder(self.path / "run")

    @property
    def looks(self) -> Path:
        """What does not fit in memory while images are chosen; gone afterwards."""
        return self.path / "looks"

    @property
    def proposal(self) -> Path:
        """Which images were chosen, and why; what the ledger queues."""
        return self.path / "proposal.json"
