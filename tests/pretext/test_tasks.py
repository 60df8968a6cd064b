"""Every pretext task keeps the contract of the family; some do what their papers say."""

import ast
import itertools
import json
import math
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import medgraft.pretext
from medgraft.errors import ArgumentError, MissingExtraError, ShapeError, UnknownNameError
from medgraft.nets import EncoderDecoder
from medgraft.pretext.classifying import cross_entropy
from medgraft.pretext.contrasting import found_first
from medgraft.pretext.objective import Learner
from medgraft.pretext.pretrain import make_network
from medgraft.pretext.recipe import Pretraining
from medgraft.pretext.restoring import squared_error
from medgraft.pretext.tasks import Classifying, Contrasting, Restoring, find_task, pretexts
from medgraft.pretext.tasks.jigsaw import far_orders
from medgraft.pretext.tasks.rotation import turns
from medgraft.train.batches import Placement
from medgraft.train.supervised import Normalisation, Rows

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
        views = (2,) if isinstance(task, Contrasting) else ()
        assert made.inputs.shape == (len(batch), *views, *batch.shape[1:])
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


@cache
def still(name):
    """One that no test trains, in evaluation mode."""
    found = learner(name, (32, 32))
    found.network.eval()
    return found


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
        assert issubclass(task, Restoring | Classifying | Contrasting)

    def test_the_loss_of_an_image_depends_on_its_batch_only_where_it_says_so(self, name):
        batch, found = images((32, 32)), still(name)

        def losses(rows):
            made = found.example(batch[rows], seed=0, samples=np.array(rows))
            return found.losses(found.answer(made.inputs), made)["loss"].detach()

        whole, part = losses([0, 1, 2, 3]), losses([2, 1])
        assert whole.shape == (4,)
        alike = torch.allclose(part, whole[[2, 1]], rtol=1e-4, atol=1e-6)
        assert alike != pretexts.get(name).over_batch

    def test_what_it_is_shown_does_not_depend_on_the_precision_of_training(self, name):
        batch, found = images((32, 32)), still(name)
        whole = found.example(batch, seed=0, samples=np.arange(4))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            short = found.example(batch, seed=0, samples=np.arange(4))
        assert torch.equal(short.inputs, whole.inputs)
        assert torch.equal(short.targets, whole.targets)

    def test_it_gives_the_measures_that_it_names_and_pictures_that_json_can_hold(self, name):
        batch, found = images((32, 32)), still(name)
        made = found.example(batch, seed=0, samples=np.arange(4))
        with torch.inference_mode():
            answer = found.answer(made.inputs)
        given = found.losses(answer, made) | found.task.measured(answer, made)
        assert set(given) == set(found.task.measures(naming=False))
        assert {values.shape for values in given.values()} == {(4,)}
        choices = found.task.choices((32, 32), patterns=None, together=4)
        assert (choices is None) == ("accuracy" not in given)
        shown = found.task.pictures(batch, made, answer)
        assert len(shown) == 4
        for one in shown:
            assert {"image", "input"} <= one.images.keys()
            assert {image.shape for image in one.images.values()} == {batch.shape[1:]}
            json.dumps(dict(one.facts), allow_nan=False)

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


def tiles_of(shape, count):
    """The number of the tile that each voxel lies in, found voxel by voxel."""
    found = np.zeros(shape, dtype=int)
    for place in itertools.product(*map(range, shape)):
        for size, at in zip(shape, place, strict=True):
            found[place] = found[place] * count + at * count // size
    return torch.from_numpy(found)


class TestMaskedImage:
    @pytest.mark.parametrize("shape", [(32, 24), (30, 19), (12, 10, 9)])
    @pytest.mark.parametrize("share", [0.01, 0.25, 0.6, 0.99])
    def test_exactly_the_share_of_the_tiles_is_hidden_each_as_a_whole(self, shape, share):
        batch, count = images(shape), 8
        made = find_task(f"masked_image:share={share}").example(batch, seed=3, samples=np.arange(4))
        total = count ** len(shape)
        expected = min(max(round(share * total), 1), total - 1)
        tiles = tiles_of(shape, count)
        chosen = set()
        for seen, was, hidden in zip(made.inputs, batch, made.counted[:, 0], strict=True):
            covered = torch.zeros(total).index_add_(0, tiles.flatten(), hidden.flatten().float())
            assert torch.equal(covered[covered > 0], torch.bincount(tiles.flatten())[covered > 0])
            assert int((covered > 0).sum()) == expected
            assert (seen[:, hidden] == 0.5).all()
            assert torch.equal(seen[:, ~hidden], was[:, ~hidden])
            chosen.add(tuple((covered > 0).tolist()))
        assert len(chosen) > 1, "every image hides the same tiles"

    def test_every_tile_is_hidden_as_often_as_any_other(self):
        distorter = find_task("masked_image:tiles=4,share=0.5").distorter(2)
        drawn = distorter.draw(4000, (16, 16), seed=0).parts[0].values["tiles"]
        often = torch.bincount(drawn.flatten(), minlength=16) / 4000
        assert float((often - 0.5).abs().max()) < 4.5 * math.sqrt(0.25 / 4000)

    def test_the_loss_and_its_gradient_see_hidden_tiles_alone(self):
        batch, found = images((32, 32)), still("masked_image")
        made = found.example(batch, seed=0, samples=np.arange(4))
        answer = found.answer(made.inputs)
        answer.restored.retain_grad()
        losses = found.losses(answer, made)["loss"]
        losses.sum().backward()
        hidden = made.counted.expand_as(batch)
        assert (answer.restored.grad[~hidden] == 0).all()
        assert (answer.restored.grad[hidden] != 0).all()
        for loss, restored, was, where in zip(
            losses.tolist(), answer.restored.detach(), batch, hidden, strict=True
        ):
            errors = (restored[where] - was[where]).double().square()
            assert loss == pytest.approx(float(errors.mean()), rel=1e-5)

    def test_a_reader_sees_what_was_not_hidden_as_it_was(self):
        batch, found = images((32, 32)), still("masked_image")
        made = found.example(batch, seed=0, samples=np.arange(4))
        answer = found.answer(made.inputs)
        for one, was, said, where in zip(
            found.task.pictures(batch, made, answer),
            batch,
            answer.restored,
            made.counted.expand_as(batch),
            strict=True,
        ):
            assert torch.equal(one.images["filled"][where], said[where])
            assert torch.equal(one.images["filled"][~where], was[~where])


def nt_xent(one, two, temperature):
    """Chen et al. 2020, equation 1, pair by pair, over all views of a batch."""
    points = [np.asarray(p, dtype=np.float64) for p in (*one, *two)]
    half, losses = len(one), []
    for i, anchor in enumerate(points):
        terms = {}
        for k, other in enumerate(points):
            if k != i:
                cosine = anchor @ other / (np.linalg.norm(anchor) * np.linalg.norm(other))
                terms[k] = math.exp(cosine / temperature)
        losses.append(-math.log(terms[(i + half) % (2 * half)] / sum(terms.values())))
    return np.mean(losses)


class TestSimCLR:
    @pytest.mark.parametrize("count", [2, 7])
    @pytest.mark.parametrize("temperature", [0.1, 0.5])
    def test_its_loss_is_nt_xent_by_its_definition(self, count, temperature):
        chance = np.random.default_rng(count)
        one = chance.normal(size=(count, 5))
        two = one + 2 * chance.normal(size=(count, 5))
        task = find_task(f"simclr:temperature={temperature}")
        found = task.contrast(*(torch.tensor(p, dtype=torch.float32) for p in (one, two)))
        assert float(found) == pytest.approx(nt_xent(one, two, temperature), rel=1e-5)

    def test_each_image_bears_the_loss_of_its_batch_whatever_the_precision(self):
        batch, found = images((32, 32)), still("simclr")
        made = found.example(batch, seed=0, samples=np.arange(4))
        answer = found.answer(made.inputs)
        one, two = answer.points.detach().numpy().transpose(1, 0, 2)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            losses = found.losses(answer, made)["loss"]
        assert losses.tolist() == pytest.approx([nt_xent(one, two, 0.1)] * 4, rel=1e-4)

    def test_the_two_views_are_other_pictures_and_those_of_an_epoch_others_again(self):
        batch = images((24, 24))
        first, second = (example("simclr", batch, seed=seed) for seed in (0, 1))
        seen = [*first.inputs.flatten(0, 1), *second.inputs.flatten(0, 1), *batch]
        for one, two in itertools.combinations(seen, 2):
            assert not torch.equal(one, two)
        assert torch.equal(first.targets, batch)

    def test_views_are_what_was_asked_for(self):
        batch = images((24, 24))
        made = find_task("simclr:views=flip:p=1;").example(batch, seed=0, samples=np.arange(4))
        for view in made.inputs.unbind(1):
            assert torch.equal(view, batch.flip(-1))

    @pytest.mark.parametrize("noise", [0.0, 0.3, 1.0])
    def test_a_view_finds_the_other_if_no_other_of_all_is_nearer(self, noise):
        chance = np.random.default_rng(0)
        one = chance.normal(size=(9, 4))
        two = one + noise * chance.normal(size=(9, 4))
        points = [p / np.linalg.norm(p) for p in (*one, *two)]
        hits = []
        for i in range(18):
            far = [np.linalg.norm(points[i] - points[k]) if k != i else np.inf for k in range(18)]
            hits.append(int(np.argmin(far)) == (i + 9) % 18)
        found = found_first(torch.from_numpy(one), torch.from_numpy(two))
        assert found.tolist() == pytest.approx([(hits[i] + hits[i + 9]) / 2 for i in range(9)])
        assert found.min() == 1 or noise > 0

    def test_what_its_encoder_learns_moves_with_the_loss_and_its_head_is_projection_alone(self):
        found = learner("simclr:size=16", (32, 32))
        made = found.example(images((32, 32)), seed=0, samples=np.arange(4))
        answer = found.answer(made.inputs)
        assert answer.points.shape == (4, 2, 16)
        assert list(found.network.parts) == ["head"]
        assert [type(layer).__name__ for layer in found.network.head] == [
            "GlobalAverage",
            "SimCLRProjectionHead",
        ]

    @pytest.mark.parametrize("count", [2, 3, 5, 130])
    def test_held_out_images_are_judged_in_batches_as_large_as_those_it_learns_from(self, count):
        found = still("simclr")
        shares = found.shares(Rows(None, np.arange(count), np.zeros((count, 0), np.float32)))
        sizes = [share.stop - share.start for share in shares]
        assert [row for share in shares for row in range(count)[share]] == list(range(count))
        assert max(sizes) - min(sizes) <= 1
        assert min(sizes) >= 2
        assert max(sizes) <= 1.5 * found.together

    @pytest.mark.parametrize(
        ("spec", "says"),
        [
            ("simclr:none", "but none would leave it as it is"),
            ("simclr:mixup", "but mixup would blend it with another"),
            ("simclr:temperature=0", "temperature: input should be greater than 0, got 0"),
        ],
    )
    def test_views_that_teach_nothing_are_refused(self, spec, says):
        with pytest.raises(ArgumentError, match=says):
            find_task(spec)


class TestExtra:
    @pytest.mark.parametrize("name", ["simclr", "masked_image"])
    def test_without_lightly_the_extra_is_named(self, name, monkeypatch):
        for module in [m for m in sys.modules if m.partition(".")[0] == "lightly"]:
            monkeypatch.delitem(sys.modules, module)
        monkeypatch.setitem(sys.modules, "lightly", None)
        says = rf'pretext task {name} needs .*pip install "medgraft\[contrast\]"'
        with pytest.raises(MissingExtraError, match=says):
            find_task(name)

    def test_lightly_is_imported_only_where_it_is_needed(self):
        for path in Path(medgraft.pretext.__file__).parent.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = [alias.name for alias in getattr(node, "names", [])]
                assert "lightly" not in f"{getattr(node, 'module', '')} {names}", path


@pytest.mark.parametrize(
    ("name", "patterns"),
    [("models_genesis", 3), ("rotation", None), ("masked_image", None), ("simclr", None)],
)
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
    shapes = {
        "restoring": ((2, 1, *shape), patterns and (2, patterns), None),
        "classifying": (None, (2, 10), None),
        "contrasting": (None, None, (2, 2, 128)),
    }
    given = (answer.restored, answer.logits, answer.points)
    assert tuple(a if a is None else tuple(a.shape) for a in given) == shapes[task.kind]


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
