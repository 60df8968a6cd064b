"""The arms of a simulation: what is asked for crossed with how the model goes on, and chance."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from medgraft.active.acquisition import acquisitions
from medgraft.active.continual import FIVE, Continual, read_continual
from medgraft.errors import ArgumentError
from medgraft.spec import build, parse

CHANCE = "random"


@dataclass(frozen=True)
class Arm:
    """One way to buy and to learn.

    Attributes:
        acquisition: Spec of what chooses.
        strategy: How the model goes on.
    """

    acquisition: str
    strategy: Continual

    @property
    def name(self) -> str:
        """As it is called on the page; AFT(LQ) that buys at random is RFT(LQ)."""
        if self.acquisition == CHANCE and self.strategy.name == "AFT(LQ)":
            return "RFT(LQ)"
        return f"{self.acquisition} {self.strategy.name}"

    @property
    def folder(self) -> str:
        """A name for its folder.

        Examples:
            >>> Arm("aift:alpha=0.25", read_continual("ACFT(HQ)")).folder
            'aift-alpha=0.25-ACFT-HQ'
        """
        return re.sub(r"[^\w.,=+-]+", "-", self.name).strip("-")

    @property
    def reference(self) -> str:
        """Name of the arm that goes on alike and buys at random."""
        return Arm(CHANCE, self.strategy).name


def make_arms(chosen: Sequence[str], strategies: Sequence[str]) -> list[Arm]:
    """Every acquisition with every strategy, and for each strategy an arm that buys at random.

    Raises:
        UnknownNameError: If an acquisition or a strategy does not exist.
        ArgumentError: If an option is wrong, or an arm stands twice.

    Examples:
        >>> [arm.name for arm in make_arms(["entropy"], ["ACFT(HQ)", "AFT"])]
        ['entropy ACFT(HQ)', 'random ACFT(HQ)', 'entropy AFT(LQ)', 'RFT(LQ)']
        >>> [arm.name for arm in make_arms(["entropy", "random"], ["RFT"])]
        ['RFT(LQ)']
    """
    for text in chosen:
        build(acquisitions, text)
    found: list[Arm] = []
    for text in strategies:
        strategy = read_continual(text)
        if not strategy.chosen:  # RFT is AFT that buys at random
            strategy = FIVE["AFT(LQ)"]
        asked = (
            [one for one in chosen if parse(one)[0] != CHANCE]
            if read_continual(text).chosen
            else []
        )
        found += [Arm(one, strategy) for one in (*asked, CHANCE)]
    unique = {arm.name: arm for arm in found}
    folders = [arm.folder for arm in unique.values()]
    for arm in unique.values():
        if folders.count(arm.folder) > 1:
            raise ArgumentError(f"every arm must stand once, but {arm.name!r} stands twice.")
    return list(unique.values())
