"""What a round asks of a model: to be as it was, to learn, to answer, and to say what it is unsure of."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from medgraft.active.candidates import Candidates
from medgraft.active.evidence import Evidence, Integers
from medgraft.active.fitting import fit_some
from medgraft.active.model import PLAIN, Model, check_dropout
from medgraft.active.trunk import Elsewhere, Kept, Passing, Trunk, keep
from medgraft.errors import ArgumentError
from medgraft.nets import Backbone
from medgraft.train.batches import Batches
from medgraft.train.classification import Classification
from medgraft.train.continuing import slower
from medgraft.train.data import Data
from medgraft.train.hardware import Compute
from medgraft.train.lengthening import lengthened
from medgraft.train.loop import Loop
from medgraft.train.phases import train_phases
from medgraft.train.processes import Processes
from medgraft.train.recipe import Recipe
from medgraft.train.setup import (
    make_augmenter,
    make_network,
    make_objective,
    make_predictor,
    plan,
)
from medgraft.train.solve import set_layer
from medgraft.train.strategies import Phase, Solver
from medgraft.train.supervised import Predictor, Supervised

State = dict[str, Tensor]  # weights of what learns, by name


@dataclass(frozen=True)
class Looks:
    """How candidates are looked at by acquisitions that need more than one answer.

    Attributes:
        views: Augmented views of each image.
        passes: Passes with dropout instead; 0 for views.
    """

    views: int = 12
    passes: int = 0

    @property
    def count(self) -> int:
        """Answers per image."""
        return self.passes or self.views


@dataclass(frozen=True)
class Learner:
    """A network, the rows it may know, and the recipe by which it learns.

    Attributes:
        recipe: With everything filled in.
        data: Images, and the labels of the validation part.
        predictor: The network; between two calls it holds whatever was used last.
        trunk: Where averaged maps come from; kept ones if no stage ever learns.
        looks: How candidates are looked at.
        folder: For what does not fit in memory.
        least_steps: Steps that a training has at least, however few its images.
    """

    recipe: Recipe
    data: Data
    predictor: Predictor
    trunk: Trunk
    looks: Looks
    folder: Path
    least_steps: int

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        data: Data,
        compute: Compute,
        pool: Integers,
        *,
        looks: Looks,
        many: bool,
        least_steps: int,
        folder: Path,
        elsewhere: Elsewhere | None = None,
    ) -> Learner:
        """A learner of a pool; where no stage learns, all its images pass the stages now.

        Args:
            recipe: With everything filled in.
            data: See `Learner`.
            compute: Where and how to compute.
            pool: Places of the images of the pool.
            looks: How candidates are looked at.
            many: Whether anything will look at them more than once.
            least_steps: See `Learner`.
            folder: For maps that are kept, and what does not fit in memory.
            elsewhere: Where images pass the network, if not in this process.

        Raises:
            ArgumentError: If dropout passes are asked for and the head has no dropout, or its
                head is fitted in a way that a few labels do not allow.
        """
        torch.manual_seed(recipe.seed)
        made = make_network(recipe, data)
        predictor = make_predictor(made, data, compute, Processes())
        augmenter = make_augmenter(recipe, data)
        if looks.passes:
            check_dropout(predictor.network.head)
        passing = Passing(predictor, data, augmenter, recipe.seed, elsewhere)
        trunk: Trunk = passing
        if never_learns(recipe, predictor.network.backbone):
            solver = plan(recipe, predictor.network.backbone)[0].solver
            _check_solver(solver)
            views = max(
                looks.views if many and not looks.passes else 0,
                looks.views if solver is None else solver.views,  # what is learnt from
            )
            if augmenter is None or augmenter.mixes:  # refused where views are asked for
                views = 0
            trunk = keep(passing, pool, views=views, folder=folder / "kept")
        return cls(recipe, data, predictor, trunk, looks, folder, least_steps)

    # --- weights -----------------------------------------------------------------------

    @property
    def _learning(self) -> nn.Module:
        """What learns: the head alone, or everything."""
        network = self.predictor.network
        return network.head if isinstance(self.trunk, Kept) else network

    def first(self, seed: int) -> State:
        """M_0: the weights of the recipe, with a head that the seed draws."""
        torch.manual_seed(seed)
        network = make_network(self.recipe, self.data).network
        return state_of(network.head if isinstance(self.trunk, Kept) else network)

    def load(self, state: State) -> None:
        """Take these weights."""
        self._learning.load_state_dict(state)

    # --- learning ----------------------------------------------------------------------

    def train(
        self, start: State, places: Integers, targets: np.ndarray, *, seed: int, divide: float = 1.0
    ) -> State:
        """Learn some images from some weights on, and give the best weights on validation.

        Args:
            start: Weights to start from.
            places: Images to learn from, shape (n,).
            targets: Shape (n, K), NaN where unknown.
            seed: Of this training.
            divide: By what the rates are divided.

        Raises:
            TrainingError: If there is one image only.
            ArgumentError: If the rates of a head that is fitted are to be divided.
        """
        self.load(start)
        recipe = self.recipe if divide == 1 else slower(self.recipe, divide)
        phases = plan(recipe, self.predictor.network.backbone)
        if (solver := phases[0].solver) is not None:
            self._fit(solver, places, targets.astype(np.float32))
            return state_of(self._learning)
        batches = Batches(
            self.data.store,
            self.data.stored[places],
            targets.astype(np.float32),
            size=recipe.batch_size,
            seed=seed,
            augmenter=make_augmenter(recipe, self.data),
            placement=self.predictor.placement,
        )
        if isinstance(self.trunk, Kept):
            batches = replace(batches, views=_PoolViews(self.trunk, places, batches.targets))
        recipe = lengthened(recipe, batches.per_epoch, self.least_steps)
        recipe = recipe.model_copy(update={"seed": seed})
        train_phases(
            plan(recipe, self.predictor.network.backbone),
            recipe,
            batches,
            objective=partial(self._objective, recipe, batches),
            keeping=partial(self._keeping, recipe),
            folder=self.folder / "scratch",
            checkpoints=False,
            autocast=self.predictor.autocast,
        )
        shutil.rmtree(self.folder / "scratch", ignore_errors=True)
        return state_of(self._learning)

    def _objective(self, recipe: Recipe, batches: Batches, phase: Phase) -> Supervised:
        objective = make_objective(recipe, self.predictor, self.data, batches, phase)
        if isinstance(self.trunk, Kept):
            objective.kept = _HeldOut(self.trunk, self.data.places("val"))
        return objective

    def _keeping(self, recipe: Recipe, loop: Loop, folder: Path) -> AbstractContextManager[None]:
        if isinstance(self.trunk, Kept):
            return _nothing()
        return Classification(self.data).keeping(loop, recipe, folder, [])

    def _fit(self, solver: Solver, places: Integers, targets: np.ndarray) -> None:
        assert isinstance(self.trunk, Kept), "a head is fitted to stages that never learn"
        numbers = [None, *range(solver.views)]
        views = np.stack([self.trunk.take(places, view).cpu().numpy() for view in numbers])
        unit = np.zeros(len(places), dtype=np.int64)  # one unit cannot be cross-validated
        weights, bias = fit_some(solver, views, targets, unit, self.data.target, recipe=self.recipe)
        set_layer(self.predictor.network.head, weights, bias)

    # --- answers -----------------------------------------------------------------------

    @property
    def model(self) -> Model:
        """The network as it is now, to be asked."""
        return Model(self.predictor, self.trunk, self.folder / "looks", seed=self.recipe.seed)

    def answers(self, places: Integers) -> np.ndarray:
        """See `Model.answers`."""
        return self.model.answers(places)

    def evidence(
        self,
        candidates: Candidates,
        chosen: Integers,
        *,
        many: bool,
        features: bool,
        known: Integers | None = None,
        progress: float = 0.0,
    ) -> Evidence:
        """What the model says of some candidates, see `Model.evidence`.

        Args:
            candidates: All of them.
            chosen: Which, shape (N,).
            many: Whether to look at each image `looks.count` times, or once as it is.
            features: Whether averaged maps are wanted.
            known: Candidates that are labelled, whose averaged maps are wanted too.
            progress: How far the campaign has come, in [0, 1].
        """
        views = range(self.looks.views) if many and not self.looks.passes else PLAIN
        passes = self.looks.passes if many else 0
        return self.model.evidence(
            candidates,
            chosen,
            views=views,
            passes=passes,
            features=features,
            known=known,
            progress=progress,
        )


def state_of(module: nn.Module) -> State:
    """A copy of the weights and buffers of a module, in main memory."""
    return {key: value.detach().cpu().clone() for key, value in module.state_dict().items()}


def never_learns(recipe: Recipe, backbone: Backbone) -> bool:
    """Whether no stage learns or moves in any phase of a recipe."""
    last, phases = backbone.names[-1], plan(recipe, backbone)
    return all(phase.freeze_through == last and phase.norms == "still" for phase in phases)


@dataclass(frozen=True)
class _PoolViews:
    """Kept maps of the images of a training: epoch e sees view e modulo their number."""

    kept: Kept
    places: Integers
    targets: np.ndarray

    def take(self, places: np.ndarray, epoch: int) -> tuple[Tensor, Tensor]:
        """Maps and targets of those images in an epoch."""
        view = epoch % len(self.kept.views) if self.kept.views else None
        maps = self.kept.take(self.places[places], view)
        return maps, torch.from_numpy(self.targets[places]).to(maps.device)


@dataclass(frozen=True)
class _HeldOut:
    """Kept maps of the validation images."""

    kept: Kept
    places: Integers

    @property
    def held_out(self) -> _HeldOut | None:
        """Itself, if there are any."""
        return self if len(self.places) else None

    def take(self, places: slice) -> Tensor:
        """Maps of some of them."""
        return self.kept.take(self.places[places], None)


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def _check_solver(solver: Solver | None) -> None:
    """A head that is fitted must be so to a few labels, where nothing can be cross-validated."""
    if solver is not None and (solver.model != "logistic" or solver.c is None):
        raise ArgumentError(
            "a head that is fitted to a few labels cannot be cross-validated, so it must be logistic"
            " with a given penalty: --tune linear:c=0.001 or linear:STAGE,c=0.001. Or train it:"
            " --tune head."
        )
