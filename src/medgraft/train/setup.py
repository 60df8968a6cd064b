"""From a recipe and its data to what the loop trains: the same for every command that trains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from medgraft.augment import Augmenter, expand
from medgraft.augment.transforms import augmentations
from medgraft.errors import ArgumentError, TrainingError
from medgraft.nets import Backbone, Created, create
from medgraft.nets.backbones import find
from medgraft.nets.heads import TWO_WAY
from medgraft.nets.sides import least_side
from medgraft.nets.weights import (
    WeightFile,
    check_architecture,
    open_weights,
    upsampling_of,
)
from medgraft.prepare import canonical, pipeline
from medgraft.prepare.presets import preset_steps
from medgraft.spec import build
from medgraft.train.batches import Batches
from medgraft.train.continuing import check_choice
from medgraft.train.data import Data, check_dims, class_weights, statistics
from medgraft.train.hardware import Compute
from medgraft.train.loop import validation_steps
from medgraft.train.processes import Processes
from medgraft.train.recipe import BaseRecipe, ImageRecipe, Recipe
from medgraft.train.schedules import schedules
from medgraft.train.slices import Slicing
from medgraft.train.strategies import Body, Phase, find_strategy
from medgraft.train.supervised import Normalisation, Predictor, Rows, Supervised
from medgraft.train.task import Material, find_task
from medgraft.train.tta import canonical_views, find_views

NEAREST = "nearest"  # how a decoder doubles sides if nobody says otherwise


def tells_real(recipe: Recipe) -> bool:
    """Whether a run learns to tell real images from generated ones beside the classes."""
    return recipe.samples is not None and recipe.samples_as == "generated"


def check_choices(recipe: Recipe) -> None:
    """Find wrong names now, and not after the images have been prepared.

    Raises:
        UnknownNameError, ArgumentError: If a name or option of the recipe is wrong.
        WeightsError: If the weights are of another architecture.
    """
    check_choice(recipe)
    task = find_task(recipe)
    task.check(recipe)
    body = task.body(recipe)
    check_slices(recipe, body)
    phases = plan(recipe, body)
    _check_kept(recipe, phases)
    _check_samples(recipe, phases)
    find_views(recipe.tta, dims=body.dims)
    check_parts(recipe)


def check_parts(recipe: BaseRecipe) -> None:
    """Find wrong weights, schedules, preparation steps and augmentations of any recipe.

    Raises:
        UnknownNameError, ArgumentError: If a name or option is wrong.
        WeightsError: If the weights are of another architecture.
    """
    if recipe.weights != "none":
        check_architecture(open_weights(recipe.weights, backbone=recipe.backbone), recipe.backbone)
    build(schedules, recipe.schedule)
    if recipe.preset is not None and recipe.slices is not None:
        raise ArgumentError("preset prepares pictures, and slices is given too. Leave one out.")
    check_preparation(recipe)
    for text in expand(recipe.augment):
        build(augmentations, text)


def check_preparation(recipe: ImageRecipe) -> None:
    """Refuse steps or a preset that do not exist, or that contradict each other.

    A recorded recipe has both the preset and the steps that it made.

    Raises:
        UnknownNameError, ArgumentError: With what to do.
    """
    steps = canonical(pipeline(recipe.steps or ()))
    if recipe.preset is None:
        return
    made = [
        canonical(pipeline(preset_steps(recipe.preset, recipe.size, channels, recipe.window)))
        for channels in (1, 3)
    ]
    if recipe.steps and steps not in made:
        raise ArgumentError(
            f"steps must be those that preset {recipe.preset!r} makes at size {recipe.size}, or one"
            f" of both be left out; got {' '.join(recipe.steps)}."
        )


def check_slices(recipe: BaseRecipe, body: Backbone) -> None:
    """Refuse slices that cannot be cut, or a network for volumes that is to look at them.

    Raises:
        ArgumentError: With what to do.
    """
    if Slicing.of(recipe) is not None and body.dims != 2:
        raise ArgumentError(
            f"slices need a network for pictures, and {recipe.backbone} is for volumes. Leave"
            " --slices out, or take another --backbone, such as resnet18."
        )


def _check_kept(recipe: Recipe, phases: Sequence[Phase]) -> None:
    """Settings about validations on the way, which a head that is fitted at once does not have."""
    validation_steps(recipe)
    if recipe.combine == "average" and recipe.keep_best == 1:
        raise ArgumentError(
            "combine 'average' needs keep_best of 2 or more, got 1. Pass --keep-best 5, say."
        )
    if phases[0].solver is not None and (recipe.keep_best > 1 or recipe.validate_every):
        raise ArgumentError(
            "keep_best and validate_every need a strategy that trains step by step, but"
            f" {recipe.strategy!r} fits its head at once. Leave them out."
        )


def _check_samples(recipe: Recipe, phases: Sequence[Phase]) -> None:
    """Samples are learnt step by step, as whole pictures, and are no masks."""
    if recipe.samples is None:
        if recipe.samples_as != "generated" or recipe.samples_weight != 1:
            raise ArgumentError(
                "samples_as and samples_weight are about generated images, and --samples names none."
                " Leave them out."
            )
        return
    for key, wrong in {
        "task": recipe.task != "classification",
        "slices": recipe.slices is not None,
        "strategy": phases[0].solver is not None,
    }.items():
        if wrong:
            raise ArgumentError(
                "samples are learnt with labels of whole images, step by step, but the recipe has"
                f" {key} {getattr(recipe, key)!r}. Leave --samples out, or change it."
            )
    if tells_real(recipe) and recipe.kept_views:
        raise ArgumentError(
            "kept_views are of labelled images alone, and telling real images from generated ones"
            f" needs others, got {recipe.kept_views}. Leave it out."
        )


def plan(recipe: Recipe, backbone: Backbone) -> tuple[Phase, ...]:
    """The phases of a recipe on a network.

    Raises:
        UnknownNameError, ArgumentError: If the strategy does not exist or does not fit.
    """
    chosen = find_strategy(recipe.strategy, weights=recipe.weights)
    body = Body(tuple(backbone.names), tuple(backbone.strides.values()))
    return chosen.plan(body, epochs=recipe.epochs, rate=recipe.rate)


def last_stage(recipe: Recipe) -> str | None:
    """The last stage that the network of a recipe keeps; None if it keeps all.

    A strategy may cut before the stage that the user named.
    """
    return find_strategy(recipe.strategy, weights=recipe.weights).last_stage or recipe.after


def resolve(recipe: Recipe, data: Material, compute: Compute) -> Recipe:
    """The recipe with everything that was left open filled in."""
    augmenter = Augmenter(recipe.augment, dims=len(data.shape) - 1)
    resolved = {
        "channels": data.store.shape[0],
        "steps": tuple(canonical(pipeline(data.steps))),
        "augment": tuple(augmenter.specs),
        "tta": canonical_views(recipe.tta),
        "precision": compute.precision,
        "memory_format": compute.memory_format,
        "threads": torch.get_num_threads(),
    }
    if recipe.task == "segmentation":
        resolved["upsampling"] = recipe.upsampling or _upsampling(recipe)
    return recipe.model_copy(update=resolved)


def _upsampling(recipe: Recipe) -> str:
    """That of the decoder of the weights, so that it can be loaded; else nearest."""
    if recipe.weights == "none":
        return NEAREST
    return upsampling_of(open_weights(recipe.weights, backbone=recipe.backbone)) or NEAREST


def make_network(recipe: Recipe, data: Data) -> Created:
    """The network for these images and labels, loaded, truncated and frozen for its first phase.

    Raises:
        TrainingError: If the images have the wrong number of axes, or are too small for it.
    """
    made = create(
        recipe.backbone,
        in_channels=data.shape[0],
        classes=len(data.target.names),
        weights=recipe.weights,
        after=last_stage(recipe),
        head=head_of(recipe, data),
    )
    check_shape(made.network.backbone, data.shape[1:])
    first = plan(recipe, made.network.backbone)[0]
    made.network.freeze_through(first.freeze_through, norms=first.norms)
    return made


def head_of(recipe: Recipe, data: Data) -> str:
    """Name of the head that the strategy asks for and the policies for uncertain labels need."""
    name = find_strategy(recipe.strategy, weights=recipe.weights).head
    if tells_real(recipe) and data.target.kind == "independent":
        return f"{name}{TWO_WAY}"
    return name if data.uncertain is None else data.uncertain.head(name)


def make_predictor(made: Created, data: Data, compute: Compute, processes: Processes) -> Predictor:
    """The network on its device, with the normalisation that belongs to its weights."""
    network = made.network.to(compute.device)
    if compute.placement.channels_last:
        network = network.to(memory_format=torch.channels_last)
    return Predictor(
        network,
        kind=data.target.kind,
        normalise=normalisation(made.weights, data.rows("train")),
        placement=compute.placement,
        autocast=compute.autocast,
        processes=processes,
    )


def make_batches(recipe: Recipe, data: Data, compute: Compute, processes: Processes) -> Batches:
    """The training images in batches, augmented."""
    training = data.training()
    return Batches(
        training.store,
        training.rows,
        training.targets,
        size=recipe.batch_size,
        seed=recipe.seed,
        augmenter=make_augmenter(recipe, data),
        placement=compute.placement,
        rank=processes.rank,
        world=processes.world,
    )


def make_augmenter(recipe: Recipe, data: Material) -> Augmenter | None:
    """What changes training images at random; None if nothing does."""
    augmenter = Augmenter(recipe.augment, dims=len(data.shape) - 1)
    return augmenter if recipe.augment else None


def make_objective(
    recipe: Recipe, predictor: Predictor, data: Data, batches: Batches, phase: Phase
) -> Supervised:
    """Learning the labels in one phase, validated where there are validation images."""
    predictor.network.freeze_through(phase.freeze_through, norms=phase.norms)
    held_out = data.rows("val")
    weights = class_weights(
        batches.targets, kind=data.target.kind, balanced=recipe.class_weights == "balanced"
    )
    return Supervised(
        predictor,
        weights=torch.from_numpy(weights).to(predictor.placement.device),
        smoothing=recipe.label_smoothing,
        held_out=held_out if len(held_out.rows) else None,
        scales=dict(phase.scales),
        three_way=() if data.uncertain is None else data.uncertain.three_way,
    )


def normalisation(weights: WeightFile | None, training: Rows) -> Normalisation:
    """That of the images the weights were trained on; of the training images if it is unknown."""
    if weights is None or weights.mean is None or weights.std is None:
        return statistics(training)
    channels = training.store.gather(training.rows[:1]).shape[1]
    mean, std = weights.mean, weights.std
    if len(mean) != channels:  # colour statistics for grey images: their mean
        mean = (float(np.mean(mean)),) * channels
        std = (float(np.mean(std)),) * channels
    return Normalisation(mean, std, f"the weights ({weights.source})")


def check_shape(backbone: Backbone, shape: tuple[int, ...], *, larger: str = "--size {}") -> None:
    """Refuse images of another number of axes, or too small, for a backbone as it was cut.

    Args:
        backbone: The stages that are kept.
        shape: Spatial, of the images that it is to take.
        larger: What is passed to have them of a least side.

    Raises:
        TrainingError: With what it needs.
    """
    check_dims(backbone.name, len(shape), f": {' x '.join(map(str, shape))}")
    if min(shape) >= find(backbone.name).smallest_side:
        return
    least, last = least_side(backbone), backbone.names[-1]
    if min(shape) < least:
        shallower = "" if last == backbone.names[0] else ", or keep fewer stages with --after"
        raise TrainingError(
            f"{backbone.name} up to {last} needs images of at least {least} pixels a side, got"
            f" {' x '.join(map(str, shape))}. Pass {larger.format(least)} or more{shallower}."
        )
