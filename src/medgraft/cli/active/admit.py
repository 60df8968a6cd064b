"""The command `medgraft active admit`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Admit:
    """Let people take part in a campaign, as readers or as those who settle disputes.

    Example:
        medgraft active admit campaign anna ben
    """

    campaign: Annotated[Path, tyro.conf.Positional]
    """Folder that `medgraft active start` wrote."""
    names: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="NAME [NAME ...]", help_behavior_hint="(at least one)"),
    ]
    """Of the people."""
    adjudicator: bool = False
    """They settle what readers leave open, instead of reading."""

    def run(self) -> None:
        """Admit them."""
        from medgraft.active.campaign.settings import opened
        from medgraft.errors import ArgumentError

        if not self.names:
            raise ArgumentError("admit needs the name of at least one person, got none.")
        with opened(self.campaign) as campaign:
            for name in self.names:
                campaign.ledger.admit(name, "adjudicator" if self.adjudicator else "reader")
            for role in ("reader", "adjudicator"):
                there = ", ".join(campaign.ledger.readers(role)) or "nobody"
                print(f"{role}s: {there}")
