"""The command `medgraft label`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Label:
    """Serve the page on which people label the scans of a campaign.

    It is at 127.0.0.1 alone, and the link printed here lets one browser in; when it was used, the
    next one is printed. Answers are in the ledger of the campaign when the page says "saved". To
    let readers come from other machines give --host with a certificate and accounts, which
    `medgraft account` makes.

    Examples:
        medgraft label campaign
        medgraft label campaign --reader "Dr Anna Berg" --port 9000
        medgraft label campaign --host 10.0.0.5 --certificate cert.pem --key key.pem --accounts a.json
    """

    campaign: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="CAMPAIGN")]
    """Folder that `medgraft active start` made."""
    reader: str | None = None
    """Who labels, without --accounts; may be left out where one reader is admitted."""
    port: int = 8765
    """Port; 0 for any that is free."""
    show_model_first: bool = False
    """Show the model's view before the answer: quicker, but it sways the reader."""
    host: str = "127.0.0.1"
    """Address to listen on; another one needs --certificate, --key and --accounts."""
    public_name: str | None = None
    """Name or address that readers type, if it is not --host."""
    certificate: Path | None = None
    """TLS certificate with its chain (PEM)."""
    key: Path | None = None
    """Private key of the certificate (PEM)."""
    accounts: Path | None = None
    """File of accounts; readers then sign in by name and password."""

    def run(self) -> None:
        """Serve until Ctrl-C."""
        from medgraft.optional import require

        require("fastapi", extra="label", purpose="the labelling page")
        require("uvicorn", extra="label", purpose="the labelling page")
        from medgraft.active.campaign.settings import opened
        from medgraft.errors import ArgumentError
        from medgraft.index import Index
        from medgraft.web.archive import Archive
        from medgraft.web.desk import Desk
        from medgraft.web.heat import Models
        from medgraft.web.serve import Place, serve

        if self.reader is not None and self.accounts is not None:
            raise ArgumentError(
                "--reader and --accounts exclude each other: with accounts, readers say who they are."
            )
        place = Place(
            self.host, self.port, self.public_name, self.certificate, self.key, self.accounts
        )
        with opened(self.campaign) as campaign:
            desk = Desk(
                campaign.ledger,
                Archive.of(Index.load(campaign.folder.index)),
                Models(campaign.folder.run, campaign.ledger.campaign.names),
                model_first=self.show_model_first,
            )
            serve(desk, place, reader=self.reader, say=self._say, ready=self._ready)

    def _say(self, link: str) -> None:
        print(f"open: {link}", flush=True)

    def _ready(self) -> None:
        print("Ctrl-C ends; what the page called saved is saved.", flush=True)
