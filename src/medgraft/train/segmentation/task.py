"""The task of masks: what a run of segmentation does with its data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medgraft.errors import ArgumentError
from medgraft.files import replacing, write_json
from medgraft.nets import Backbone, Created, EncoderDecoder, create_dense, outline
from medgraft.nets.encoder_decoder import deepest
from medgraft.runs import RunFolder
from medgraft.train.hardware import Compute
from medgraft.train.loop import Loop
from medgraft.train.losses import losses
from medgraft.train.patches import Patches, patch_sides
from medgraft.train.processes import Processes
from medgraft.train.recipe import Recipe
from medgraft.train.segmentation.data import Outlined, load_outlined, pixel_weights
from medgraft.train.segmentation.judging import Judged, evaluation_of, judge_masks
from medgraft.train.segmentation.objective import LOSS, Segmentation
from medgraft.train.segmentation.overlays import write_overlays
from medgraft.train.segmentation.segmenter import Segmenter, find_sliding
from medgraft.train.segmentation.whole import Answers
from medgraft.train.setup import (
    NEAREST,
    check_shape,
    last_stage,
    make_augmenter,
    normalisation,
    plan,
)
from medgraft.train.slices import slices_record
from medgraft.train.strategies import Phase, Solver, find_strategy
from medgraft.train.supervised import Rows

UNUSED = ("tta", "positive", "threshold", "kept_views")  # recipe keys of labels


@dataclass(frozen=True)
class Segmenting:
    """Segmentation, before there are data."""

    def body(self, recipe: Recipe) -> Backbone:
        """All stages that keep the place of a pixel."""
        return deepest(outline(recipe.backbone, after=recipe.after))

    def check(self, recipe: Recipe) -> None:
        """Refuse what labels alone have.

        Raises:
            ArgumentError: If a key means nothing here, or the strategy fits a head.
            UnknownNameError: If there is no such loss.
        """
        usual = {key: Recipe.model_fields[key].default for key in UNUSED}
        given = [key for key in UNUSED if getattr(recipe, key) != usual[key]]
        if given:
            raise ArgumentError(
                f"{given[0]} belongs to classification, got {getattr(recipe, given[0])!r} for"
                " --task segmentation. Leave it out."
            )
        if losses.get(recipe.loss or LOSS).kind != "masks":
            raise ArgumentError(
                f"loss must be one of masks ({', '.join(_losses())}), got {recipe.loss!r}."
            )
        strategy = find_strategy(recipe.strategy, weights=recipe.weights)
        first = plan(recipe, self.body(recipe))[0]
        if first.solver is not None or strategy.head != "linear":
            raise ArgumentError(
                f"segmentation needs a strategy that trains a decoder, but {recipe.strategy!r} is"
                " about a head of labels. Take full, head, from:STAGE, gradual, two-phase or vanilla."
            )

    def load(
        self, index_path: Path, recipe: Recipe, cache: Path, *, memory_bytes: int | None
    ) -> Masks:
        """See `load_outlined`."""
        return Masks(load_outlined(index_path, recipe, cache, memory_bytes=memory_bytes))


def _losses() -> list[str]:
    return [name for name in losses.names() if losses.get(name).kind == "masks"]


def window_of(recipe: Recipe, data: Outlined) -> tuple[int, ...] | None:
    """Sides of the patches of a recipe, one per axis; None where images are taken whole.

    Raises:
        ArgumentError: If there is a number too many or too few.
    """
    return patch_sides(recipe.patch, len(data.shape) - 1)


@dataclass(frozen=True)
class Masks:
    """Masks of images; what each method is for stands in `medgraft.train.task.Task`.

    Attributes:
        data: What is learnt from.
    """

    data: Outlined

    def network(self, recipe: Recipe) -> Created[EncoderDecoder]:
        """A U-Net on the backbone, an output channel per class."""
        made = create_dense(
            recipe.backbone,
            in_channels=self.data.shape[0],
            out_channels=len(self.data.classes.names),
            weights=recipe.weights,
            after=last_stage(recipe),
            upsampling=recipe.upsampling or NEAREST,
        )
        window = window_of(recipe, self.data)
        shape = window or self.data.shape[1:]
        check_shape(made.network.backbone, shape, larger="--patch {}" if window else "--size {}")
        made.network.check_sides(shape)
        first = plan(recipe, made.network.backbone)[0]
        made.network.freeze_through(first.freeze_through, norms=first.norms)
        return made

    def predictor(
        self,
        recipe: Recipe,
        made: Created[EncoderDecoder],
        compute: Compute,
        processes: Processes,
    ) -> Segmenter:
        """The network on its device."""
        network = made.network.to(compute.device)
        if compute.placement.channels_last and network.backbone.dims == 2:
            network = network.to(memory_format=torch.channels_last)
        store, rows = self.data.training()
        training = Rows(store, rows, np.empty((len(rows), 0), dtype=np.float32))
        return Segmenter(
            network,
            normalise=normalisation(made.weights, training),
            placement=compute.placement,
            autocast=compute.autocast,
            processes=processes,
            window=window_of(recipe, self.data),
            slicing=self.data.slicing,
        )

    def batches(self, recipe: Recipe, compute: Compute, processes: Processes) -> Patches:
        """Training patches with their masks; a patch as large as the image is the image."""
        store, rows = self.data.training()
        return Patches(
            store,
            rows,
            window_of(recipe, self.data) or self.data.shape[1:],
            per_image=recipe.patches_per_image,
            size=recipe.batch_size,
            seed=recipe.seed,
            foreground=recipe.foreground,
            augmenter=make_augmenter(recipe, self.data),
            placement=compute.placement,
            rank=processes.rank,
            world=processes.world,
        )

    def check(self, recipe: Recipe, predictor: Segmenter, batches: Patches, folder: Path) -> None:
        """Refuse to begin what the first validation could not do.

        Raises:
            MissingExtraError: If images are answered in windows and MONAI is not there.
        """
        del recipe, batches, folder
        if predictor.slides(self.data.shape[1:]):
            find_sliding()

    def solve(self, solver: Solver, predictor: Segmenter, batches: Patches, recipe: Recipe) -> None:
        """Nothing to solve: `Segmenting.check` refused it."""
        raise NotImplementedError

    def objective(
        self,
        recipe: Recipe,
        predictor: Segmenter,
        batches: Patches,  # noqa: ARG002 (the weights come from the index)
        phase: Phase,
    ) -> Segmentation:
        """The loss of the recipe, validated by mean Dice on whole images."""
        predictor.network.freeze_through(phase.freeze_through, norms=phase.norms)
        weights = pixel_weights(
            self.data.index.frame[self.data.places("train")],
            len(self.data.classes.names),
            balanced=recipe.class_weights == "balanced",
        )
        return Segmentation(
            predictor,
            store=self.data.store,
            held_out=self.data.rows("val"),
            loss_name=recipe.loss or LOSS,
            weights=torch.from_numpy(weights).to(predictor.placement.device),
            smoothing=recipe.label_smoothing,
            scales=dict(phase.scales),
        )

    @contextmanager
    def keeping(
        self,
        loop: Loop,  # noqa: ARG002 (skips need the maps of all stages: too much to keep)
        recipe: Recipe,  # noqa: ARG002
        folder: Path,  # noqa: ARG002
        kept: list[dict[str, Any]],  # noqa: ARG002
    ) -> Iterator[None]:
        """Keep nothing."""
        yield

    def answering(self, predictors: Sequence[Segmenter], recipe: Recipe) -> Answers:
        """Networks, and how files are prepared for them."""
        store = self.data.store
        return Answers(
            tuple(predictors), tuple(recipe.steps or ()), store.scale, channels=store.shape[0]
        )

    def answers(self, answering: Answers) -> Judged | None:
        """The table of the test images; the first process alone looks at them."""
        if not answering.segmenters[0].processes.first:
            return None
        return judge_masks(answering, self.data.index)

    def judge(self, run: RunFolder, answers: Judged, recipe: Recipe) -> dict[str, Any]:
        """Write segmentation.parquet and evaluation.json."""
        with replacing(run.segmentation) as temporary:
            answers.table.write_parquet(temporary)
        found = evaluation_of(answers, split="test", replicates=recipe.replicates, seed=recipe.seed)
        write_json(run.evaluation, found)
        return found

    def show(
        self, run: RunFolder, answering: Answers, answers: Judged, found: dict[str, Any]
    ) -> None:
        """Write the worst, the middle and the best images with both outlines."""
        del found
        write_overlays(run.examples, answering, self.data.index, answers.table)

    def record(self, recipe: Recipe, found: dict[str, Any]) -> dict[str, Any]:
        """Classes and their numbers in files."""
        del found
        return {
            "kind": "segmentation",
            "labels": list(self.data.classes.names),
            "values": list(self.data.classes.values),
            "window": window_of(recipe, self.data),
            "slices": slices_record(self.data.store, self.data.slicing),
            "upsampling": recipe.upsampling,
        }
