"""What a simulation is asked, beside the recipe of its trainings."""

from __future__ import annotations

from pydantic import Field

from medgraft.spec import Options


class Settings(Options):
    """What a simulation is asked, as simulation.json has it."""

    acquisitions: tuple[str, ...] = Field(min_length=1)
    """Specs of what chooses; the first is the one that the answer speaks of."""
    strategies: tuple[str, ...] = Field(min_length=1)
    """Specs of how the model goes on, see `medgraft.active.continual`."""
    start: int = Field(default=0, ge=0)
    """Candidates bought at random first, the same in all arms; 0 begins with none."""
    batch: int = Field(default=20, ge=2)
    """Candidates bought in each round."""
    rounds: int = Field(default=10, ge=1)
    """Rounds of choosing."""
    seeds: int = Field(default=5, ge=1)
    """Repetitions with other heads, orders and draws."""
    views: int = Field(default=12, ge=2)
    """Augmented views of an image, for acquisitions that compare answers."""
    passes: int = Field(default=0, ge=0)
    """Passes with dropout instead of views; 0 for views."""
    among: int | None = Field(default=None, ge=2)
    """Choose among so many open candidates, drawn anew in each round; None looks at all."""
    candidate: str | None = None
    """Column whose values are bought as a whole; None for single images."""
    least_steps: int = Field(default=100, ge=1)
    """Steps that each training has at least."""
    stop: tuple[str, ...] = ("plateau", "agreement")
    """Stopping rules that are tried out on every arm; none ends a simulation."""
    cost_per_label: float | None = Field(default=None, gt=0)
    """Price of a label, in any currency."""
    seconds_per_label: float | None = Field(default=None, gt=0)
    """Time that a person takes for a label."""


# What may be added or changed when a simulation goes on.
FREE = frozenset(
    ("acquisitions", "strategies", "seeds", "stop", "cost_per_label", "seconds_per_label")
)
