"""Stop when the labels that can be paid are bought."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from medgraft.active.stopping import Rule, Standing, rule


@rule("budget")
class Budget(Rule):
    """So many labels, whatever the model says."""

    labels: int = Field(default=1000, ge=1)
    """How many can be paid."""

    def __call__(self, history: Sequence[Standing]) -> str | None:
        """Whether they are bought.

        Examples:
            >>> Budget(labels=40)([Standing(20), Standing(40)])
            'the budget of 40 labels is spent'
        """
        spent = bool(history) and history[-1].labels >= self.labels
        return f"the budget of {self.labels:,} labels is spent" if spent else None
