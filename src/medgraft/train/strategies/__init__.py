"""Strategies: what is tuned, in which phases, at which rates.

To add one, add a module to this folder with a frozen model that has a field per option and
makes a plan. Its contract is checked by ``tests/train/test_strategies.py``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self, TypeVar

from pydantic import Field

from medgraft.errors import ArgumentError
from medgraft.registry import Registry, unknown_name
from medgraft.spec import Options, build

DEEP = 8  # input pixels per output pixel: up to here maps show edges and textures
TENTH = 0.1  # factor on the rates of frozen stages whose batch norms learn, as fastai has it


@dataclass(frozen=True)
class Body:
    """What a strategy may know of a network.

    Attributes:
        stages: Names of the stages of the backbone, in order.
        strides: Input pixels per output pixel of each; None after a global pool.
    """

    stages: tuple[str, ...]
    strides: tuple[int | None, ...]

    @property
    def last(self) -> str:
        """The last stage."""
        return self.stages[-1]

    def before(self, stage: str) -> str | None:
        """The stage before `stage`; None if it is the first."""
        place = self.stages.index(stage)
        return self.stages[place - 1] if place else None

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """Stages up to a stride of 8, the deeper ones, and the head.

        For a ResNet these are the three layer groups of fastai: stem to layer2, layer3 and
        layer4, head.
        """
        shallow = tuple(
            stage
            for stage, stride in zip(self.stages, self.strides, strict=True)
            if stride is not None and stride <= DEEP
        )
        deep = self.stages[len(shallow) :]
        return tuple(group for group in (shallow, deep, ("head",)) if group)


@dataclass(frozen=True)
class Solver:
    """How a head is fitted to the features of the frozen stages before it.

    Attributes:
        model: "logistic" or "svm".
        c: Inverse strength of the penalty; None chooses it by cross-validation.
        folds: Parts of the cross-validation, each of whole patients.
        views: Augmented views of every training image that are added to it.
    """

    model: Literal["logistic", "svm"]
    c: float | None = None
    folds: int = 5
    views: int = 0


@dataclass(frozen=True)
class Phase:
    """A stretch of training with one cut and one set of rates.

    Attributes:
        name: For the record.
        epochs: Passes over the training images.
        freeze_through: Last frozen stage; None tunes everything.
        rate: Peak rate of the head and of stages that `scales` does not name.
        scales: Factor on the rate by stage.
        norms: Whether batch norms of frozen stages stay "still" (bit-identical, buffers
            included) or are "moving" (they learn, and follow the statistics).
        schedule: Spec of its own schedule; None takes that of the recipe.
        solver: How the head is fitted; None trains by gradient steps. A phase that is fitted has
            no epochs and no rate, freezes every stage, and is the only one of its plan.
    """

    name: str
    epochs: int
    freeze_through: str | None
    rate: float
    scales: tuple[tuple[str, float], ...] = ()
    norms: Literal["still", "moving"] = "still"
    schedule: str | None = None
    solver: Solver | None = None


class Strategy(Options, ABC):
    """How a network is tuned.

    Attributes:
        head: Name of the head it wants.
        from_random: Whether it is meant for random weights only.
    """

    head: ClassVar[str] = "linear"
    from_random: ClassVar[bool] = False

    @property
    def last_stage(self) -> str | None:
        """The stage after which it cuts the network; None cuts nothing."""
        return None

    def scaled(self, factor: float) -> Self:  # noqa: ARG002 (strategies with rates of their own use it)
        """The same strategy with the rates of its own multiplied; that of the recipe is not its."""
        return self

    @abstractmethod
    def plan(self, body: Body, *, epochs: int, rate: float) -> tuple[Phase, ...]:
        """The phases, in order; `epochs` and `rate` are those of the recipe.

        Raises:
            ArgumentError: If the options do not fit the network or the epochs.
        """


class FittedHead(Strategy):
    """A head that is fitted to what a frozen stage makes of the images; nothing else learns.

    Attributes:
        model: What is fitted.
    """

    model: ClassVar[Literal["logistic", "svm"]]
    stage: str | None = Field(None, description="The stage to cut after; the last if not given.")
    c: float | None = Field(
        None, gt=0, description="Inverse strength of the penalty; chosen if not given."
    )
    folds: int = Field(5, ge=2, description="Parts of the cross-validation.")
    views: int = Field(0, ge=0, description="Augmented views of every image to fit to as well.")

    @property
    def last_stage(self) -> str | None:
        """The stage of its option."""
        return self.stage

    def plan(self, body: Body, *, epochs: int, rate: float) -> tuple[Phase, ...]:  # noqa: ARG002 (the family's signature)
        """One phase, which is fitted.

        Raises:
            UnknownNameError: If there is no such stage; the near names are offered.
        """
        stage = self.stage or body.last
        if stage not in body.stages:
            raise unknown_name("stage", stage, body.stages)
        solver = Solver(self.model, self.c, self.folds, self.views)
        return (Phase(f"fit after {stage}", 0, stage, 0.0, solver=solver),)


Kind = TypeVar("Kind", bound=type[Strategy])
strategies: Registry[type[Strategy]] = Registry("strategy", __name__)


def strategy(name: str) -> Callable[[Kind], Kind]:
    """Register a strategy under `name`."""

    def register(kind: Kind) -> Kind:
        strategies.add(name, kind)
        return kind

    return register


def find_strategy(text: str, *, weights: str) -> Strategy:
    """The strategy that a spec describes.

    Raises:
        UnknownNameError: If there is none of that name.
        ArgumentError: If an option is wrong, or it does not go with the weights.
    """
    found = build(strategies, text)
    if found.from_random and weights != "none":
        raise ArgumentError(
            f"strategy {text!r} starts from random weights, got --weights {weights!r}."
            " Leave --weights out, or choose another strategy."
        )
    return found


def ladder(
    groups: Sequence[Sequence[str]], low: float, high: float
) -> tuple[tuple[str, float], ...]:
    """Factors on `high` by stage: a geometric ladder of rates from `low` to `high` over groups.

    Examples:
        >>> rungs = ladder([["stem"], ["layer4"], ["head"]], 1e-5, 1e-4)
        >>> [(name, round(1e-4 * factor, 8)) for name, factor in rungs]
        [('stem', 1e-05), ('layer4', 3.162e-05), ('head', 0.0001)]
    """
    steps = max(1, len(groups) - 1)
    return tuple(
        (name, (low / high) ** (1 - place / steps))
        for place, group in enumerate(groups)
        for name in group
    )
