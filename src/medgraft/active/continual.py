"""How a model goes on when labels were bought: where it starts and what it is trained on.

Five ways are published (Zhou et al. 2021, doi:10.1016/j.media.2021.101997). Q is what was just bought, L
what was known before, H what of L the model before got wrong, M_0 the model without a label:

========  ===========  ============  =========
name      starts from  trained on    Q is
========  ===========  ============  =========
RFT(LQ)   M_0          L and Q       random
AFT(LQ)   M_0          L and Q       chosen
ACFT(Q)   the last     Q             chosen
ACFT(LQ)  the last     L and Q       chosen
ACFT(HQ)  the last     H and Q       chosen
========  ===========  ============  =========
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from pydantic import Field, ValidationError

from medgraft.active.evidence import Bools, Integers
from medgraft.errors import ArgumentError
from medgraft.registry import unknown_name
from medgraft.spec import Options, first_problem, parse, write
from medgraft.train.continuing import DIVIDE


class Choices(Options):
    """What can be set of every strategy."""

    rehearsal: float = Field(default=0.0, ge=0, le=1)
    """Share of the old candidates that would be left out which is trained on all the same."""
    divide: float = Field(default=DIVIDE, ge=1)
    """By what the rates are divided when the model before goes on."""


@dataclass(frozen=True)
class Continual:
    """One way to go on.

    Attributes:
        name: As published.
        start: Whose weights it starts from: "first" (M_0) or "last".
        old: What of the old candidates it is trained on: "all", "wrong" (H) or "none".
        chosen: Whether candidates are chosen; else they are bought at random.
        choices: What can be set.
    """

    name: str
    start: Literal["first", "last"]
    old: Literal["all", "wrong", "none"]
    chosen: bool = True
    choices: Choices = field(default_factory=Choices)

    @property
    def spec(self) -> str:
        """As `read_continual` reads it, with all options."""
        return write(self.name, self.choices)

    @property
    def divide(self) -> float:
        """By what the rates are divided once there is a model to go on from."""
        return self.choices.divide if self.start == "last" else 1.0

    def training_set(
        self, old: Integers, bought: Integers, wrong: Bools, rng: np.random.Generator
    ) -> Integers:
        """The candidates to train on: old ones in their order, then those just bought.

        Args:
            old: Candidates that were known before (L), shape (L,).
            bought: Candidates that were just bought (Q).
            wrong: Which of the old ones the model before got wrong (H), shape (L,).
            rng: Draws what is rehearsed.

        Examples:
            >>> hq = read_continual("ACFT(HQ)")
            >>> wrong, rng = np.array([False, True, False]), np.random.default_rng(0)
            >>> hq.training_set(np.array([7, 8, 9]), np.array([3, 4]), wrong, rng)
            array([8, 3, 4])
        """
        kept = {"all": np.ones(len(old), np.bool_), "wrong": wrong.copy(), "none": ~wrong & wrong}
        taken = kept[self.old]
        left = np.flatnonzero(~taken)
        count = round(self.choices.rehearsal * len(left))
        taken[rng.choice(left, count, replace=False)] = True
        return np.concatenate([old[taken], bought])


FIVE = {
    one.name: one
    for one in (
        Continual("RFT(LQ)", "first", "all", chosen=False),
        Continual("AFT(LQ)", "first", "all"),
        Continual("ACFT(Q)", "last", "none"),
        Continual("ACFT(LQ)", "last", "all"),
        Continual("ACFT(HQ)", "last", "wrong"),
    )
}
SHORT = {"RFT": "RFT(LQ)", "AFT": "AFT(LQ)"}  # which have no other form


def read_continual(text: str) -> Continual:
    """The strategy of a spec, such as ``ACFT(HQ):rehearsal=0.2,divide=5``.

    Raises:
        UnknownNameError: If there is none of that name.
        ArgumentError: If an option is wrong.

    Examples:
        >>> read_continual("RFT").spec
        'RFT(LQ):rehearsal=0.0,divide=10.0'
    """
    given, options = parse(text)
    name = SHORT.get(given, given)
    if name not in FIVE:
        raise unknown_name("continual strategy", given, FIVE)
    try:
        choices = Choices(**options)
    except ValidationError as error:
        raise ArgumentError(f"{first_problem(error, Choices)}, in strategy {text!r}") from error
    found = FIVE[name]
    return Continual(found.name, found.start, found.old, found.chosen, choices)
