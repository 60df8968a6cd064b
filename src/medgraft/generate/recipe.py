"""The settings of a generative model: one model for the file, the flags and the record."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from medgraft.train.recipe import ImageRecipe, LoopRecipe


class Generating(LoopRecipe, ImageRecipe):
    """Everything that decides what a training of a generative model does."""

    model: str = Field(
        "vae",
        description="What learns, with its options: vae:latent=64, dcgan, vae_gan; see"
        " `medgraft list generators`.",
    )
    conditional: bool = Field(
        default=False,
        description="Learn the images of each class apart, so that samples of a class can be drawn.",
    )

    size: Literal[32, 64, 128] = Field(64, description="Side of the images, in pixels.")
    augment: tuple[str, ...] = Field(
        ("none",),
        description="Augmentations or presets; whatever they do to images, samples show as well.",
    )
    epochs: int | None = Field(  # type: ignore[assignment]  # filled in before the loop sees it
        None, ge=1, description="Passes over the training images; of the model if not given."
    )
    rate: float | None = Field(  # type: ignore[assignment]
        None, gt=0, description="Peak learning rate; of the model if not given."
    )
    schedule: str | None = Field(  # type: ignore[assignment]
        None,
        description="Course of the rate: one_cycle, cosine, constant, ...; of the model if not given.",
    )
    beta1: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="How slowly adam and adamw forget gradients, where no schedule says (one_cycle"
        " does); of the model if not given.",
    )
    optimiser: Literal["adamw", "adam", "sgd"] = Field("adam", description="Optimiser.")
    weight_decay: float = Field(0.0, ge=0, description="Decay of matrices.")
    beta2: float = Field(
        0.999, ge=0, lt=1, description="How slowly adam and adamw forget squared gradients."
    )
    clip: float | None = Field(
        None, gt=0, description="Largest gradient norm of each part; no limit if null."
    )
