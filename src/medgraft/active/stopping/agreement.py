"""Stop when successive models give the same answers."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from medgraft.active.stopping import Rule, Standing, rule


@rule("agreement")
class Agreement(Rule):
    """Models no longer change their minds: kappa with the model before stays high.

    Needs no labels. Source: Bloodgood and Vijay-Shanker 2009, arXiv:1409.5165 (stabilising
    predictions), with their threshold and window. A model that always answers one class
    agrees with itself; such rounds say nothing about whether it has learnt.
    """

    kappa: float = Field(default=0.99, gt=0, le=1)
    """Least mean agreement, 1 being full."""
    rounds: int = Field(default=3, ge=1)
    """Over how many rounds."""

    def __call__(self, history: Sequence[Standing]) -> str | None:
        """Whether the mean agreement of the last rounds is that high.

        Examples:
            >>> Agreement()([Standing(10 * n, agreement=0.995) for n in range(4)])
            'models of 3 rounds agree with a kappa of 0.995'
        """
        found = [one.agreement for one in history[-self.rounds :] if one.agreement is not None]
        if len(found) < self.rounds:
            return None
        mean = sum(found) / len(found)
        if mean < self.kappa:
            return None
        return f"models of {self.rounds} rounds agree with a kappa of {mean:.3f}"
