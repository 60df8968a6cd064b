"""Every pretext task keeps the contract of the family; some do what their papers say."""

import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from medgraft.errors import ArgumentError, ShapeError, UnknownNameError
from medgraft.nets import EncoderDecoder
from medgraft.pretext.objective import Learner, cross_entropy, squared_error
from medgraft.pretext.pretrain import make_network
from medgraft.pretext.recipe import Pretraining
from medgraft.pretext.tasks import Classifying, Restoring, find_task, pretexts
from medgraft.pretext.tasks.jigsaw import far_orders
from medgraft.pretext.tasks.rotation import turns
from medgraft.train.batches import Placement
from medgraft.train.supervised import Normalisation

NAMES = pretexts.names()
SHAPES = [(24, 24), (24, 16), (24, 24, 24)]


def images(shape, count=4, channels=3):
    """Smooth shapes on a dark ground, each its own, values in [0, 1]."""
    chance = torch.Generator().manual_seed(1)
    coarse = torch.rand(count, channels, *(4 for _ in shape), generator=chance)
    mode = "bilinear" if len(shape) == 2 else "trilinear"
    return F.interpolate(coarse, size=shape, mode=mode)


def example(name, batch, *, seed=0, samples=None, **options):
    samples = np.arange(len(batch)) if samples is None else np.asarray(samples)
    return find_task(name).example(batch, seed=seed, samples=samples, **options)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
class TestContract:
    def test_inputs_are_images_and_targets_are_finite(self, name, shape):
        batch = images(shape)
        before, task = batch.clone(), find_task(name)
        made = example(name, batch)
        assert made.inputs.shape == batch.shape
        assert made.inputs.dtype == batch.dtype
        assert made.inputs.min() >= 0
        assert made.inputs.max() <= 1
        assert torch.equal(batch, before), "the images were written to"
        if isinstance(task, Classifying):
            assert made.targets.dtype == torch.int64
            assert made.targets.shape == (len(batch),)
            assert 0 <= int(made.targets.min()) <= int(made.targets.max()) < task.classes(shape)
        else:
            assert made.targets.shape == batch.shape
            assert torch.isfinite(made.targets).all()

    def test_an_image_alone_becomes_what_it_becomes_in_a_batch(self, name, shape):
        batch = images(shape)
        samples = [7, 3, 5, 11]
        whole = example(name, batch, seed=4, samples=samples)
        for place, sample in enumerate(samples):
            alone = example(name, batch[place : place + 1], seed=4, samples=[sample])
            assert torch.equal(alone.inputs[0], whole.inputs[place])
            assert torch.equal(alone.targets[0], whole.targets[place])

    def test_the_same_seed_gives_the_same_batch(self, name, shape):
        batch = images(shape)
        one, two = example(name, batch, seed=9), example(name, batch, seed=9)
        assert torch.equal(one.inputs, two.inputs)
        assert torch.equal(one.targets, two.targets)


def learner(name, shape, *, after="layer1", patterns=None):
    torch.manual_seed(0)
    recipe = Pretraining(task=name, backbone="resnet18", after=after)
    task = find_task(name)
    network = make_network(recipe, task, (3, *shape), patterns=patterns).network
    even = Normalisation((0.5,) * 3, (0.25,) * 3, "a test")
    return Learner(network, task, even, Placement(torch.device("cpu")))


@pytest.mark.parametrize("name", NAMES)
class TestLearning:
    def test_a_few_steps_lower_its_loss_and_reach_every_encoder_weight(self, name):
        shape = (32, 32)
        batch, found = images(shape, count=2), learner(name, shape)
        samples = np.arange(len(batch))
        optimiser = torch.optim.Adam(found.network.parameters(), lr=3e-3)
        losses = []
        for _ in range(12):
            made = found.example(batch, seed=0, samples=samples)
            loss = found.losses(found.answer(made.inputs), made)["loss"].mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(float(loss.detach()))
        assert losses[-1] < 0.8 * losses[0], losses
        for key, parameter in found.network.backbone.named_parameters():
            assert parameter.grad is not None, key

    def test_it_says_where_it_is_published_and_what_to_keep(self, name):
        task = pretexts.get(name)
        assert any(sign in task.source for sign in ("arXiv:", "doi:", "JMLR"))
        assert task.__doc__
        assert set(task.keeps) <= {"decoder"}
        assert issubclass(task, Restoring | Classifying)

    def test_as_published_is_refused_where_it_would_change_nothing(self, name):
        if pretexts.get(name).published:
            batch = images((32, 32))
            ours = [example(name, batch, seed=s).inputs for s in range(8)]
            theirs = [example(name, batch, seed=s, as_published=True).inputs for s in range(8)]
            assert not all(map(torch.equal, ours, theirs))
        else:
            with pytest.raises(ArgumentError, match="as_published needs a task whose"):
                find_task(name, as_published=True)


def test_an_unknown_task_is_refused_with_the_near_name():
    with pytest.raises(UnknownNameError, match="Did you mean 'rotation'"):
        find_task("rotations")


class TestRotation:
    def test_turning_back_by_numpy_gives_the_image(self):
        batch = images((12, 12), count=40)
        made = example("rotation", batch)
        assert set(made.targets.tolist()) == {0, 1, 2, 3}
        for turned, quarters, was in zip(made.inputs, made.targets, batch, strict=True):
            back = np.rot90(turned.numpy(), -int(quarters), (1, 2))
            assert np.array_equal(back, was.numpy())

    def test_all_turns_of_a_cube_are_different(self):
        cube = np.random.default_rng(0).random((3, 3, 3))
        seen = {np.rot90(cube, k, (a, b)).tobytes() for a, b, k in turns((3, 3, 3))}
        assert len(seen) == len(turns((3, 3, 3))) == 10

    def test_turns_that_would_change_the_shape_are_left_out(self):
        assert find_task("rotation").classes((8, 6)) == 2
        assert find_task("rotation").classes((8, 8, 6)) == 1 + 3 + 1 + 1
        made = example("rotation", images((8, 6), count=8))
        assert made.inputs.shape[2:] == (8, 6)


class TestJigsaw:
    @pytest.mark.parametrize("shape", [(9, 9), (10, 13), (6, 6, 6)])
    def test_laying_the_tiles_back_one_by_one_gives_the_image(self, shape):
        task = find_task("jigsaw:tiles=3") if len(shape) == 2 else find_task("jigsaw:tiles=2")
        batch = images(shape)
        made = task.example(batch, seed=2, samples=np.arange(4))
        orders = far_orders(task.tiles ** len(shape), task.orders)
        sides = [size // task.tiles for size in shape]
        corners = list(itertools.product(*(range(task.tiles) for _ in shape)))

        def box(place):
            return (
                slice(None),
                *(slice(c * s, (c + 1) * s) for c, s in zip(corners[place], sides, strict=True)),
            )

        for laid, label, was in zip(made.inputs, made.targets, batch, strict=True):
            back = laid.clone()
            for place, source in enumerate(orders[int(label)]):
                back[box(source)] = laid[box(place)]
            assert torch.equal(back, was)

    def test_the_orders_are_all_different_and_far_apart(self):
        orders = far_orders(9, 30)
        assert orders.shape == (31, 9)
        assert orders[0].tolist() == list(range(9))
        for order in orders:
            assert sorted(order) == list(range(9))
        apart = [(a != b).sum() for a, b in itertools.combinations(orders, 2)]
        assert min(apart) >= 7  # two random orders of nine differ in eight places on average

    def test_images_that_are_too_small_are_refused(self):
        with pytest.raises(ShapeError, match="each axis must hold 8 tiles of at least 2 pixels"):
            find_task("jigsaw:tiles=8").classes((15, 30))


class TestRestoring:
    def test_the_auto_encoder_has_no_way_past_the_deepest_maps(self):
        found = learner("autoencoder", (32, 32), after="layer2")
        assert isinstance(found.network, EncoderDecoder)
        assert found.network.skips == {}
        batch = images((16, 16))
        made = example("autoencoder", batch)
        assert torch.equal(made.inputs, batch)
        assert torch.equal(made.targets, batch)

    def test_the_loss_of_a_context_encoder_counts_the_hole_alone(self):
        batch = images((20, 20))
        made = example("inpainting", batch)
        hidden = (made.inputs != batch).any(dim=1, keepdim=True)
        assert (made.counted | ~hidden).all(), "something outside the hole was changed"
        outside = torch.where(made.counted, made.targets, torch.rand(batch.shape))
        assert torch.equal(
            squared_error(outside, made.targets, made.counted), torch.zeros(len(batch))
        )

    def test_squared_error_is_the_mean_of_its_definition(self):
        chance = np.random.default_rng(0)
        one, two = chance.random((2, 3, 4, 5)), chance.random((2, 3, 4, 5))
        counted = chance.random((2, 1, 4, 5)) < 0.5
        found = squared_error(*map(torch.from_numpy, (one, two, counted)))
        for b in range(2):
            errors = [
                (one[b, c, i, j] - two[b, c, i, j]) ** 2
                for c in range(3)
                for i in range(4)
                for j in range(5)
                if counted[b, 0, i, j]
            ]
            assert float(found[b]) == pytest.approx(np.mean(errors))

    def test_colorisation_sees_brightness_alone_and_refuses_grey(self):
        batch = images((8, 8))
        made = example("colorisation", batch)
        assert torch.equal(made.inputs[:, 0], made.inputs[:, 2])
        red, green, blue = batch[0, :, 2, 3].tolist()
        assert float(made.inputs[0, 1, 2, 3]) == pytest.approx(
            0.299 * red + 0.587 * green + 0.114 * blue
        )
        assert torch.equal(made.targets, batch)
        with pytest.raises(ShapeError, match="needs images of 3 channels, got 1"):
            example("colorisation", images((8, 8), channels=1))


@pytest.mark.parametrize(("name", "patterns"), [("models_genesis", 3), ("rotation", None)])
def test_volumes_go_through_a_network_for_volumes(name, patterns):
    task, shape = find_task(name), (16, 16, 16)
    recipe = Pretraining(task=name, backbone="unet3d", after="level2")
    network = make_network(recipe, task, (1, *shape), patterns=patterns).network
    even = Normalisation((0.5,), (0.25,), "a test")
    found = Learner(network, task, even, Placement(torch.device("cpu")))
    made = found.example(images(shape, count=2, channels=1), seed=0, samples=np.arange(2))
    answer = found.answer(made.inputs)
    losses = found.losses(answer, made, None if patterns is None else torch.tensor([0, 2]))
    assert losses["loss"].shape == (2,)
    if patterns is None:
        assert answer.logits.shape == (2, 10)
    else:
        assert answer.restored.shape == made.inputs.shape
        assert answer.logits.shape == (2, 3)


class TestSemantic:
    """Any restoring task names the patterns of its crops as well, at a hundredth of the weight."""

    @pytest.mark.parametrize("name", ["autoencoder", "inpainting", "semantic_genesis"])
    def test_the_loss_is_that_of_restoring_and_a_hundredth_of_that_of_naming(self, name):
        batch, found = images((32, 32)), learner(name, (32, 32), after="layer2", patterns=5)
        patterns = torch.tensor([0, 4, 2, 2])
        made = found.example(batch, seed=0, samples=np.arange(4))
        answer = found.answer(made.inputs)
        losses = found.losses(answer, made, patterns)
        restoring = squared_error(answer.restored, made.targets, made.counted)
        probability = torch.softmax(answer.logits.double(), dim=1)
        naming = -torch.stack([probability[b, c].log() for b, c in enumerate(patterns)])
        assert torch.allclose(losses["loss"].double(), restoring + 0.01 * naming, atol=1e-6)
        assert bool(found.network.skips) == find_task(name).skips

    def test_naming_moves_the_encoder_and_the_head_and_never_the_decoder(self):
        batch, found = images((32, 32)), learner("models_genesis", (32, 32), patterns=3)
        made = found.example(batch, seed=0, samples=np.arange(4))
        losses = found.losses(found.answer(made.inputs), made, torch.tensor([0, 1, 2, 0]))
        losses["naming"].sum().backward()
        moved = {
            name.partition(".")[0]
            for name, parameter in found.network.named_parameters()
            if parameter.grad is not None and parameter.grad.abs().sum() > 0
        }
        assert moved == {"backbone", "head"}

    def test_naming_costs_log_of_the_classes_by_chance_and_stays_finite(self):
        assert float(cross_entropy(torch.zeros(1, 44), torch.tensor([7]))) == pytest.approx(
            3.7842, abs=1e-4
        )
        sure = torch.tensor([[3e4, -3e4]])
        assert torch.isfinite(cross_entropy(sure, torch.tensor([1]))).all()
