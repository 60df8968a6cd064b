"""The loop, with objectives of one and of two parts."""

import dataclasses
import os
import signal

import numpy as np
import pytest
import torch
from torch import nn

from medgraft.errors import TrainingError
from medgraft.train.batches import Batches, Placement
from medgraft.train.loop import Loop
from medgraft.train.objective import Group, Loss, Part
from medgraft.train.stopping import stop_signals
from tests.train.conftest import quick


class Memory:
    """A store in memory."""

    scale = 255

    def __init__(self, count=20, side=4):
        self.array = np.random.default_rng(0).integers(0, 256, (count, 1, side, side), np.uint8)

    def gather(self, rows):
        return self.array[rows]


def batches(**changes):
    store = Memory()
    targets = np.random.default_rng(1).random((20, 1), dtype=np.float32)
    given = {"size": 5, "seed": 0, "augmenter": None, "placement": Placement(torch.device("cpu"))}
    return Batches(store, np.arange(20), targets, **{**given, **changes})


def part(module):
    return Part(module, (Group("all", dict(module.named_parameters())),))


class Regression:
    """One part: predict a number from the pixels."""

    def __init__(self, stop_at=None, scores=()):
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Flatten(), nn.Dropout(0.2), nn.Linear(16, 8), nn.Linear(8, 1))
        self.parts = {"net": part(self.net)}
        self.stop_at, self.scores, self.seen = stop_at, list(scores), []

    def loss(self, name, batch):
        self.seen.append(batch.step)
        if batch.step == self.stop_at:
            os.kill(os.getpid(), signal.SIGINT)
        return Loss((self.net(batch.images) - batch.targets).square().sum(), len(batch.targets))

    def validate(self):
        return {"score": self.scores.pop(0)} if self.scores else {}


class Rivals:
    """Two parts that pull against each other, as a generator and a discriminator do."""

    def __init__(self, stop_at=None):
        torch.manual_seed(0)
        self.a, self.b = nn.Linear(16, 4), nn.Linear(4, 1)
        self.parts = {"b": part(self.b), "a": part(self.a)}
        self.stop_at = stop_at

    def loss(self, name, batch):
        if batch.step == self.stop_at and name == "b":
            os.kill(os.getpid(), signal.SIGINT)
        judged = self.b(torch.tanh(self.a(batch.images.flatten(1))))
        sign = 1 if name == "a" else -1
        return Loss(sign * judged.tanh().sum(), len(batch.targets))

    def validate(self):
        return {}


def weights(objective):
    return {
        k: v.clone() for p in objective.parts.values() for k, v in p.module.state_dict().items()
    }


def same(a, b):
    return all(torch.equal(a[k], b[k]) for k in a)


def stopped_and_resumed(kind, recipe, folder, **given):
    first = kind(stop_at=given.pop("stop_at"), **given)
    loop = Loop(first, batches(), recipe, folder=folder)
    with pytest.raises(KeyboardInterrupt):
        loop.run()
    second = kind(**given)
    loop = Loop(second, batches(), recipe, folder=folder)
    assert loop.resume()
    return second, loop.run()


@pytest.mark.parametrize("kind", [Regression, Rivals])
@pytest.mark.parametrize("optimiser", ["adamw", "adam", "sgd"])
@pytest.mark.parametrize("stop_at", [0, 5, 7])  # first step, mid-epoch, last step of an epoch
def test_a_resumed_run_ends_in_the_same_weights_bit_for_bit(kind, optimiser, stop_at, tmp_path):
    recipe = quick(epochs=4, optimiser=optimiser, rate=0.05)
    whole = kind()
    history = Loop(whole, batches(), recipe).run().history
    resumed, progress = stopped_and_resumed(kind, recipe, tmp_path, stop_at=stop_at)
    assert same(weights(whole), weights(resumed))
    timeless = [{k: v for k, v in row.items() if "second" not in k} for row in history]
    again = [{k: v for k, v in row.items() if "second" not in k} for row in progress.history]
    assert again == timeless


def test_stopping_in_the_middle_of_accumulation_loses_nothing(tmp_path):
    recipe = quick(epochs=3, accumulate=2, rate=0.05)
    whole = Regression()
    Loop(whole, batches(), recipe).run()
    resumed, _ = stopped_and_resumed(Regression, recipe, tmp_path, stop_at=4)
    assert same(weights(whole), weights(resumed))


def test_each_loss_moves_its_own_part_only():
    objective = Rivals()
    loop = Loop(objective, batches(), quick(epochs=1, rate=0.05))
    batch = next(batches().epoch(0))
    before = weights(objective)
    for name, module in (("b", objective.b), ("a", objective.a)):
        loop._backward(name, objective.parts[name], batch)
        others = [p for p in objective.parts.values() if p.module is not module]
        assert all(q.grad is None for p in others for q in p.module.parameters())
        assert all(p.grad is not None for p in module.parameters())
        module.zero_grad()
    assert same(before, weights(objective))


def test_the_best_epoch_is_taken():
    objective = Regression(scores=[0.1, 0.9, 0.5])
    kept = []
    loop = Loop(
        objective,
        batches(),
        quick(epochs=3, rate=0.05),
        on_epoch=lambda history: kept.append(weights(objective)),
    )
    progress = loop.run()
    assert progress.best == {"score": 0.9, "epoch": 2}
    assert same(kept[1], weights(objective))
    assert not same(kept[2], weights(objective))


def test_patience_ends_a_run_that_no_longer_improves():
    objective = Regression(scores=[0.5, 0.9, 0.1, 0.2, 0.95])
    progress = Loop(objective, batches(), quick(epochs=5, patience=2)).run()
    assert len(progress.history) == 4
    assert progress.best["epoch"] == 2


def test_every_image_is_seen_once_per_epoch_and_none_alone():
    ordered = batches(size=6)  # 20 images: 3 batches of 7, 7 and 6
    sizes = [len(batch.targets) for batch in ordered.epoch(0)]
    assert sizes == [7, 7, 6]
    seen = torch.cat([batch.targets for batch in ordered.epoch(0)]).flatten().sort().values
    np.testing.assert_array_equal(seen, np.sort(ordered.targets.ravel()))


def test_accumulated_batches_move_the_weights_as_one_large_batch_would():
    class Plain(Regression):
        def __init__(self):
            super().__init__()
            self.net[1] = nn.Identity()  # dropout draws per batch

    order = {"size": 20, "seed": 3}
    large, small = Plain(), Plain()
    recipe = quick(epochs=1, optimiser="sgd", rate=0.1, clip=None, schedule="constant")
    Loop(large, batches(**order), recipe).run()
    Loop(small, batches(**{**order, "size": 5}), recipe.model_copy(update={"accumulate": 4})).run()
    for key, value in weights(large).items():
        torch.testing.assert_close(weights(small)[key], value, rtol=1e-5, atol=1e-6)


def test_gradients_are_clipped_to_the_norm_asked_for():
    objective = Regression()
    recipe = quick(
        epochs=1, optimiser="sgd", clip=1e-3, weight_decay=0, schedule="constant", rate=1
    )
    before = weights(objective)
    Loop(objective, batches(size=20), recipe).run()
    moved = torch.cat([(weights(objective)[k] - v).flatten() for k, v in before.items()])
    assert float(moved.norm()) == pytest.approx(1e-3, rel=1e-3)


def test_a_loss_that_is_not_finite_stops_the_run():
    class Broken(Regression):
        def loss(self, name, batch):
            found = super().loss(name, batch)
            return Loss(found.total * (float("inf") if batch.step == 2 else 1), found.count)

    with pytest.raises(TrainingError, match="must be finite, but that of 'net' is inf at step 2"):
        Loop(Broken(), batches(), quick()).run()


def test_frozen_groups_do_not_decay():
    objective = Regression()
    objective.net[2].requires_grad_(False)
    before = objective.net[2].weight.clone()
    Loop(objective, batches(), quick(rate=0.1, weight_decay=0.5)).run()
    assert torch.equal(before, objective.net[2].weight)


def test_the_last_step_of_an_epoch_weighs_its_fewer_batches_in_full():
    """Three batches, accumulated by two: the third one moves the weights as if it were alone."""

    class Plain(Regression):
        def __init__(self):
            super().__init__()
            self.net[1] = nn.Identity()

    recipe = quick(epochs=1, optimiser="sgd", rate=0.1, clip=None, schedule="constant")
    objective = Plain()
    Loop(objective, batches(size=7), recipe.model_copy(update={"accumulate": 2})).run()
    slow = Plain()
    optimiser = torch.optim.SGD(slow.net.parameters(), lr=0.1, momentum=0.9)
    first, second, third = batches(size=7).epoch(0)
    for group in ((first, second), (third,)):
        for batch in group:
            (slow.loss("net", batch).total / len(batch.targets) / len(group)).backward()
        for parameter in slow.net.parameters():
            if parameter.ndim > 1:  # the decay of matrices, as torch's SGD has it
                parameter.grad += recipe.weight_decay * parameter.detach()
        optimiser.step()
        optimiser.zero_grad()
    for key, value in weights(slow).items():
        torch.testing.assert_close(weights(objective)[key], value, rtol=1e-5, atol=1e-6)


class Images(Regression):
    """A convolution whose kernels are laid with channels last."""

    def __init__(self, stop_at=None):
        super().__init__(stop_at)
        torch.manual_seed(0)
        body = (nn.Conv2d(1, 4, 3), nn.Conv2d(4, 3, 2), nn.Flatten(), nn.Linear(3, 1))
        self.net = nn.Sequential(*body).to(memory_format=torch.channels_last)
        self.parts = {"net": part(self.net)}


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_a_run_with_channels_last_resumes_bit_for_bit(optimiser, tmp_path):
    recipe = quick(epochs=3, optimiser=optimiser, rate=0.05)
    whole = Images()
    Loop(whole, batches(), recipe).run()
    resumed, _ = stopped_and_resumed(Images, recipe, tmp_path, stop_at=6)
    assert same(weights(whole), weights(resumed))


def test_a_score_that_is_not_a_number_is_never_the_best():
    objective = Regression(scores=[float("nan"), 0.6, float("nan"), 0.5])
    progress = Loop(objective, batches(), quick(epochs=4)).run()
    assert progress.best == {"score": 0.6, "epoch": 2}


def test_a_run_that_was_killed_after_training_need_not_train_again(tmp_path):
    recipe = quick(epochs=2, checkpoint_seconds=1000)
    first = Regression(scores=[0.9, 0.1])
    Loop(first, batches(), recipe, folder=tmp_path).run()
    second = Regression()
    loop = Loop(second, batches(), recipe, folder=tmp_path)
    assert loop.resume()
    assert loop.run().best == {"score": 0.9, "epoch": 1}
    assert second.seen == []
    assert same(weights(first), weights(second))


@pytest.mark.parametrize("world", [1, 2, 3])
def test_no_process_is_left_with_a_single_image(world):
    for count in range(2 * world, 40):
        for size in range(2 * world, 12):
            given = batches(size=size, world=world, rank=world - 1)
            given = dataclasses.replace(given, rows=np.arange(count))
            order = np.array_split(np.arange(count), given.per_epoch)
            assert all(len(chosen[world - 1 :: world]) >= 2 for chosen in order)


def test_too_few_images_for_all_processes_are_refused():
    with pytest.raises(TrainingError, match="there are 20 to learn from, --batch-size 5 and 3"):
        batches(world=3)


class TestStopping:
    def test_a_ctrl_c_that_is_passed_on_counts_once(self):
        """A process in the foreground hears Ctrl-C, and then perhaps again from its launcher."""
        with stop_signals() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.asked

    def test_a_second_ctrl_c_stops_at_once(self, monkeypatch):
        monkeypatch.setattr("medgraft.train.stopping.AGAIN_SECONDS", 0.0)
        with stop_signals() as stop:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)  # what a scheduler repeats is still a request
            assert stop.asked
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)

    def test_signals_mean_what_they_meant_before(self):
        before = signal.getsignal(signal.SIGTERM)
        with stop_signals():
            assert signal.getsignal(signal.SIGTERM) is not before
        assert signal.getsignal(signal.SIGTERM) is before
