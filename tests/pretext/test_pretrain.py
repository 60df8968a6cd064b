"""A pretraining from the index to the run that begins with it."""

import json

import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from medgraft.cli.__main__ import main
from medgraft.errors import (
    ArgumentError,
    LeakageError,
    ShapeError,
    TableError,
    TrainingError,
    WeightsError,
)
from medgraft.index import Index
from medgraft.nets import create, create_dense, create_y
from medgraft.prepare import canonical, default_steps, pipeline
from medgraft.pretext.discovery.table import SCHEMA, Patterns
from medgraft.pretext.objective import Learner, Pretext
from medgraft.pretext.phases import learner_of, plan
from medgraft.pretext.pretrain import pretrain
from medgraft.pretext.recipe import Pretraining
from medgraft.pretext.tasks import find_task
from medgraft.report import write_any_report
from medgraft.runs import RunFolder
from medgraft.train.batches import Placement
from medgraft.train.donor import check_donor
from medgraft.train.predict import load_predictor
from medgraft.train.recipe import Recipe, load_recipe, save_recipe
from medgraft.train.supervised import Normalisation
from medgraft.train.train import train
from tests.train.conftest import make_spots, quick
from tests.train.test_slices import HEADS, make_heads

SMALL = {
    "after": "layer1",
    "size": 32,
    "epochs": 2,
    "batch_size": 8,
    "precision": "float32",
    "memory_format": "contiguous",
    "threads": 1,
}


def small(**changes):
    return Pretraining(**{**SMALL, **changes})


def run(index, out, *, resume=False, **changes):
    return pretrain(index, out, small(**changes), command=["medgraft"], resume=resume)


def same(one, two):
    one, two = load_file(RunFolder(one).weights), load_file(RunFolder(two).weights)
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


@pytest.fixture(scope="module")
def spots(tmp_path_factory):
    return make_spots(tmp_path_factory.mktemp("spots"))


@pytest.fixture(scope="module")
def whole(spots, tmp_path_factory):
    """A run that nobody disturbed."""
    return run(spots, tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture(scope="module")
def contrasted(spots, tmp_path_factory):
    """A run of a task whose loss is one of a batch."""
    return run(spots, tmp_path_factory.mktemp("contrasted") / "run", task="simclr")


class TestRun:
    def test_the_folder_explains_itself(self, whole):
        record = json.loads(whole.record.read_text())
        assert record["status"] == "finished"
        assert record["network"]["task"] == "models_genesis"
        assert set(record["data"]["splits"]) == {"train", "val"}
        assert record["data"]["splits"]["train"]["images"] == 28
        done = json.loads(whole.pretext.read_text())
        assert done["split"] == "val"
        assert done["images"] == 8
        assert done["loss"] > 0
        assert done["untouched"] > 0
        history = pl.read_csv(whole.history)
        assert {"epoch", "loss", "loss_val", "input_val"} <= set(history.columns)
        assert done["loss"] == pytest.approx(history["loss_val"].min(), rel=1e-3)
        kept = load_recipe(whole.recipe, Pretraining)
        assert (kept.task, kept.channels) == ("models_genesis", 1)
        assert not whole.checkpoint.exists()

    def test_its_file_holds_the_encoder_and_the_decoder_and_nothing_else(self, whole):
        groups = {name.partition(".")[0] for name in load_file(whole.weights)}
        assert groups == {"backbone", "decoder"}
        record = json.loads(whole.weights_record.read_text())
        assert record["backbone"] == "resnet18"
        assert record["after"] == "layer1"
        assert "left out" in record["parts"]["output"]

    def test_the_page_is_made_of_saved_files_and_again_the_same(self, whole, tmp_path):
        page = write_any_report(whole.path).read_bytes()
        assert write_any_report(whole.path, out=tmp_path / "again").read_bytes() == page
        assert b"mean squared error" in page
        assert b"patents in the United States" in page
        assert (whole.figures / "learning.svg").is_file()
        assert "restored" in (whole.figures / "examples.svg").read_text()
        assert "patents" in whole.card.read_text()

    def test_neither_labels_nor_test_images_are_read(self, spots, whole, tmp_path):
        index = Index.load(make_spots(tmp_path))  # the same pictures elsewhere
        for row in index.frame.filter(pl.col("split") == "test").iter_rows(named=True):
            (tmp_path / row["path"]).unlink()
        ids = Index.load(spots).frame["image_id"]
        frame = index.frame.with_columns(image_id=ids).drop("side")
        Index(frame, tmp_path, labels=(), layout="csv").save(tmp_path / "bare.parquet")
        assert same(run(tmp_path / "bare.parquet", tmp_path / "run").path, whole.path)

    @pytest.mark.parametrize("task", ["models_genesis", "simclr"])
    def test_a_stopped_run_goes_on_to_the_same_bits(
        self, task, spots, whole, contrasted, tmp_path, monkeypatch
    ):
        class Killed(BaseException):
            """Stands for kill -9."""

        loss, seen = Pretext.loss, []

        def counting(self, part, batch):
            seen.append(batch.step)
            if batch.step == 5:
                raise Killed
            return loss(self, part, batch)

        with monkeypatch.context() as patch:
            patch.setattr(Pretext, "loss", counting)
            with pytest.raises(Killed):
                run(spots, tmp_path / "run", task=task, checkpoint_seconds=0)
        again = {"task": task, "resume": True, "checkpoint_seconds": 0}
        with pytest.raises(Exception, match="these differ: rate"):
            run(spots, tmp_path / "run", **again, rate=0.5)
        run(spots, tmp_path / "run", **again)
        assert same(tmp_path / "run", {"simclr": contrasted}.get(task, whole).path)

    @pytest.mark.parametrize("task", ["rotation", "autoencoder", "masked_image"])
    def test_other_tasks_make_a_run_and_a_page_as_well(self, task, spots, tmp_path):
        found = run(spots, tmp_path / "run", task=task, epochs=1)
        page = write_any_report(found.path).read_text()
        groups = {name.partition(".")[0] for name in load_file(found.weights)}
        if task == "rotation":
            assert groups == {"backbone"}
            assert 'chance: <span class="whole">25 %</span>' in page
        else:
            assert groups == {"backbone", "decoder"}
            assert "patents" not in page
            assert ("hidden parts restored" in page) == (task == "masked_image")

    def test_two_views_are_shown_and_how_often_one_finds_the_other(self, contrasted):
        assert {name.partition(".")[0] for name in load_file(contrasted.weights)} == {"backbone"}
        record = json.loads(contrasted.weights_record.read_text())
        assert "left out" in record["parts"]["head"]
        done = json.loads(contrasted.pretext.read_text())
        assert (done["kind"], done["images"], done["classes"]) == ("contrasting", 8, 15)
        history = pl.read_csv(contrasted.history)
        assert {"loss_val", "accuracy_val"} <= set(history.columns)
        assert "input_val" not in history.columns
        shown = json.loads((contrasted.examples / "pretext.json").read_text())
        assert len(shown) == 8
        for one in shown:
            assert {"image", "input", "second"} <= one.keys()
            assert -1 <= one["similarity"] <= 1
            assert one["found"] in (0, 1, 2)
        page = write_any_report(contrasted.path).read_text()
        assert "finds the other view of an image (simclr) among 15 views" in page
        assert 'chance: <span class="whole">7 %</span>' in page
        assert "another view" in page


class TestCropsAndSlices:
    def test_crops_of_large_images_are_learnt_from_and_told(self, spots, tmp_path):
        changes = {"size": 48, "patch": (32,), "patches_per_image": 2, "epochs": 1}
        found = run(spots, tmp_path / "run", **changes)
        done = json.loads(found.pretext.read_text())
        assert (done["images"], done["unit"]) == (16, "crop")
        record = json.loads(found.record.read_text())
        assert record["data"]["splits"]["train"]["images"] == 28
        told = "2 random crops of 32 x 32 of each scan in an epoch"
        assert record["network"]["learns_from"] == told
        assert json.loads(found.weights_record.read_text())["input_size"] == [32, 32]
        page = write_any_report(found.path).read_text()
        assert "on 16 validation crops" in page
        assert told in page

    def test_slices_of_volumes_teach_a_network_for_pictures(self, tmp_path):
        recipe = {"slices": 3, "steps": ("orient", "intensity:declared=false"), "epochs": 1}
        found = run(make_heads(tmp_path), tmp_path / "run", **recipe)
        done = json.loads(found.pretext.read_text())
        assert (done["images"], done["unit"]) == (2 * 2, "slice")
        assert load_recipe(found.recipe, Pretraining).channels == 1
        tuned = quick(**{**HEADS, "slices": 3, "tta": None, "weights": str(found.path)})
        again = train(tmp_path / "i.parquet", tmp_path / "tuned", tuned, command=[])
        told = json.loads(again.record.read_text())["network"]["loaded"]
        assert "tensors loaded (backbone)" in told

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"patch": (32,)}, "got patch .* as well. Leave --patch out"),
            ({"slices": 1}, "got slices 1 as well. Leave --slices out"),
        ],
    )
    def test_crops_of_a_discovery_are_taken_as_they_are(self, spots, tmp_path, changes, said):
        recipe = {"semantic": str(tmp_path), "task": "semantic_genesis", **changes}
        with pytest.raises(ArgumentError, match=said):
            run(spots, tmp_path / "run", **recipe)

    def test_a_crop_larger_than_the_images_is_refused_and_nothing_is_written(self, spots, tmp_path):
        with pytest.raises(ArgumentError, match="a patch must fit the prepared images of 32 x 32"):
            run(spots, tmp_path / "run", patch=(40,))
        assert not list((tmp_path / "run").iterdir())


class TestDownstream:
    @pytest.mark.parametrize("task", ["models_genesis", "simclr"])
    def test_a_classifier_begins_with_the_encoder_and_its_normalisation(
        self, task, spots, whole, contrasted, tmp_path
    ):
        whole = {"simclr": contrasted}.get(task, whole)
        recipe = quick(weights=str(whole.path), after="layer1", size=32, epochs=1)
        tuned = train(spots, tmp_path / "tuned", recipe, command=[])
        told = json.loads(tuned.record.read_text())["network"]["loaded"]
        assert told.endswith("tensors loaded (backbone); head afresh: the file has none")
        ours, theirs = (json.loads(f.weights_record.read_text()) for f in (tuned, whole))
        assert (ours["mean"], ours["std"]) == (theirs["mean"], theirs["std"])
        assert ours["source_hash"] == theirs["hash"]

    def test_the_tensors_of_the_encoder_are_those_of_the_file(self, whole):
        made = create("resnet18", in_channels=1, classes=2, weights=str(whole.path), after="layer1")
        held = load_file(whole.weights)
        for name, tensor in made.network.backbone.state_dict().items():
            assert torch.equal(tensor, held[f"backbone.{name}"])
        assert list(made.fit.afresh) == ["head"]

    def test_a_network_for_dense_output_takes_the_decoder_too(self, whole):
        made = create_dense(
            "resnet18", in_channels=1, out_channels=1, weights=str(whole.path), after="layer1"
        )
        assert list(made.fit.afresh) == ["output"]
        assert any(name.startswith("decoder.") for name in made.fit.origins)

    def test_another_backbone_is_refused(self, whole):
        with pytest.raises(WeightsError, match="--backbone resnet18"):
            create("resnet34", in_channels=1, classes=2, weights=str(whole.path))

    def test_it_answers_nothing(self, whole):
        with pytest.raises(TableError, match="is a pretraining, which answers nothing"):
            load_predictor(whole)

    def test_a_later_test_part_must_not_hold_its_images(self, spots, whole):
        index = Index.load(spots)
        check_donor(whole, index)
        turned = index.frame.with_columns(
            split=pl.when(pl.col("split") == "test")
            .then(pl.lit("train"))
            .when(pl.col("split") == "train")
            .then(pl.lit("test"))
            .otherwise(pl.col("split"))
        )
        with pytest.raises(LeakageError, match="28 of the 28 images of this test part"):
            check_donor(whole, index.with_frame(turned))


class TestRefusals:
    def test_colorisation_of_grey_images_and_nothing_is_written(self, spots, tmp_path):
        for channels in (None, 3):
            with pytest.raises(ArgumentError, match="needs colour images, but these are grey"):
                run(spots, tmp_path / "run", task="colorisation", channels=channels)
        assert not list((tmp_path / "run").iterdir())

    def test_one_image_to_validate_on_where_it_must_be_told_from_others(self, spots, tmp_path):
        index = Index.load(spots)
        held = index.frame["split"] == "val"
        frame = index.frame.filter(~held | (held.cum_sum() == 1))
        index.with_frame(frame).save(spots.parent / "lone.parquet")
        with pytest.raises(TrainingError, match="at least 2 images to validate on"):
            run(spots.parent / "lone.parquet", tmp_path / "run", task="simclr")

    def test_sides_that_a_u_net_cannot_halve(self, spots, tmp_path):
        with pytest.raises(ShapeError, match="divisible by 8, got 20 x 20"):
            run(spots, tmp_path / "run", backbone="unet2d", after=None, size=20)

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["--task", "jigsaws"], "no pretext task is called 'jigsaws'. Did you mean 'jigsaw'?"),
            (["--task", "rotation", "--as-published"], "as_published needs a task whose"),
            (["--task", "denoising:high=0.01"], "low must be at most high"),
            (["--epochs", "0"], "epochs: input should be greater than or equal to 1, got 0"),
        ],
    )
    def test_a_wrong_call_is_one_line_and_exit_2(self, arguments, says, spots, tmp_path, capsys):
        out = tmp_path / "run"
        assert main(["pretrain", str(spots), "--out", str(out), *arguments]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert line.startswith("error: ")
        assert says in line
        assert not list(out.glob("*"))

    def test_a_recipe_of_a_training_is_not_one_of_a_pretraining(self, spots, tmp_path, capsys):
        save_recipe(Recipe(), tmp_path / "other.yaml")
        call = ["pretrain", str(spots), "--out", str(tmp_path / "run")]
        assert main([*call, "--recipe", str(tmp_path / "other.yaml")]) == 2
        assert "no recipe key is called 'strategy'" in capsys.readouterr().err


@pytest.fixture(scope="module")
def patterns(spots, tmp_path_factory):
    """Two made-up patterns: the upper left and the lower right of every scan."""
    folder = tmp_path_factory.mktemp("patterns")
    index = Index.load(spots)
    index = index.with_frame(index.frame.filter(pl.col("split") != "test"))
    rows = [
        (pattern, scan, part, 0, 0.0, 0, [16 * pattern] * 2, [32, 32])
        for pattern in range(2)
        for scan, part in enumerate(index.frame["split"])
    ]
    steps = list(canonical(pipeline(default_steps(48, 1))))
    record = {"patterns": 2, "crop": [32, 32], "shape": [48, 48], "steps": steps}
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    Patterns(frame, index, record).save(folder)
    return folder


@pytest.fixture(scope="module")
def encoder_first(spots, patterns, tmp_path_factory):
    """Two epochs of the encoder alone, then one of the whole network."""
    out = tmp_path_factory.mktemp("first") / "run"
    return run(spots, out, semantic=str(patterns), epochs=1, encoder_epochs=2)


class TestSemantic:
    def test_patterns_are_named_beside_any_restoring(self, spots, patterns, tmp_path):
        found = run(spots, tmp_path / "run", semantic=str(patterns), task="semantic_genesis")
        history = pl.read_csv(found.history)
        for end in ("", "_val"):
            total = history[f"restoring{end}"] + 0.01 * history[f"naming{end}"]
            assert history[f"loss{end}"].to_list() == pytest.approx(total.to_list(), rel=1e-4)
        done = json.loads(found.pretext.read_text())
        assert done["classes"] == 2
        assert done["images"] == 16
        assert 0 <= done["accuracy"] <= 1
        assert {n.partition(".")[0] for n in load_file(found.weights)} == {"backbone", "decoder"}
        page = write_any_report(found.path).read_text()
        assert "It names" in page
        assert "patents" in page

    def test_an_encoder_that_learns_alone_first_only_names(self, spots, patterns, encoder_first):
        history = pl.read_csv(encoder_first.history)
        assert history["epoch"].to_list() == [1, 2, 3]
        assert history["restoring"].is_null().to_list() == [True, True, False]
        joint = history.row(2, named=True)
        assert joint["loss"] == pytest.approx(joint["restoring"] + 0.01 * joint["naming"], rel=1e-4)
        assert history["loss"][0] > 0.1  # a cross-entropy: a hundredth of it is not
        record = json.loads(encoder_first.record.read_text())
        names = [(p["name"], p["epochs"]) for p in record["network"]["phases"]]
        assert names == [("encoder alone", 2), ("encoder and decoder", 1)]
        assert record["best"]["epoch"] == 3
        page = write_any_report(encoder_first.path).read_text()
        assert "2 epochs; at best it named" in page

    def test_the_encoder_of_the_first_phase_is_that_of_the_second(self):
        torch.manual_seed(0)
        made = create_y("unet2d", in_channels=1, out_channels=1, classes=3, after="level2")
        plain = Normalisation((0.5,), (0.25,), "nobody")
        task = find_task("autoencoder")
        learner = Learner(made.network.eval(), task, plain, Placement(torch.device("cpu")))
        first, second = plan(small(encoder_epochs=1, semantic="folder"))
        alone = learner_of(first, learner)
        x = torch.rand(2, 1, 8, 8)
        assert torch.equal(alone.answer(x).logits, learner.answer(x).logits)
        assert alone.answer(x).restored is None
        alone.answer(x).logits.sum().backward()
        learnt = {
            n.partition(".")[0] for n, p in made.network.named_parameters() if p.grad is not None
        }
        assert learnt == {"backbone", "head"}
        assert learner_of(second, learner) is learner

    def test_one_that_is_stopped_in_either_phase_goes_on_to_the_same_bits(
        self, spots, patterns, encoder_first, tmp_path, monkeypatch
    ):
        settings = {"semantic": str(patterns), "epochs": 1, "encoder_epochs": 2}
        for stop_after in (1, 2):  # in the first phase, before the second has a checkpoint
            out = tmp_path / str(stop_after)

            def stop(run, history, after=stop_after):
                if len(history) > after:
                    raise KeyboardInterrupt

            with monkeypatch.context() as patch:
                patch.setattr("medgraft.pretext.pretrain.write_history", stop)
                with pytest.raises(KeyboardInterrupt):
                    run(spots, out, checkpoint_seconds=0, **settings)
            run(spots, out, resume=True, checkpoint_seconds=0, **settings)
            assert same(out, encoder_first.path)

    def test_an_encoder_alone_without_patterns_is_refused(self, spots, tmp_path):
        with pytest.raises(ArgumentError, match="no --semantic"):
            run(spots, tmp_path / "run", encoder_epochs=2)

    def test_a_task_that_needs_patterns_says_so(self, spots, tmp_path):
        with pytest.raises(ArgumentError, match="semantic_genesis needs --semantic"):
            run(spots, tmp_path / "run", task="semantic_genesis")

    def test_a_task_that_names_already_takes_no_patterns(self, spots, patterns, tmp_path):
        with pytest.raises(ArgumentError, match="needs a task that restores, got 'rotation'"):
            run(spots, tmp_path / "run", task="rotation", semantic=str(patterns))

    def test_scans_of_another_part_are_refused(self, spots, patterns, tmp_path):
        index = Index.load(spots)
        places = {"test": "train", "train": "test"}
        frame = index.frame.with_columns(split=pl.col("split").replace(places))
        index.with_frame(frame).save(spots.parent / "turned.parquet")
        with pytest.raises(LeakageError, match="28 of 36 are in another, or in none"):
            run(spots.parent / "turned.parquet", tmp_path / "run", semantic=str(patterns))
