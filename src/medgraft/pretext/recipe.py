"""The settings of a pretraining: one model for the file, the flags and the record."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from medgraft.train.recipe import BaseRecipe


class Pretraining(BaseRecipe):
    """Everything that decides what a training without labels does."""

    task: str = Field("models_genesis", description="What is learnt, see `medgraft list pretexts`.")
    as_published: bool = Field(
        default=False,
        description="Distort by the numbers of the authors' code, not of their paper.",
    )
    semantic: str | None = Field(
        None,
        description="Folder of `medgraft discover`: its crops are restored, and their patterns named;"
        " images are then prepared as they were for the discovery.",
    )
    class_weight: float = Field(
        0.01, ge=0, description="Weight of the loss of the names, beside 1 of restoring."
    )
    encoder_epochs: int = Field(
        0,
        ge=0,
        description="Epochs in which the encoder alone learns to name the patterns of --semantic, before"
        " the decoder joins it; these come before --epochs.",
    )
    upsampling: Literal["nearest", "transposed"] = Field(
        "nearest", description="How the decoder doubles the sides of its maps."
    )

    augment: tuple[str, ...] = Field(
        ("none",),
        description="Augmentations before the task, such as rotate:degrees=15, or presets.",
    )
    epochs: int = Field(50, ge=1, description="Passes over the training images.")
    optimiser: Literal["adamw", "adam", "sgd"] = Field("adam", description="Optimiser.")
    weight_decay: float = Field(0.0, ge=0, description="Decay of matrices.")
