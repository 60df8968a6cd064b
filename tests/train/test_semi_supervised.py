"""Learning beside generated images: the loss of K + 1 classes, its three streams, and whole runs."""

import hashlib

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file
from torch.nn import functional as F

from medgraft.cli.__main__ import main
from medgraft.errors import ArgumentError, LeakageError, TableError
from medgraft.files import read_json
from medgraft.index import Index
from medgraft.index.target import Target
from medgraft.nets import create
from medgraft.nets.heads import TwoWay, make_head
from medgraft.runs import RunFolder
from medgraft.train.batches import Batches, Placement
from medgraft.train.predict import load_predictor
from medgraft.train.samples import LEARNT_FROM, UNKNOWN, Joined, Samples
from medgraft.train.semi_supervised import (
    SemiSupervised,
    at,
    check_kinds,
    class_logits,
    generated_loss,
    real_logit,
    real_loss,
    real_probability,
)
from medgraft.train.supervised import Normalisation, Predictor, Rows, Supervised
from medgraft.train.train import train
from tests.train.conftest import make_spots, quick

DEVICE = torch.device("cpu")


class Noise:
    """Images in memory."""

    scale = 255

    def __init__(self, count, seed):
        rng = np.random.default_rng(seed)
        self.images = rng.integers(0, 256, (count, 1, 16, 16), dtype=np.uint8)

    def gather(self, rows):
        return self.images[rows]


# --- the loss --------------------------------------------------------------------------------


def test_it_is_the_cross_entropy_of_one_class_more_whose_logit_is_nought():
    logits = torch.randn(9, 4, dtype=torch.float64)
    more = torch.cat([logits, torch.zeros(9, 1, dtype=torch.float64)], dim=1)
    as_generated = F.cross_entropy(more, torch.full((9,), 4), reduction="none")
    real = 1 - more.softmax(dim=1)[:, 4]
    torch.testing.assert_close(generated_loss(real_logit(logits)), as_generated)
    torch.testing.assert_close(real_loss(real_logit(logits)), -real.log())
    np.testing.assert_allclose(real_probability(logits.numpy()), real.numpy())


def test_a_level_added_to_all_logits_changes_what_is_real_and_not_the_diagnosis():
    logits = torch.randn(5, 3)
    torch.testing.assert_close((logits + 2).softmax(1), logits.softmax(1))
    torch.testing.assert_close(real_logit(logits + 2), real_logit(logits) + 2)


def test_at_indifference_both_losses_together_are_two_log_two():
    logits = torch.full((1, 4), -np.log(4))
    both = real_loss(real_logit(logits)) + generated_loss(real_logit(logits))
    assert float(both) == pytest.approx(2 * np.log(2))


def test_very_sure_logits_stay_numbers():
    sure = np.array([[800.0, 0.0], [-800.0, -900.0]])
    np.testing.assert_allclose(real_probability(sure), [1.0, 0.0])
    assert torch.isfinite(real_loss(real_logit(torch.from_numpy(sure)))).all()


def objective(classes, *, kind="exclusive", weight=1.0):
    torch.manual_seed(0)
    head = "linear" if kind == "exclusive" else "linear+two"
    made = create("resnet18", in_channels=1, classes=classes, after="layer1", head=head)
    predictor = Predictor(made.network, kind, Normalisation((0.5,), (0.5,), ""), Placement(DEVICE))
    labelled = Batches(Noise(6, 0), np.arange(6), known(6, classes), 3, 0, None, Placement(DEVICE))
    rows = [Rows(Noise(n, n), np.arange(n), np.full((n, classes), np.nan)) for n in (11, 7)]
    samples = Samples(generated=rows[1], unlabelled=rows[0])
    labels = Supervised(predictor, weights=torch.ones(classes))
    return SemiSupervised.of(labels, labelled, samples, weight=weight), labelled


def known(count, classes):
    if classes == 1:
        return (np.arange(count)[:, None] % 2).astype(np.float32)
    return np.eye(classes, dtype=np.float32)[np.arange(count) % classes]


@pytest.mark.parametrize(("classes", "kind"), [(3, "exclusive"), (1, "independent")])
def test_loss_of_a_batch_is_that_of_a_loop_over_its_images(classes, kind):
    found, labelled = objective(classes, kind=kind, weight=0.7)
    batch = next(labelled.epoch(0))
    network = found.labels.predictor.network
    network.train()
    loss = found.loss("network", batch)
    beside = [at(stream, 0).images for stream in (found.unlabelled, found.generated)]
    images = torch.cat([batch.images, *beside])
    with class_logits(network) as raw:
        network(found.labels.predictor.normalise(images))
    every = raw[0].detach().double()
    slow, n = 0.0, len(batch.images)
    for logits, target in zip(every, batch.targets, strict=False):
        right = int(target.argmax()) if kind == "exclusive" else int(target[0])
        slow -= float(logits.log_softmax(0)[right]) / n
    z = every.exp().sum(dim=1).numpy()
    as_real = -np.log(z / (z + 1))[n : n + len(beside[0])].mean()
    as_fake = -np.log(1 / (z + 1))[n + len(beside[0]) :].mean()
    assert float(loss.total.detach() / loss.count) == pytest.approx(
        slow + 0.7 / 2 * float(as_real + as_fake), rel=1e-4
    )
    assert loss.terms["real"] == pytest.approx(float(as_real), rel=1e-4)
    assert loss.terms["generated"] == pytest.approx(float(as_fake), rel=1e-4)


def test_labels_of_unlabelled_images_are_not_looked_at():
    found, _ = objective(2)
    for stream in (found.unlabelled, found.generated):
        assert torch.isnan(at(stream, 3).targets).all()


def test_streams_begin_again_when_they_end_and_show_every_image_once_an_epoch():
    found, _ = objective(2)
    for stream, count in ((found.unlabelled, 11), (found.generated, 7)):
        seen = [at(stream, step).places for step in range(2 * stream.per_epoch)]
        for epoch in range(2):
            part = np.concatenate(seen[epoch * stream.per_epoch : (epoch + 1) * stream.per_epoch])
            assert sorted(part) == list(range(count))
        again = at(stream, 1)
        np.testing.assert_array_equal(again.places, seen[1])


# --- the head of one label -------------------------------------------------------------------


def test_a_head_of_one_label_answers_with_the_softmax_over_absence_and_presence():
    raw = torch.randn(6, 2, dtype=torch.float64)
    torch.testing.assert_close(torch.sigmoid(TwoWay()(raw))[:, 0], raw.softmax(dim=1)[:, 1])


def test_a_head_of_one_label_is_refused_more():
    with pytest.raises(ArgumentError, match="of one label, got 2"):
        make_head("linear+two", 8, 2)


def test_several_labels_that_hold_together_are_refused():
    with pytest.raises(ArgumentError, match="one label or exclusive classes, got 2 labels: a, b"):
        check_kinds(Target("independent", ("a", "b"), ("a", "b")), None)


# --- two stores ------------------------------------------------------------------------------


def test_joined_stores_give_what_each_holds():
    one, other = Noise(4, 0), Noise(5, 1)
    both, rows = Joined(one, other, 4), np.array([8, 0, 4, 3, 3])
    images = both.gather(rows)
    expected = [other.images[4], one.images[0], other.images[0], one.images[3], one.images[3]]
    np.testing.assert_array_equal(images, np.stack(expected))
    np.testing.assert_array_equal(both.gather(rows[:1]), other.images[4:5])
    np.testing.assert_array_equal(both.gather(rows[1:2]), one.images[:1])


# --- runs ------------------------------------------------------------------------------------


def make_samples(folder, *, labels=True):
    """An index of 16 images that look a little like the spots, brighter everywhere."""
    rng = np.random.default_rng(3)
    folder.mkdir()
    rows = []
    for number in range(16):
        pixels = rng.integers(60, 140, (32, 32), dtype=np.uint8)
        pixels[10:22, 4 + 16 * (number % 2) : 14 + 16 * (number % 2)] += 100
        Image.fromarray(pixels).save(folder / f"{number}.png")
        row = {
            "image_id": hashlib.sha256(f"{folder}{number}".encode()).hexdigest(),
            "path": f"{number}.png",
            "shape": [1, 32, 32],
            "bits": 8,
        }
        rows.append({**row, "side": ("left", "right")[number % 2]} if labels else row)
    Index(pl.DataFrame(rows), folder, labels=("side",) if labels else ()).save(
        folder / "samples.parquet"
    )
    return folder / "samples.parquet"


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("semi")
    spots = make_spots(folder)
    samples = make_samples(folder / "samples")
    recipe = quick(
        after="layer1", samples=str(samples), labels_per_class=4, epochs=6, rate=3e-3, seed=1
    )
    run = train(spots, folder / "run", recipe, command=[])
    return spots, samples, recipe, run


def test_a_run_learns_and_is_an_ordinary_run(archive, capsys):
    spots, _, _, run = archive
    assert "16 generated images and 28 training images without their labels" in " ".join(
        read_json(run.record)["notes"]
    )
    history = pl.read_csv(run.history)
    assert history["generated"][-1] < history["generated"][0]
    assert history["real"][-1] < np.log(2)
    told = pl.read_parquet(run.predictions)
    assert len(told) == 12 + 8 + 8, "no sample, and no image without label, is answered for"
    image = spots.parent / "images" / "00.png"
    out = run.path.parent / "told.csv"
    assert main(["predict", str(run.path), str(image), "--out", str(out)]) == 0
    known = told.filter(pl.col("path") == "images/00.png")["p_left"][0]
    assert pl.read_csv(out)["p_left"][0] == pytest.approx(known, abs=1e-5)
    assert main(["report", str(run.path)]) == 0
    assert main(["evaluate", str(run.path), "--replicates", "20"]) == 0
    capsys.readouterr()


def test_one_label_is_learnt_judged_and_asked_again(archive, tmp_path):
    spots, _, recipe, _ = archive
    index = Index.load(spots)
    ill = index.frame.with_columns(ill=(pl.col("side") == "left").cast(pl.Int64)).drop("side")
    Index(ill, index.root, labels=("ill",)).save(tmp_path / "one.parquet")
    run = train(tmp_path / "one.parquet", tmp_path / "run", recipe, command=[])
    assert read_json(run.weights_record)["head"] == "linear+two"
    assert pl.read_csv(run.history)["auroc_val"].is_between(0, 1).all()
    told = pl.read_parquet(run.predictions).filter(split="test")
    predictor, _ = load_predictor(run)
    assert predictor.network.classes == 1
    images = np.stack([np.asarray(Image.open(index.file(p))) for p in told["path"]])[:, None]
    logits = predictor.logits(torch.from_numpy(images / np.float32(255))).detach().numpy()
    assert logits.shape == (len(told), 1)
    np.testing.assert_allclose(predictor.probabilities(logits)[:, 0], told["p_ill"], atol=1e-5)


def test_it_tells_its_samples_from_real_images(archive):
    spots, samples, _, run = archive
    predictor, _ = load_predictor(run)
    real, fake = (
        np.stack([np.asarray(Image.open(index.file(p))) for p in index.frame["path"]])[:, None]
        for index in (Index.load(spots).part("test"), Index.load(samples))
    )
    with torch.inference_mode(), class_logits(predictor.network) as found:
        for images in (real, fake):
            predictor.logits(torch.from_numpy(images).float() / 255)
    as_real, as_fake = (real_probability(logits.double().numpy()) for logits in found)
    assert as_real.min() > as_fake.max()


def test_labels_that_are_not_used_change_nothing(archive):
    spots, _, recipe, run = archive
    index = Index.load(spots)
    used = Index.load(run.index).part("train").frame["image_id"]
    blank = (pl.col("split") == "train") & ~pl.col("image_id").is_in(used.implode())
    side = pl.when(blank).then(None).otherwise(pl.col("side")).alias("side")
    poorer = spots.parent / "blank.parquet"
    index.with_frame(index.frame.with_columns(side)).save(poorer)
    again = train(poorer, spots.parent / "again", recipe, command=[])
    assert load_file(again.weights).keys() == load_file(run.weights).keys()
    for name, tensor in load_file(again.weights).items():
        np.testing.assert_array_equal(tensor, load_file(run.weights)[name])


def test_samples_with_labels_are_learnt_as_if_they_were_real(archive, tmp_path):
    spots, _, recipe, _ = archive
    own = {"samples_as": "labelled", "labels_per_class": 2, "epochs": 1}
    run = train(spots, tmp_path / "run", recipe.model_copy(update=own), command=[])
    (note,) = (n for n in read_json(run.record)["notes"] if "generated" in n)
    assert note.startswith("16 generated images were learnt with their labels")
    assert len(pl.read_parquet(run.predictions)) == 12 + 8 + 4
    unnamed = {**own, "samples": str(make_samples(tmp_path / "unnamed", labels=False))}
    with pytest.raises(TableError, match="no column holds the label 'side'"):
        train(spots, tmp_path / "other", recipe.model_copy(update=unnamed), command=[])


def test_a_run_that_was_stopped_goes_on_to_the_same_bits(archive, monkeypatch):
    spots, _, recipe, run = archive
    out = spots.parent / "stopped"
    recipe = recipe.model_copy(update={"checkpoint_seconds": 0.0})
    taken = SemiSupervised.loss

    def stop(self, part, batch):
        if batch.step == 3:
            raise KeyboardInterrupt
        return taken(self, part, batch)

    monkeypatch.setattr(SemiSupervised, "loss", stop)
    with pytest.raises(KeyboardInterrupt):
        train(spots, out, recipe, command=[])
    monkeypatch.undo()
    train(spots, out, recipe, command=[], resume=True)
    for name, tensor in load_file(RunFolder(out).weights).items():
        np.testing.assert_array_equal(tensor, load_file(run.weights)[name])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"strategy": "linear:stem", "weights": "none"}, "strategy 'linear:stem'"),
        ({"kept_views": 2}, "kept_views are of labelled images alone"),
        ({"samples": None, "samples_weight": 2.0}, "--samples names none"),
        ({"samples": None, "samples_as": "labelled"}, "--samples names none"),
    ],
)
def test_what_cannot_be_done_with_samples_is_refused(archive, tmp_path, changes, said):
    spots, _, recipe, _ = archive
    with pytest.raises(ArgumentError, match=said):
        train(spots, tmp_path / "run", recipe.model_copy(update=changes), command=[])
    assert not (tmp_path / "run").exists()


def test_samples_of_a_generator_that_has_seen_test_patients_are_refused(archive, tmp_path):
    spots, _, recipe, _ = archive
    samples = make_samples(tmp_path / "samples")
    update = {"samples": str(samples), "epochs": 1}
    seen = Index.load(spots).frame.select("image_id", "patient_id", "split")
    seen.write_parquet(samples.parent / LEARNT_FROM)
    run = train(spots, tmp_path / "run", recipe.model_copy(update=update), command=[])
    assert UNKNOWN not in read_json(run.record)["notes"]
    other = pl.when(pl.col("patient_id") == "p00").then(pl.lit("train")).otherwise("split")
    seen.with_columns(split=other).write_parquet(samples.parent / LEARNT_FROM)
    with pytest.raises(LeakageError, match=r"the generator of '.*' was trained or chosen on 2 of"):
        train(spots, tmp_path / "other", recipe.model_copy(update=update), command=[])


def test_a_reader_is_told_where_the_origin_of_samples_is_unknown(archive):
    assert UNKNOWN in read_json(archive[3].record)["notes"]


def test_generated_images_of_the_index_are_no_real_ones_and_no_labels(archive, tmp_path):
    """They are neither shown as real nor drawn as labelled images."""
    spots, _, recipe, _ = archive
    index = Index.load(spots)
    some = pl.Series("generated", [number % 2 == 0 for number in range(len(index))])
    marked = index.frame.with_columns((some & (pl.col("split") == "train")).alias("generated"))
    index.with_frame(marked).save(spots.parent / "marked.parquet")
    update = {"labels_per_class": 4, "epochs": 1}
    with pytest.raises(TableError, match="'left' has 0"):  # every second image is of one class
        train(
            spots.parent / "marked.parquet",
            tmp_path / "run",
            recipe.model_copy(update=update),
            command=[],
        )
