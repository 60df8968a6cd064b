"""The arms of an experiment, in one line: ``vanilla,head,full+none,full@rate=1e-4,epochs=5``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from medgraft.errors import ArgumentError, UnknownNameError, WeightsError
from medgraft.nets import create
from medgraft.registry import unknown_name
from medgraft.spec import build, parse, split
from medgraft.train.recipe import Recipe, check_recipe
from medgraft.train.setup import check_choices, last_stage
from medgraft.train.strategies import find_strategy, strategies

# What says how a network is tuned and answers. The rest is what makes arms comparable: one network,
# the same rows, the same images, the same augmentation, one way of judging. The preparation may
# differ, since arms of one strategy then tell what a preparation is worth.
OWN = (
    "preset",
    "epochs",
    "batch_size",
    "accumulate",
    "optimiser",
    "rate",
    "weight_decay",
    "schedule",
    "clip",
    "kept_views",
    "label_smoothing",
    "class_weights",
    "patience",
    "validate_every",
    "keep_best",
    "combine",
    "tta",
)


@dataclass(frozen=True)
class Arm:
    """One way of tuning.

    Attributes:
        name: As it was written.
        strategy: Spec of the strategy.
        weights: What it starts from, as in the recipe.
        settings: Recipe keys of its own.
    """

    name: str
    strategy: str
    weights: str
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """A name for its folders.

        Examples:
            >>> Arm("from:layer4+w/best.safetensors@rate=1e-4", "", "").folder
            'from-layer4+w-best.safetensors@rate=1e-4'
        """
        return re.sub(r"[^\w.,=+@-]+", "-", self.name)

    def recipe(self, shared: Recipe, seed: int) -> Recipe:
        """The recipe of one of its runs.

        Raises:
            ArgumentError: If a setting of its own is out of range.
        """
        own = {"strategy": self.strategy, "weights": self.weights, "seed": seed, **self.settings}
        return check_recipe({**shared.model_dump(), **own}, where=f"arm {self.name!r}")


def read_arms(text: str, *, weights: str) -> list[Arm]:
    """The arms that a line names.

    An arm is ``STRATEGY[+WEIGHTS][@KEY=VALUE,KEY=VALUE]``. A part between commas that begins
    with ``key=`` belongs to the arm before it, since no strategy has a name with ``=``.

    Args:
        text: The line.
        weights: Of arms that do not name their own; strategies that are meant for random
            weights never take them.

    Raises:
        ArgumentError: If an arm is empty or stands twice, or an own setting is unknown.
        UnknownNameError: If a strategy does not exist.

    Examples:
        >>> for arm in read_arms("vanilla,head+none@rate=1e-2,epochs=5,full", weights="imagenet"):
        ...     print(arm.name, arm.weights, arm.settings)
        vanilla none {}
        head+none@rate=1e-2,epochs=5 none {'rate': 0.01, 'epochs': 5}
        full imagenet {}
    """
    arms = [_arm(part, weights) for part in split(text)]
    names = [arm.folder for arm in arms]
    for arm in arms:
        if names.count(arm.folder) > 1:
            raise ArgumentError(f"every arm must stand once, but {arm.name!r} stands twice.")
    return arms


def _arm(text: str, weights: str) -> Arm:
    tuned, _, own = text.partition("@")
    spec, plus, given = tuned.partition("+")
    if not spec or (plus and not given):
        raise ArgumentError(
            f"an arm must be STRATEGY[+WEIGHTS][@KEY=VALUE,...], got {text!r} in --arms."
        )
    from_random = build(strategies, spec).from_random
    return Arm(text, spec, given or ("none" if from_random else weights), _settings(own, text))


def _settings(own: str, arm: str) -> dict[str, Any]:
    _, settings = parse(f"arm:{own}")
    for key in settings:
        if key not in OWN:
            raise ArgumentError(
                f"{unknown_name('setting that an arm may have', key, OWN)} In arm {arm!r}; all"
                " other settings are flags, shared by the arms."
            )
    return settings


def check_arms(arms: list[Arm], shared: Recipe) -> None:
    """Find arms that cannot be trained before anything is.

    Raises:
        ArgumentError, UnknownNameError, WeightsError: With the arm it is about.
    """
    fitting: set[tuple[str, str | None, str]] = set()
    for arm in arms:
        recipe = arm.recipe(shared, shared.seed)
        try:
            check_choices(recipe)
            asked = (
                arm.weights,
                last_stage(recipe),
                find_strategy(arm.strategy, weights=arm.weights).head,
            )
            if arm.weights != "none" and asked not in fitting:
                weights, after, head = asked
                create(
                    recipe.backbone, weights=weights, after=after, head=head,
                    in_channels=recipe.channels or 1, classes=2,
                )  # fmt: skip
                fitting.add(asked)
        except (ArgumentError, UnknownNameError, WeightsError) as error:
            raise type(error)(f"{error} In arm {arm.name!r}.") from error
