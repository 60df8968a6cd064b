"""A generative model from the index to the run folder and its samples."""

import json

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from medgraft.cli.__main__ import main
from medgraft.errors import (
    ArgumentError,
    DivergedError,
    OutputError,
    ShapeError,
    TableError,
    TrainingError,
    WeightsError,
)
from medgraft.generate.diversity import Diversity, diversity
from medgraft.generate.generator import load_generator, turned
from medgraft.generate.generators import generators
from medgraft.generate.material import Classes
from medgraft.generate.objective import Generative
from medgraft.generate.recipe import Generating
from medgraft.generate.verdict import verdict
from medgraft.index import Index
from medgraft.report import write_any_report
from medgraft.runs import RunFolder
from medgraft.train import checkpoint
from medgraft.train.recipe import load_recipe
from tests.generate.conftest import train_tiny

NAMES = generators.names()


def same_weights(one, two):
    one, two = load_file(RunFolder(one).weights), load_file(RunFolder(two).weights)
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


@pytest.mark.parametrize("name", NAMES)
class TestRun:
    def test_the_folder_explains_itself(self, name, trained):
        run = trained(name)
        record = json.loads(run.record.read_text())
        assert record["status"] == "finished"
        assert record["network"]["model"].startswith(f"{name}:")
        done = json.loads(run.generation.read_text())
        assert done["images"] == 28  # of the train part; 8 of val and 12 of test are not among them
        history = pl.read_csv(run.history)
        losses = {column for column in history.columns if column.startswith("loss")}
        parts = set(record["network"]["parts"])
        assert losses == (
            {f"loss_{part}" for part in parts} if len(parts) > 1 else {"loss", "loss_val"}
        )
        assert {"spread", "distinct", "seconds"} <= set(history.columns)
        kept = load_recipe(run.recipe, Generating)
        assert kept.epochs == 2
        assert kept.rate is not None  # everything that was left open is filled in
        assert not run.checkpoint.exists()

    def test_a_stopped_run_goes_on_to_the_same_bits(
        self, name, spots_index, trained, tmp_path, monkeypatch
    ):
        known = trained(name).path  # before the end of a training is watched

        class Killed(BaseException):
            """Stands for kill -9."""

        loss = Generative.loss

        def killing(self, part, batch):
            if batch.step == 4 and part == list(self.parts)[-1]:  # in the middle of a step
                raise Killed
            return loss(self, part, batch)

        ends = []

        def keeping(folder):
            """Weights, states of all optimisers and counters, and torch's stream, at the end."""
            found = checkpoint.load(folder)
            found.state.pop("history"), found.state.pop("seconds")  # which hold wall time
            ends.append((found, torch.get_rng_state()))

        monkeypatch.setattr("medgraft.generate.job.checkpoint.remove", keeping)
        train_tiny(spots_index, tmp_path / "whole", name)
        with monkeypatch.context() as patch:
            patch.setattr(Generative, "loss", killing)
            with pytest.raises(Killed):
                train_tiny(spots_index, tmp_path / "run", name, checkpoint_seconds=0)
        again = {"resume": True, "checkpoint_seconds": 0}
        with pytest.raises(TrainingError, match="these differ: rate"):
            train_tiny(spots_index, tmp_path / "run", name, **again, rate=0.5)
        train_tiny(spots_index, tmp_path / "run", name, **again)
        assert same_weights(tmp_path / "run", known)
        (one, stream), (two, other) = ends
        assert torch.equal(stream, other)
        assert one.state == two.state
        assert one.tensors.keys() == two.tensors.keys()
        assert any(key.startswith("optimiser/") for key in one.tensors)
        assert all(torch.equal(one.tensors[key], two.tensors[key]) for key in one.tensors)
        columns = [c for c in pl.read_csv(trained(name).history).columns if "second" not in c]
        one, two = (
            pl.read_csv(RunFolder(p).history) for p in (tmp_path / "run", trained(name).path)
        )
        assert one.select(columns).equals(two.select(columns))

    def test_the_page_is_made_of_saved_files_and_again_the_same(self, name, trained, tmp_path):
        run = trained(name)
        page = write_any_report(run.path).read_bytes()
        assert write_any_report(run.path, out=tmp_path / "again").read_bytes() == page
        for word in (b"Samples", b"Interpolations", b"Real images", name.encode()):
            assert word in page
        assert (b"Reconstructions" in page) == load_generator(run).reconstructs

    def test_a_sample_depends_on_seed_and_number_alone(self, name, trained):
        generator = load_generator(trained(name))
        many = generator.sample(37, seed=5)
        assert many.dtype == torch.uint8
        assert many.shape == (37, 1, 32, 32)
        for start, count in ((0, 1), (3, 2), (15, 3), (36, 1), (16, 16)):
            assert torch.equal(generator.sample(count, seed=5, start=start), many[start:][:count])
        again = load_generator(trained(name)).sample(37, seed=5)
        assert torch.equal(again, many)
        assert not torch.equal(generator.sample(37, seed=6), many)

    def test_drawing_leaves_the_random_numbers_of_others_alone(self, name, trained):
        generator = load_generator(trained(name))
        torch.manual_seed(0)
        wanted = torch.rand(3)
        torch.manual_seed(0)
        generator.sample(2, seed=1)
        generator.interpolate(1, seed=1)
        assert torch.equal(torch.rand(3), wanted)

    def test_classes_are_drawn_as_often_as_they_were_seen(self, name, trained):
        generator = load_generator(trained(name, conditional=True))
        assert generator.classes == ("left", "right")
        labels = generator.labels(600, seed=0)
        assert labels.count("left") / 600 == pytest.approx(0.5, abs=0.1)
        assert generator.labels(5, seed=0, start=100) == labels[100:105]
        drawn = generator.sample(20, seed=0)
        assert torch.equal(generator.sample(20, seed=0, labels=labels[:20]), drawn)
        left = generator.sample(4, seed=0, labels="left")
        assert torch.equal(generator.sample(1, seed=0, labels=["left"], start=2), left[2:3])

    def test_interpolations_begin_and_end_with_samples(self, name, trained):
        generator = load_generator(trained(name))
        between = generator.interpolate(2, seed=3, steps=5)
        assert between.shape == (2, 5, 1, 32, 32)
        samples = generator.sample(4, seed=3)
        # another block, whose sums may be ordered otherwise
        apart = between[:, [0, -1]].flatten(0, 1).int() - samples.int()
        assert apart.abs().max() <= 1


class TestRefusals:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"n": 0, "seed": 0}, "a count must be at least 1, got 0"),
            ({"n": 1, "seed": -1}, "a seed must be at least 0"),
            ({"n": 1, "seed": 0, "start": -3}, "start must be at least 0"),
            ({"n": 1, "seed": 0, "labels": "left"}, "trained with --conditional"),
            ({"n": 1, "seed": 0, "labels": ["left", "left"]}, "a class for each of 1"),
        ],
    )
    def test_samples_that_cannot_be_drawn(self, trained, arguments, message):
        with pytest.raises(ArgumentError, match=message):
            load_generator(trained("vae")).sample(**arguments)

    def test_a_class_that_the_model_does_not_know(self, trained):
        with pytest.raises(ArgumentError, match=r"'up'\. It knows: left, right"):
            load_generator(trained("vae", conditional=True)).sample(1, seed=0, labels="up")

    def test_reconstructions_need_an_encoder_and_images_as_the_run_has_them(self, trained):
        with pytest.raises(ArgumentError, match=r"has none\. Train a vae or a vae_gan"):
            load_generator(trained("dcgan")).reconstruct(torch.zeros(1, 1, 32, 32))
        vae = load_generator(trained("vae"))
        with pytest.raises(ShapeError, match=r"\(N, 1, 32, 32\), got \(1, 3, 32, 32\)"):
            vae.reconstruct(torch.zeros(1, 3, 32, 32))
        with pytest.raises(ShapeError, match="floats in \\[0, 1\\]"):
            vae.reconstruct(torch.full((1, 1, 32, 32), 7.0))

    def test_a_run_of_another_kind_is_no_generator_and_a_generator_no_classifier(
        self, trained, spots_index, tmp_path, capsys
    ):
        (tmp_path / "run.json").write_text("{}")
        (tmp_path / "weights.json").write_text('{"backbone": "resnet18"}')
        with pytest.raises(TableError, match="one of another command"):
            load_generator(tmp_path)
        with pytest.raises(TableError, match="must be a run folder"):
            load_generator(tmp_path / "nothing")
        run = str(trained("vae").path)
        assert main(["predict", run, str(spots_index), "--out", str(tmp_path / "p.csv")]) == 2
        assert "is a generative model, which answers nothing" in capsys.readouterr().err
        arguments = ["train", str(spots_index), "--weights", run, "--out", str(tmp_path / "t")]
        assert main(arguments) == 2
        assert "is a generative model, which has none" in capsys.readouterr().err

    def test_weights_that_changed(self, trained, tmp_path):
        run, copy = trained("vae"), RunFolder(tmp_path)
        for file in (run.record, run.weights_record):
            (tmp_path / file.name).write_bytes(file.read_bytes())
        copy.weights.write_bytes(run.weights.read_bytes()[:-1] + b"x")
        with pytest.raises(WeightsError, match="SHA-256"):
            load_generator(tmp_path)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"augment": ("mixup",)}, "blends it with another"),
            ({"steps": ("intensity", "channels:count=1", "resize:side=16")}, "32 x 32 pixels"),
            ({"patience": 2}, "dcgan"),
            ({"schedule": "sometimes"}, "sometimes"),
        ],
    )
    def test_recipes_that_cannot_be_meant(self, spots_index, tmp_path, changes, message):
        with pytest.raises((ArgumentError, TrainingError, LookupError), match=message):
            train_tiny(spots_index, tmp_path / "run", "dcgan", **changes)

    def test_a_folder_that_is_in_use(self, spots_index, trained):
        with pytest.raises(OutputError, match="new or empty folder"):
            train_tiny(spots_index, trained("vae").path, "vae")

    def test_several_labels_that_do_not_exclude_each_other(self, spots_index):
        index = Index.load(spots_index)
        frame = index.frame.with_columns(
            a=pl.lit(1), b=pl.Series([0, 1] * 24), c=pl.Series([0, 1, -1, None] * 12)
        )
        two = Index(frame.drop("side"), index.root, labels=("a", "b"))
        with pytest.raises(TableError, match="2 labels: a, b"):
            Classes.of(two)
        one = Classes.of(Index(frame.drop("side"), index.root, labels=("c",)))
        assert one.names == ("c = 0", "c = 1")
        numbers = one.numbers(frame)[:4, 0]
        assert numbers.tolist()[:2] == [0.0, 1.0]
        assert np.isnan(numbers[2:]).all()  # uncertain and blank images have no class

    def test_a_loss_that_is_no_number_stops_the_run(self, spots_index, tmp_path, monkeypatch):
        loss = Generative.loss

        def spoilt(self, part, batch):
            found = loss(self, part, batch)
            if batch.step == 3 and part == "generator":
                found.total.data.fill_(float("nan"))
            return found

        monkeypatch.setattr(Generative, "loss", spoilt)
        with pytest.raises(DivergedError, match="'generator' is nan at step 3"):
            train_tiny(spots_index, tmp_path / "run", "dcgan")
        assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "stopped"


def test_neither_labels_nor_test_images_are_read(spots_index, trained, tmp_path):
    index = Index.load(spots_index)
    (tmp_path / "images").mkdir()
    for path, part in index.frame.select("path", "split").iter_rows():
        if part != "test":
            (tmp_path / path).write_bytes((index.root / path).read_bytes())
    bare = Index(index.frame.drop("side"), tmp_path, labels=(), layout="csv")
    bare.save(tmp_path / "bare.parquet")
    run = train_tiny(tmp_path / "bare.parquet", tmp_path / "run", "vae")
    assert same_weights(run.path, trained("vae").path)


def test_only_the_last_bits_of_training_images_and_no_validation_image_move_a_weight(
    spots_index, trained, tmp_path
):
    index = Index.load(spots_index)
    (tmp_path / "images").mkdir()
    for path, part in index.frame.select("path", "split").iter_rows():
        pixels = np.asarray(Image.open(index.root / path))
        Image.fromarray(255 - pixels if part == "val" else pixels).save(tmp_path / path)
    frame = index.frame.with_columns(image_id=pl.col("image_id").str.reverse())
    Index(frame, tmp_path, labels=("side",)).save(tmp_path / "other.parquet")
    # a GAN has no score by which validation images could choose an epoch
    run = train_tiny(tmp_path / "other.parquet", tmp_path / "run", "dcgan")
    assert same_weights(run.path, trained("dcgan").path)


class TestDiversity:
    def real(self, count=40):
        return torch.rand(count, 1, 32, 32, generator=torch.Generator().manual_seed(0))

    def test_of_real_images_is_one(self):
        found = diversity(self.real(), self.real())
        assert (found.spread, found.distinct) == pytest.approx((1, 1))
        assert not found.collapsed

    def test_against_a_loop(self):
        few = self.real(6)
        small = few.double().reshape(6, 16, 2, 16, 2).mean(dim=(2, 4)).flatten(1)
        pairs = [[float((a - b).norm()) for b in small] for a in small]
        nearest = sorted(min(d for j, d in enumerate(row) if j != i) for i, row in enumerate(pairs))
        # all in one place would be zero: the same images at half the contrast are half as far apart
        found = diversity(few, few * 2)
        assert (found.spread, found.distinct) == pytest.approx((0.5, 0.5))
        lone = torch.zeros(6, 1, 32, 32)
        lone[:, 0, 0, 0] = torch.arange(6)  # apart by 1/4 after averaging
        found = diversity(few, lone)
        assert found.distinct == pytest.approx(nearest[2] / 0.25)

    def test_one_image_for_all_codes_is_a_collapse(self):
        same = self.real(1).expand(40, -1, -1, -1)
        found = diversity(same, self.real())
        assert (found.spread, found.distinct) == pytest.approx((0, 0), abs=1e-6)
        assert found.collapsed

    def test_copies_of_a_few_images_are_a_collapse_although_they_are_far_apart(self):
        copies = self.real(4).repeat(10, 1, 1, 1)
        found = diversity(copies, self.real())
        assert found.spread > 0.7
        assert found.distinct == pytest.approx(0, abs=1e-6)
        assert found.collapsed


class TestVerdict:
    def test_says_what_went_wrong_and_nothing_else(self):
        fine = {"real_discriminator": 0.6, "fake_discriminator": 0.4}
        assert verdict(Diversity(0.9, 0.8), [fine]).troubles == ()
        (said,) = verdict(Diversity(0.9, 0.1), [fine]).troubles
        assert "mode collapse" in said
        won = {"real_discriminator": 0.89, "fake_discriminator": 0.01}
        (said,) = verdict(Diversity(0.9, 0.8), [fine, won], smoothing=0.1).troubles
        assert "discriminator has won" in said
        (said,) = verdict(Diversity(0.9, 0.8), [{"kl": 0.01}]).troubles
        assert "posterior collapse" in said
        assert verdict(None, []).spread is None

    def test_a_collapse_is_told_at_the_end_and_on_the_page(self, spots_index, tmp_path, capsys):
        # at so low a rate nothing is learnt: all samples stay the same grey
        arguments = ["--model", "dcgan:width=4,latent=6", "--size", "32", "--epochs", "1"]
        arguments += ["--rate", "1e-9", "--batch-size", "8", "--precision", "float32"]
        arguments += ["--memory-format", "contiguous", "--threads", "1"]
        out = tmp_path / "run"
        assert main(["generate", "train", str(spots_index), *arguments, "--out", str(out)]) == 0
        assert "too alike (mode collapse)" in capsys.readouterr().out
        assert "too alike" in (out / "report.html").read_text()
        assert "mode collapse" in json.loads((out / "run.json").read_text())["notes"][-1]


def test_codes_turn_from_one_to_another_at_the_length_of_both():
    one, two = torch.tensor([3.0, 0.0, 0.0]), torch.tensor([0.0, 3.0, 0.0])
    way = turned(one, two, torch.linspace(0, 1, 7))
    assert torch.allclose(way[0], one, atol=1e-6)
    assert torch.allclose(way[-1], two, atol=1e-6)
    assert way.norm(dim=1).tolist() == pytest.approx([3.0] * 7, rel=1e-5)
    # where there is no shortest turn, a straight line
    assert torch.allclose(turned(one, one, torch.tensor([0.3]))[0], one)
