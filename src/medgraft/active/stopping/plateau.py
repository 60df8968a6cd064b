"""Stop when the validation score no longer rises."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from medgraft.active.stopping import Rule, Standing, rule


@rule("plateau")
class Plateau(Rule):
    """The best score of the last rounds is hardly above the best one before them.

    Zhou et al. 2021 stop when validation reaches a plateau. Validation images must be labelled for
    it, and those labels are not free.
    """

    rounds: int = Field(default=3, ge=1)
    """Rounds without a better score."""
    gain: float = Field(default=0.002, ge=0)
    """What counts as better."""

    def __call__(self, history: Sequence[Standing]) -> str | None:
        """Whether the last rounds brought less than the gain.

        Examples:
            >>> scores = [0.7, 0.8, 0.801, 0.8005, 0.8]
            >>> Plateau()([Standing(10 * n, score) for n, score in enumerate(scores)])
            'the validation score rose by less than 0.002 in 3 rounds'
        """
        scores = [one.score for one in history if one.score is not None]
        if len(scores) <= self.rounds:
            return None
        before, last = max(scores[: -self.rounds]), max(scores[-self.rounds :])
        if last - before >= self.gain and last > before:
            return None
        return f"the validation score rose by less than {self.gain:g} in {self.rounds} rounds"
