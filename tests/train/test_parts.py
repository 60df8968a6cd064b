"""Schedules, losses, optimisers, checkpoints and the recipe: each against its definition."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from medgraft.errors import ArgumentError, TrainingError
from medgraft.index.masks import UNLABELLED
from medgraft.nets import create
from medgraft.spec import build, write
from medgraft.train import checkpoint, hardware
from medgraft.train.batches import Placement
from medgraft.train.beginning import agree
from medgraft.train.checkpoint import Checkpoint
from medgraft.train.data import class_weights, statistics
from medgraft.train.losses import losses
from medgraft.train.objective import Group, Part
from medgraft.train.optimisers import make_optimiser, set_point
from medgraft.train.processes import Processes
from medgraft.train.recipe import Recipe, load_recipe, save_recipe
from medgraft.train.schedules import schedules
from medgraft.train.supervised import Normalisation, Predictor, Rows
from tests.train.conftest import quick


@pytest.mark.parametrize("name", schedules.names())
def test_every_schedule_stays_below_the_peak_and_reaches_it(name):
    follow = build(schedules, name)
    points = [follow(step, 1000) for step in range(1001)]
    rates = [point.rate for point in points]
    assert min(rates) >= 0
    assert max(rates) == pytest.approx(1, abs=1e-4)
    assert all(p.momentum is None or 0 < p.momentum < 1 for p in points)
    assert follow(0, 1).rate > 0  # a run of a single batch learns
    assert build(schedules, write(name, follow)) == follow


def test_one_cycle_has_the_mean_of_two_half_cosines():
    rates = [build(schedules, "one_cycle")(step, 40000).rate for step in range(40000)]
    assert np.mean(rates) == pytest.approx(
        0.25 * (1 / 25 + 1) / 2 + 0.75 * (1 + 1e-5) / 2, abs=2e-5
    )


def half_cosine(start, end, share):
    return start + (end - start) * (1 - math.cos(math.pi * share)) / 2


@pytest.mark.parametrize("steps", [7, 101, 640])
def test_one_cycle_is_that_of_fastai_1_at_every_batch(steps):
    """Two phases of int(.3 n) and the other batches, each from its first batch to its end."""
    follow = build(schedules, "one_cycle:rise=0.3,divide=25,final=250000,whole=true")
    up = int(0.3 * steps)
    for step in range(steps):
        if step <= up:
            rate = half_cosine(1 / 25, 1, step / up)
            momentum = half_cosine(0.95, 0.85, step / up)
        else:
            rate = half_cosine(1, 1 / 25e4, (step - up) / (steps - up))
            momentum = half_cosine(0.85, 0.95, (step - up) / (steps - up))
        assert follow(step, steps).rate == pytest.approx(rate, rel=1e-12)
        assert follow(step, steps).momentum == pytest.approx(momentum, rel=1e-12)
    assert max(range(steps), key=lambda step: follow(step, steps).rate) == up
    assert follow(steps, steps).rate == pytest.approx(1 / 250_000)


@pytest.mark.parametrize("steps", [7, 101, 640])
def test_one_cycle_is_that_of_fastai_2_at_every_batch(steps):
    """The share of batches done, before or after a quarter of them; all constants spelled out."""
    follow = build(schedules, "one_cycle")
    for step in range(steps):
        done = step / steps
        if done < 0.25:
            rate = half_cosine(1 / 25, 1, done / 0.25)
            momentum = half_cosine(0.95, 0.85, done / 0.25)
        else:
            rate = half_cosine(1, 1 / 1e5, (done - 0.25) / 0.75)
            momentum = half_cosine(0.85, 0.95, (done - 0.25) / 0.75)
        assert follow(step, steps).rate == pytest.approx(rate, rel=1e-9)
        assert follow(step, steps).momentum == pytest.approx(momentum, rel=1e-12)


def test_a_wrong_option_of_a_schedule_is_an_error_with_those_that_exist():
    with pytest.raises(ArgumentError, match=r"no option is called 'rize'\. Known: rise, divide"):
        build(schedules, "one_cycle:rize=0.3")
    with pytest.raises(ArgumentError, match=r"rise: input should be less than 1, got 1\.5"):
        build(schedules, "one_cycle:rise=1.5")


def example(kind, known=True):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 3, generator=generator, requires_grad=True)
    classes = torch.tensor([0, 1, 2, 0, 1, 2])
    targets = classes[:, None].clone() if kind == "masks" else F.one_hot(classes).float()
    if kind == "masks":  # images of a single pixel
        logits = logits.detach()[:, :, None].requires_grad_()
    if not known:
        targets[1] = blank(kind)
    return logits, targets


def blank(kind):
    """What stands where nothing is known."""
    return UNLABELLED if kind == "masks" else float("nan")


@pytest.mark.parametrize(
    "loss", [losses.get(name) for name in losses.names()], ids=lambda p: p.name
)
class TestEveryLoss:
    def test_blank_rows_have_no_gradient(self, loss):
        logits, targets = example(loss.kind, known=False)
        total, _ = loss.function(logits, targets, weights=torch.ones(3), smoothing=0.1)
        total.backward()
        assert torch.equal(logits.grad[1], torch.zeros_like(logits[1]))
        assert (logits.grad[[0, 2, 3, 4, 5]] != 0).all()

    def test_a_batch_without_labels_is_zero_and_not_nan(self, loss):
        logits, targets = example(loss.kind)
        total, count = loss.function(
            logits, torch.full_like(targets, blank(loss.kind)), weights=torch.ones(3), smoothing=0.0
        )
        total.backward()
        assert (float(total.detach()), count) == (0.0, 0.0)
        assert torch.equal(logits.grad, torch.zeros_like(logits))

    def test_moving_towards_the_truth_lowers_it(self, loss):
        logits, targets = example(loss.kind)
        first, _ = loss.function(logits, targets, weights=torch.ones(3), smoothing=0.0)
        first.backward()
        better = logits - 0.1 * logits.grad
        second, _ = loss.function(better, targets, weights=torch.ones(3), smoothing=0.0)
        assert float(second.detach()) < float(first.detach())

    def test_extreme_logits_stay_finite(self, loss):
        logits, targets = example(loss.kind)
        total, _ = loss.function(logits * 1e4, targets, weights=torch.ones(3), smoothing=0.0)
        assert math.isfinite(float(total.detach()))


def test_cross_entropy_agrees_with_torch_with_weights_and_smoothing():
    logits, targets = example("exclusive")
    weights = torch.tensor([0.5, 1.0, 1.5])
    total, count = losses.get("cross_entropy").function(
        logits, targets, weights=weights, smoothing=0.1
    )
    expected = F.cross_entropy(
        logits, targets.argmax(1), weight=weights, label_smoothing=0.1, reduction="none"
    )
    assert float(total.detach()) == pytest.approx(float(expected.sum().detach()), rel=1e-5)
    assert count == 6


def test_uniform_logits_cost_the_logarithm_of_the_classes():
    targets = torch.eye(44)
    total, count = losses.get("cross_entropy").function(
        torch.zeros(44, 44), targets, weights=torch.ones(44), smoothing=0.0
    )
    assert float(total) / count == pytest.approx(math.log(44), abs=1e-5)  # 3.7842


def test_balanced_weights_give_every_class_the_same_say():
    targets = np.repeat(np.eye(2, dtype=np.float32), [30, 10], axis=0)
    weights = class_weights(targets, kind="exclusive", balanced=True)
    assert (targets * weights).sum(axis=0).tolist() == pytest.approx([20, 20])
    single = class_weights(targets[:, :1], kind="independent", balanced=True)
    assert single.tolist() == pytest.approx([1 / 3])


def test_images_without_a_class_do_not_change_the_weights():
    targets = np.repeat(np.eye(2, dtype=np.float32), [30, 10], axis=0)
    blank = np.vstack([targets, np.full((20, 2), np.nan, dtype=np.float32)])
    weights = class_weights(targets, kind="exclusive", balanced=True)
    assert class_weights(blank, kind="exclusive", balanced=True).tolist() == weights.tolist()


@dataclass
class Held:
    array: np.ndarray
    scale: int

    def gather(self, rows):
        return self.array[rows]


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("shape", [(3, 7, 5), (1, 4, 6, 5)])
def test_statistics_are_those_of_the_training_images_alone(bits, shape, monkeypatch):
    monkeypatch.setattr("medgraft.train.data.PORTION", 1000)  # several portions
    kind = np.uint8 if bits == 8 else np.uint16
    array = np.random.default_rng(0).integers(0, 2**bits, (30, *shape), dtype=kind)
    rows = np.arange(0, 30, 2)
    found = statistics(Rows(Held(array, 2**bits - 1), rows, np.zeros((15, 1))))
    values = np.moveaxis(array[rows] / (2**bits - 1), 1, 0).reshape(shape[0], -1)
    np.testing.assert_allclose(found.mean, values.mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(found.std, values.std(axis=1), atol=1e-6)


def test_constant_images_can_be_normalised():
    array = np.full((4, 1, 3, 3), 128, dtype=np.uint8)
    normalise = statistics(Rows(Held(array, 255), np.arange(4), np.zeros((4, 1))))
    assert torch.isfinite(normalise(torch.full((1, 1, 3, 3), 128 / 255))).all()


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
def test_stored_numbers_become_values_from_0_to_1(bits, channels_last):
    kind = np.uint8 if bits == 8 else np.uint16
    stored = np.array([0, 1, 2**bits // 2, 2**bits - 1], dtype=kind).reshape(1, 2, 1, 2)
    images = Placement(torch.device("cpu"), channels_last).images(stored, 2**bits - 1)
    np.testing.assert_allclose(images, stored / (2**bits - 1), rtol=1e-6)
    assert float(images.max()) == 1
    assert images.is_contiguous(memory_format=torch.channels_last) or not channels_last


class TestPredictor:
    def predictor(self):
        torch.manual_seed(0)
        network = create("resnet18", in_channels=1, classes=3, after="stem").network
        return Predictor(
            network, "exclusive", Normalisation((0.5,), (0.25,), ""), Placement(torch.device("cpu"))
        )

    def test_a_prediction_does_not_depend_on_how_many_are_made_at_once(self, monkeypatch):
        store = Held(np.random.default_rng(0).integers(0, 256, (9, 1, 16, 16), np.uint8), 255)
        predictor = self.predictor()
        together = predictor.predict(store, np.arange(9))
        monkeypatch.setattr("medgraft.train.supervised.PIXELS", 300)  # one at a time
        np.testing.assert_allclose(predictor.predict(store, np.arange(9)), together, atol=1e-5)
        backwards = predictor.predict(store, np.arange(9)[::-1])
        np.testing.assert_allclose(backwards[::-1], together, atol=1e-5)

    def test_no_rows_are_no_predictions(self):
        store = Held(np.zeros((1, 1, 16, 16), np.uint8), 255)
        assert self.predictor().predict(store, np.arange(0)).shape == (0, 3)

    def test_large_images_are_predicted_a_few_at_a_time(self):
        sizes = []

        class Counting(Held):
            def gather(self, rows):
                sizes.append(len(rows))
                return super().gather(rows)

        store = Counting(np.zeros((5, 1, 1024, 1024), np.uint8), 255)
        predictor = self.predictor()
        predictor.network.forward = lambda x: torch.zeros(len(x), 3)
        predictor.predict(store, np.arange(5))
        assert 1 < max(sizes) <= 4


def one_layer():
    layer = nn.Linear(3, 2)
    return layer, Part(layer, (Group("all", dict(layer.named_parameters()), scale=0.5),))


def test_decay_is_apart_from_the_gradient_and_spares_vectors():
    layer, part = one_layer()
    optimiser = make_optimiser(part, quick(rate=0.1, weight_decay=0.02))
    before = {k: v.detach().clone() for k, v in layer.named_parameters()}
    for parameter in layer.parameters():
        parameter.grad = torch.zeros_like(parameter)
    assert set_point(optimiser, 0.1, 0.9) == {"all": 0.05}
    optimiser.step()
    torch.testing.assert_close(layer.weight.detach(), before["weight"] * 0.999)
    assert torch.equal(layer.bias.detach(), before["bias"])


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        (("auto", "auto"), ("bfloat16", "channels_last")),
        (("float32", "auto"), ("float32", "contiguous")),  # its own fastest, not that of bfloat16
        (("auto", "contiguous"), ("float32", "contiguous")),  # a gain of a twentieth is noise
        (("bfloat16", "contiguous"), ("bfloat16", "contiguous")),
    ],
)
def test_what_is_left_open_is_measured_and_what_is_asked_for_is_kept(asked, chosen, monkeypatch):
    speeds = {
        "float32/contiguous": 100,
        "float32/channels_last": 70,
        "bfloat16/contiguous": 105,
        "bfloat16/channels_last": 200,
    }
    monkeypatch.setattr(hardware, "measured", lambda device, cache: speeds)
    found = hardware.choose(torch.device("cpu"), *asked, cache=None)
    assert (found.precision, found.memory_format) == chosen


def test_volumes_train_in_float32_on_a_processor_and_are_never_measured_as_pictures():
    """In bfloat16 torch 2.14.1 gives wrong gradients of 3-D convolutions there."""
    cpu = torch.device("cpu")
    for asked in ("auto", "float32"):
        found = hardware.choose(cpu, asked, "auto", cache=None, dims=3)
        assert (found.precision, found.memory_format) == ("float32", "contiguous")
    with pytest.raises(ArgumentError, match="must train in float32 on a processor"):
        hardware.choose(cpu, "bfloat16", "auto", cache=None, dims=3)
    plain = Processes()
    assert agree(cpu, quick(precision="auto"), plain, dims=3).precision == "float32"


def test_two_generations_are_kept_and_a_damaged_one_is_passed_over(tmp_path):
    for step in (1, 2, 3):
        state = Checkpoint({"w": torch.full((2,), float(step))}, {"step": step})
        checkpoint.save(tmp_path, state, step=step)
    files = sorted(tmp_path.iterdir())
    assert [f.name for f in files] == ["step-000000002.safetensors", "step-000000003.safetensors"]
    files[1].write_bytes(files[1].read_bytes()[:40])
    found = checkpoint.load(tmp_path)
    assert found.state == {"step": 2}
    assert found.tensors["w"].tolist() == [2, 2]
    files[0].write_bytes(b"")
    with pytest.raises(TrainingError, match="must be whole, but none in"):
        checkpoint.load(tmp_path)


def test_no_checkpoint_is_none(tmp_path):
    assert checkpoint.load(tmp_path / "nothing") is None


def test_a_recipe_comes_back_from_its_file(tmp_path):
    recipe = Recipe(size=64, augment=("rotate:degrees=5", "flip"), window=(-1000, 400))
    save_recipe(recipe, tmp_path / "recipe.yaml")
    assert load_recipe(tmp_path / "recipe.yaml") == recipe


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sise: 64", "no recipe key is called 'sise'. Did you mean 'size'"),
        ("size: -3", "size: input should be greater than or equal to 8, got -3"),
        ("size: !!python/object:os.system [1]", "must be YAML"),
        ("- 1", "must be keys and values"),
        ("threshold: best", "threshold"),
        ("epochs: many", "epochs: input should be a valid integer"),
    ],
)
def test_wrong_recipes_are_refused_with_the_key(tmp_path, text, says):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(ArgumentError) as caught:
        load_recipe(path)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value).strip() or "YAML" in says


def test_a_missing_recipe_is_named(tmp_path):
    with pytest.raises(ArgumentError, match="No such file"):
        load_recipe(tmp_path / "none.yaml")
