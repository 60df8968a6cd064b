"""Ways of being helped by generated images, in one line: ``none,augment:vae,augment:dcgan+screen``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medgraft.errors import ArgumentError
from medgraft.generate.generators import find_model, generators
from medgraft.runs import RunFolder
from medgraft.spec import parse, split

NONE, AUGMENT, SEMI = "none", "augment", "semi_supervised"
SCREENED = "+screen"
USUAL = "vae"  # whose samples a discriminator sees if no arm names a model


@dataclass(frozen=True)
class Arm:
    """One way of being helped.

    Attributes:
        name: As it was written.
        kind: Not at all, by samples with labels, or by telling samples from real images.
        model: What generates, with its options, or a run that has learnt to; None if nothing does.
        screened: Whether a discriminator keeps the best samples and names them.
    """

    name: str
    kind: Literal["none", "augment", "semi_supervised"]
    model: str | None = None
    screened: bool = False

    @property
    def folder(self) -> str:
        """A name for its folders.

        Examples:
            >>> Arm("augment:vae:latent=8+screen", "augment").folder
            'augment-vae-latent=8+screen'
        """
        return folder_name(self.name)


def folder_name(text: str) -> str:
    """A name for folders, of a spec."""
    return re.sub(r"[^\w.,=+@-]+", "-", text)


def trained(model: str) -> RunFolder | None:
    """The run of `medgraft generate train` that an arm names; None where it names a model.

    Examples:
        >>> trained("vae:latent=8") is None
        True
    """
    if parse(model)[0] in generators.names() or not Path(model).is_dir():
        return None
    return RunFolder(Path(model))


def read_synthetic_arms(text: str) -> list[Arm]:
    """The arms that a line names, `none` first, which is always among them.

    Raises:
        ArgumentError: If an arm is none of these, stands twice, or nothing is compared.
        UnknownNameError: If there is no such model.

    Examples:
        >>> for arm in read_synthetic_arms("augment:dcgan:r1=1,width=32,augment:vae+screen,semi_supervised"):
        ...     print(arm.name, arm.model, arm.screened)
        none None False
        augment:dcgan:r1=1,width=32 dcgan:r1=1,width=32 False
        augment:vae+screen vae True
        semi_supervised dcgan:r1=1,width=32 False
    """
    found = [_arm(part) for part in split(text) if part != NONE]
    first = next((arm.model for arm in found if arm.model), USUAL)
    arms = [
        Arm(NONE, "none"),
        *(Arm(arm.name, arm.kind, arm.model or first, arm.screened) for arm in found),
    ]
    names = [arm.folder for arm in arms]
    for arm in arms:
        if names.count(arm.folder) > 1:
            raise ArgumentError(f"every arm must stand once, but {arm.name!r} stands twice.")
        if arm.model is not None and trained(arm.model) is None:
            find_model(arm.model)
    if len(arms) == 1:
        raise ArgumentError(
            f"--arms must name a way of being helped beside none, such as augment:vae, got {text!r}."
        )
    return arms


def _arm(text: str) -> Arm:
    kind, _, rest = text.partition(":")
    model = rest.removesuffix(SCREENED)
    if kind == AUGMENT and model:
        return Arm(text, "augment", model, rest != model)
    if kind == SEMI and rest == model and SCREENED not in kind:
        return Arm(text, "semi_supervised", model or None)
    raise ArgumentError(
        "an arm must be none, augment:MODEL, augment:MODEL+screen or semi_supervised[:MODEL], got"
        f" {text!r} in --arms."
    )
