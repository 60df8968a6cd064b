"""The settings of a run: one model for the file, the flags and the record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from typing_extensions import TypeVar  # typing's has no default before Python 3.13

from medgraft.errors import ArgumentError
from medgraft.files import write_text
from medgraft.registry import unknown_name
from medgraft.spec import first_problem


def _threshold(rule: str) -> str:
    from medgraft.evaluate.threshold import parse_rule  # numpy is not needed for --help

    parse_rule(rule)
    return rule


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NetworkRecipe(_Settings):
    """Which network learns, and from which weights. Abstract."""

    backbone: str = Field("resnet18", description="Architecture, see `medgraft list backbones`.")
    weights: str = Field(
        "none", description="'none', 'imagenet', a .safetensors file or a run folder."
    )
    after: str | None = Field(None, description="Last stage to keep; all if not given.")


class ImageRecipe(_Settings):
    """How images are prepared. Abstract."""

    size: int = Field(224, ge=8, le=4096, description="Side of the prepared image, in pixels.")
    channels: Literal[1, 3] | None = Field(
        None, description="Grey (1) or colour (3); if not given, as the images are."
    )
    window: Literal["file"] | tuple[float, float] | None = Field(
        None, description="'file' (the window that a DICOM file names), or two limits in its units."
    )
    preset: str | None = Field(
        None,
        description="Preparation for a kind of image, such as mammography; see `medgraft list presets`.",
    )
    steps: tuple[str, ...] | None = Field(
        None, description="Preparation steps in full, instead of those that size or preset make."
    )


class CuttingRecipe(_Settings):
    """What is cut from images before a network sees them. Abstract."""

    slices: int | None = Field(
        None,
        ge=1,
        description="Look at volumes slice by slice, with a network for pictures: so many neighbouring"
        " slices are its channels, 1 (2-D), 3 (2.5-D) or another odd number; whole volumes if not given.",
    )
    slice_plane: Literal["axial", "coronal", "sagittal", "0", "1", "2"] = Field(
        "axial",
        description="Which slices: axial, coronal or sagittal, of volumes that the step orient turned;"
        " or the number of the axis along which they follow one another.",
    )
    patch: tuple[Annotated[int, Field(ge=1)], ...] | None = Field(
        None,
        description="Sides of the patches that masks, or a pretraining, are learnt from, one number or"
        " one per axis; whole images if not given. Segmentation answers in windows of that size.",
    )
    patches_per_image: int = Field(1, ge=1, description="Patches of each image in an epoch.")


class LoopRecipe(_Settings):
    """What the loop needs to know, whatever it trains. Abstract."""

    augment: tuple[str, ...] = Field(
        ("films",), description="Augmentations or presets, such as rotate:degrees=15."
    )

    epochs: int = Field(10, ge=1, description="Passes over the training images.")
    batch_size: int = Field(64, ge=2, description="Images per step, over all processes.")
    accumulate: int = Field(1, ge=1, description="Batches per step of the optimiser.")
    optimiser: Literal["adamw", "adam", "sgd"] = Field("adamw", description="Optimiser.")
    rate: float = Field(1e-3, gt=0, description="Peak learning rate.")
    weight_decay: float = Field(0.01, ge=0, description="Decoupled decay of matrices.")
    beta2: float = Field(
        0.99, ge=0, lt=1, description="How slowly adam and adamw forget squared gradients."
    )
    schedule: str = Field(
        "one_cycle",
        description="Course of the rate: one_cycle, one_cycle:rise=0.3, cosine, exponential:gamma=0.95, constant.",
    )
    clip: float | None = Field(1.0, gt=0, description="Largest gradient norm; no limit if null.")

    patience: int | None = Field(
        None, ge=1, description="Stop after so many epochs without a better validation score."
    )
    validate_every: int | None = Field(
        None, ge=1, description="Examples between validations; once an epoch if null."
    )

    test: float = Field(
        0.2, ge=0, lt=1, description="Share to split off, if the index has no split."
    )
    val: float = Field(
        0.1, ge=0, lt=1, description="Share to split off, if the index has no split."
    )

    seed: int = Field(0, ge=0, description="Seed of everything random.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="'auto' takes bfloat16 where this machine was measured to gain by it; never"
        " for volumes on a processor, where it gives wrong gradients.",
    )
    memory_format: Literal["auto", "contiguous", "channels_last"] = Field(
        "auto", description="Likewise."
    )
    threads: int | None = Field(None, ge=1, description="Processor threads; all if not given.")
    device: str = Field("auto", description="'auto', 'cpu', 'cuda' or 'cuda:1'.")
    checkpoint_seconds: float = Field(
        60.0, ge=0, description="Time between checkpoints: the most that a crash can cost."
    )


class BaseRecipe(LoopRecipe, CuttingRecipe, ImageRecipe, NetworkRecipe):
    """What every training of a backbone decides, whatever it learns. Abstract.

    Fields stand in the order of the bases from right to left: network, images, cuts, loop.
    """


class Recipe(BaseRecipe):
    """Everything that decides what a training on labels does."""

    task: Literal["classification", "segmentation"] = Field(
        "classification",
        description="What is learnt: the labels of the images, or their masks ('segmentation').",
    )
    strategy: str = Field(
        "full",
        description="What is tuned: full, head, from:STAGE, gradual, two-phase, fine-tune,"
        " linear:STAGE, svm:STAGE, vanilla.",
    )

    loss: str | None = Field(
        None,
        description="Loss of masks: dice_cross_entropy (if not given) or dice; of labels there is no choice.",
    )
    foreground: float = Field(
        0.5, ge=0, le=1, description="Share of patches that are cut around a pixel of foreground."
    )
    upsampling: Literal["nearest", "transposed"] | None = Field(
        None,
        description="How the decoder of segmentation doubles the sides of its maps: nearest (values"
        " repeated) or transposed (learnt); if not given, as that of the weights, else nearest.",
    )
    kept_views: int | None = Field(
        None,
        ge=0,
        description="Views of each image that pass frozen stages, once for all epochs; 0: every"
        " epoch anew; if not given, at most 4, where that saves time and the disk has room.",
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="Share given to other classes.")
    class_weights: Literal["none", "balanced"] = Field(
        "none", description="'balanced' weighs classes by the inverse of their frequency."
    )
    keep_best: int = Field(
        1, ge=1, description="Answer with so many of the best weights of validation, not with one."
    )
    combine: Literal["ensemble", "average"] = Field(
        "ensemble",
        description="What is averaged over the kept weights: probabilities, or the weights ('average').",
    )
    tta: str | None = Field(
        None,
        description="Views to average each answer over: corners, dihedral; see `medgraft list tta`.",
    )

    uncertain: tuple[str, ...] = Field(
        ("ignore",),
        description="What labels of -1 teach: ignore, zeros, ones, prevalence, self_trained:RUN or"
        " multi_class; LABEL=POLICY for one label. In training only: elsewhere they are left out.",
    )
    blank: Literal["ignore", "zeros"] = Field(
        "ignore", description="What blank labels teach: nothing, or absence ('zeros')."
    )
    labels_per_class: int | None = Field(
        None, ge=1, description="Use only so many training images of each class."
    )
    samples: str | None = Field(
        None,
        description="Index of generated images to learn from as well, see `medgraft generate sample`.",
    )
    samples_as: Literal["generated", "labelled"] = Field(
        "generated",
        description="What they teach: to tell real images from generated ones, of which all training"
        " images without a look at their labels are the real ones; or their labels, as real images do.",
    )
    samples_weight: float = Field(
        1.0, gt=0, description="Of telling real from generated, beside telling the classes apart."
    )
    continues: str | None = Field(
        None, description="Run whose network goes on learning; set by --continue."
    )
    positive: str | None = Field(None, description="The class that binary metrics speak of.")
    threshold: Annotated[str, AfterValidator(_threshold)] = Field(
        "youden",
        description="'youden', 'sensitivity:0.95', 'specificity:0.95' or a number; chosen on validation.",
    )
    replicates: int = Field(1000, ge=0, description="Bootstrap replicates of each interval.")


Kind = TypeVar("Kind", bound=LoopRecipe, default=Recipe)


def load_recipe(path: Path, kind: type[Kind] = Recipe) -> Kind:  # type: ignore[assignment]
    """Read a recipe of some kind.

    Raises:
        ArgumentError: If it is not YAML, a key is unknown, or a value is out of range.
    """
    import yaml

    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ArgumentError(f"--recipe must name a file: {error.strerror}, '{path}'.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ArgumentError(f"a recipe must be YAML, but '{path}' is not: {error}") from error
    if not isinstance(data, dict):
        raise ArgumentError(f"a recipe must be keys and values, but '{path}' is not.")
    for key in data:
        if key not in kind.model_fields:
            raise ArgumentError(
                f"{unknown_name('recipe key', str(key), kind.model_fields)} In '{path}'."
            )
    return check_recipe(data, kind, where=f"'{path}'")


def check_recipe(
    data: dict[str, Any],
    kind: type[Kind] = Recipe,  # type: ignore[assignment]
    *,
    where: str,
) -> Kind:
    """A recipe from plain values.

    Raises:
        ArgumentError: If a value is out of range; the message names the key.
    """
    try:
        return kind(**data)
    except ValidationError as error:
        raise ArgumentError(f"{first_problem(error, kind)}, in {where}") from error


def save_recipe(recipe: LoopRecipe, path: Path) -> None:
    """Write a recipe with every default spelled out."""
    import yaml

    data = recipe.model_dump(mode="json")
    write_text(path, yaml.safe_dump(data, sort_keys=False, allow_unicode=True))
