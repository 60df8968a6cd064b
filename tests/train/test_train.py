"""The main job: what a run folder holds, what it refuses, and how it goes on."""

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from medgraft.errors import (
    LeakageError,
    OutputError,
    TableError,
    TrainingError,
    UnknownNameError,
    WeightsError,
)
from medgraft.evaluate import auroc
from medgraft.index import Index
from medgraft.runs import RunFolder
from medgraft.train.beginning import write_history
from medgraft.train.predict import predict_files
from medgraft.train.recipe import load_recipe
from medgraft.train.train import train
from tests.train.conftest import make_spots, quick

UNKNOWN = ("shape", "bits")  # what only decoding can tell


def run(index, out, **changes):
    return train(index, out, quick(**changes), command=["medgraft", "train"])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One run that the tests look at, and the folder of its images."""
    folder = tmp_path_factory.mktemp("finished")
    index = make_spots(folder)
    return folder, run(index, folder / "run", epochs=6, rate=3e-3)


def rewrite(path, change):
    index = Index.load(path)
    index.with_frame(change(index.frame)).save(path)
    return path


class TestRunFolder:
    def test_the_task_is_learnt(self, finished):
        _, folder = finished
        found = json.loads(folder.evaluation.read_text())
        assert found["metrics"]["auroc"]["value"] > 0.9
        assert (found["split"], found["n_images"], found["n_patients"]) == ("test", 12, 6)
        assert (found["unit"], found["positive"]) == ("patient", "right")
        assert found["threshold_split"] == "val"

    def test_the_record_says_what_was_done(self, finished):
        _, folder = finished
        record = json.loads(folder.record.read_text())
        assert record["status"] == "finished"
        assert record["data"]["splits"]["train"] == {
            "images": 28,
            "patients": 14,
            "classes": {"left": 14, "right": 14},
        }
        assert record["test_read"] >= record["started"]
        assert record["network"]["parameters"] == 2_786_382 - 12 * 257 - 64 * 2 * 49
        assert {"prepare", "train", "predict", "evaluate"} <= record["seconds"].keys()
        assert len(record["inputs"]["index"]) == 64

    def test_the_evaluation_can_be_made_again_from_the_predictions(self, finished):
        _, folder = finished
        table = pl.read_parquet(folder.predictions)
        assert table.columns[:4] == ["image_id", "path", "patient_id", "split"]
        test = table.filter(pl.col("split") == "test")
        found = json.loads(folder.evaluation.read_text())["metrics"]["auroc"]["value"]
        assert auroc(test["y_right"], test["p_right"]) == pytest.approx(found)
        total = table["p_left"] + table["p_right"]
        np.testing.assert_allclose(total, 1, atol=1e-12)

    def test_the_history_has_a_row_per_epoch(self, finished):
        _, folder = finished
        history = pl.read_csv(folder.history)
        wanted = ["step", "epoch", "loss", "loss_val", "auroc_val", "rate", "images_per_second"]
        assert set(wanted) <= set(history.columns)
        assert history["epoch"].to_list() == [1, 2, 3, 4, 5, 6]
        best = json.loads(folder.record.read_text())["best"]
        assert best["value"] == pytest.approx(history["auroc_val"].max())

    def test_the_recipe_is_written_out_and_repeats_the_run(self, finished, tmp_path):
        images, folder = finished
        recipe = load_recipe(folder.recipe)
        assert recipe.channels == 1
        assert "resize:side=32" in " ".join(recipe.steps)
        assert all("=" in spec for spec in recipe.augment)
        again = train(images / "spots.parquet", tmp_path / "again", recipe, command=[])
        one, two = load_file(folder.weights), load_file(again.weights)
        assert all(torch.equal(one[k], two[k]) for k in one)

    def test_checkpoints_are_gone_and_examples_are_there(self, finished):
        _, folder = finished
        assert not folder.checkpoint.exists()
        listed = json.loads((folder.examples / "examples.json").read_text())
        assert listed
        assert all((folder.examples / row["file"]).is_file() for row in listed)
        assert all(row["correct"] == (row["actual"] == row["predicted"]) for row in listed)

    def test_new_files_are_predicted_as_in_training(self, finished):
        images, folder = finished
        table = pl.read_parquet(folder.predictions).sort("path")
        files = [images / path for path in table["path"]]
        found = predict_files(folder, files)
        np.testing.assert_allclose(found.table["p_right"], table["p_right"], atol=1e-5)
        assert not len(found.rejects)

    def test_an_unreadable_file_costs_its_row(self, finished, tmp_path):
        images, folder = finished
        (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
        found = predict_files(folder, [tmp_path / "bad.png", images / "images" / "00.png"])
        assert found.table["path"].to_list() == [str(images / "images" / "00.png")]
        assert found.rejects["path"].to_list() == [str(tmp_path / "bad.png")]

    def test_its_weights_start_another_run(self, finished, tmp_path):
        images, folder = finished
        later = run(
            images / "spots.parquet", tmp_path / "later", weights=str(folder.path), epochs=1
        )
        record = json.loads(later.weights_record.read_text())
        before = json.loads(folder.weights_record.read_text())
        assert record["mean"] == before["mean"]
        assert record["source_hash"] == before["hash"]

    def test_other_weights_than_those_on_record_are_refused(self, finished, tmp_path):
        _, folder = finished
        copy = RunFolder(Path(shutil.copytree(folder.path, tmp_path / "copy")))
        content = bytearray(copy.weights.read_bytes())
        content[-1] ^= 1
        copy.weights.write_bytes(content)
        with pytest.raises(WeightsError, match=r"must be those that its weights\.json speaks of"):
            predict_files(copy, [])


def test_frozen_stages_are_bit_identical_after_training(finished, tmp_path):
    images, folder = finished
    later = run(
        images / "spots.parquet", tmp_path / "l", weights=str(folder.path), strategy="from:layer3"
    )
    one, two = load_file(folder.weights), load_file(later.weights)
    changed = {k.split(".")[2] for k in one if not torch.equal(one[k], two[k])} - {"weight", "bias"}
    assert changed == {"layer3"}


def test_weights_that_have_seen_the_test_part_are_refused(finished, tmp_path):
    """An image or a patient that taught the first run cannot judge the second."""
    images, folder = finished
    index = Index.load(images / "spots.parquet")
    swapped = {"train": "test", "test": "train", "val": "val"}
    turned = index.with_frame(index.frame.with_columns(pl.col("split").replace_strict(swapped)))
    turned.save(images / "turned.parquet")
    with pytest.raises(LeakageError, match=r"28 of the 28 images of this test part"):
        run(images / "turned.parquet", tmp_path / "a", weights=str(folder.path))
    fresh = pl.col("image_id").map_elements(lambda i: i[::-1], return_dtype=pl.String)
    other = pl.when(pl.col("split") == "test").then(fresh).otherwise(pl.col("image_id"))
    frame = turned.frame.with_columns(image_id=other)  # new films of patients that were seen
    turned.with_frame(frame).save(images / "turned.parquet")
    with pytest.raises(LeakageError, match=r"14 of the 14 patients of this test part"):
        run(images / "turned.parquet", tmp_path / "b", weights=str(folder.path))


def test_a_few_labels_of_each_class_can_be_asked_for(spots, tmp_path):
    folder = run(spots, tmp_path / "few", labels_per_class=5, epochs=1)
    classes = json.loads(folder.record.read_text())["data"]["splits"]["train"]["classes"]
    assert classes == {"left": 5, "right": 5}
    with pytest.raises(TableError, match=r"got 15; 'left' has 14"):
        run(spots, tmp_path / "many", labels_per_class=15)


def test_an_index_without_split_is_split_by_patient(spots, tmp_path):
    rewrite(spots, lambda f: f.with_columns(split=pl.lit(None, dtype=pl.String)))
    folder = run(spots, tmp_path / "run", epochs=1)
    frame = Index.load(folder.index).frame
    assert frame.group_by("patient_id").agg(pl.col("split").n_unique())["split"].max() == 1
    assert "made one" in json.loads(folder.record.read_text())["notes"][0]


def test_a_patient_in_two_parts_is_refused(spots, tmp_path):
    rewrite(spots, lambda f: f.with_columns(patient_id=pl.lit("p")))
    with pytest.raises(LeakageError, match="patient"):
        run(spots, tmp_path / "run")


def test_one_class_is_refused(spots, tmp_path):
    rewrite(spots, lambda f: f.with_columns(side=pl.lit("left")))
    with pytest.raises(TableError, match="at least two classes"):
        run(spots, tmp_path / "run")


def test_one_class_in_training_is_refused(spots, tmp_path):
    def left_only(frame):
        wrong = (pl.col("split") == "train") & (pl.col("side") == "right")
        return frame.filter(~wrong)

    rewrite(spots, left_only)
    with pytest.raises(TableError, match="train part has images of one only"):
        run(spots, tmp_path / "run")


def test_a_truncated_image_among_good_ones_is_a_reject_row(spots, tmp_path):
    victim = spots.parent / "images" / "30.png"
    victim.write_bytes(victim.read_bytes()[:200])
    folder = run(spots, tmp_path / "run", epochs=1)
    rejects = pl.read_csv(folder.rejects)
    assert rejects["path"].to_list() == ["images/30.png"]
    record = json.loads(folder.record.read_text())
    assert record["data"]["rejected"] == 1
    assert record["data"]["splits"]["train"]["images"] == 27


def test_an_index_that_was_not_decoded_trains_beside_a_broken_first_image(spots, tmp_path):
    rewrite(spots, lambda f: f.with_columns(pl.lit(None, f.schema[c]).alias(c) for c in UNKNOWN))
    (spots.parent / "images" / "00.png").write_bytes(b"broken")
    folder = run(spots, tmp_path / "run", epochs=1, after="stem")
    assert load_recipe(folder.recipe).channels == 1
    assert json.loads(folder.record.read_text())["data"]["rejected"] == 1


def test_a_folder_that_holds_something_is_refused(spots, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        run(spots, tmp_path / "run")
    assert (tmp_path / "run" / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"backbone": "resnet5o"}, "Did you mean 'resnet50'"),
        ({"after": "layer9"}, "no stage of resnet18 is called 'layer9'"),
        ({"strategy": "from:stern"}, "Did you mean 'stem'"),
        ({"schedule": "onecycle"}, "Did you mean 'one_cycle'"),
        ({"augment": ("rotat",)}, "Did you mean 'rotate'"),
        ({"steps": ("resise:side=32",)}, "Did you mean 'resize'"),
        ({"weights": "none.safetensors"}, "'none.safetensors' does not exist"),
    ],
)
def test_wrong_names_are_refused_before_images_are_prepared(changes, says, spots, tmp_path):
    shutil.rmtree(spots.parent / "images")  # nothing could be prepared
    with pytest.raises((UnknownNameError, WeightsError), match=says):
        run(spots, tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()


def test_volumes_are_refused_by_a_network_for_pictures(spots, tmp_path):
    for path in (spots.parent / "images").iterdir():
        np.save(path.with_suffix(".npy"), np.zeros((1, 8, 8, 8), dtype=np.uint8))
    rewrite(spots, lambda f: f.with_columns(path=pl.col("path").str.replace("png", "npy")))
    steps = ("intensity", "resize:side=32")
    with pytest.raises(
        TrainingError, match=r"needs images of 2 spatial axes.*have 3: 32 x 32 x 32"
    ):
        run(spots, tmp_path / "run", steps=steps, channels=1)


@pytest.mark.parametrize(
    ("side", "metric"),
    [("left", "loss_val"), (None, None)],  # one class; nothing known
)
def test_validation_images_that_define_no_auroc(side, metric, spots, tmp_path):
    in_val = pl.col("split") == "val"
    label = pl.when(in_val).then(pl.lit(side, pl.String)).otherwise(pl.col("side"))
    rewrite(spots, lambda f: f.with_columns(side=label))
    folder = run(spots, tmp_path / "run", after="stem")
    record = json.loads(folder.record.read_text())
    assert record["best"].get("metric") == metric
    history = pl.read_csv(folder.history)
    assert "auroc_val" not in history.columns
    if metric:
        assert record["best"]["value"] == pytest.approx(history["loss_val"].min())
    note = json.loads(folder.evaluation.read_text())["notes"][0]
    assert "threshold" in note
    assert "is 0.5" in note


def test_a_test_part_without_labels_is_refused_before_training(spots, tmp_path):
    label = pl.when(pl.col("split") == "test").then(None).otherwise(pl.col("side"))
    rewrite(spots, lambda f: f.with_columns(side=label))
    with pytest.raises(TableError, match="labels in its test part, but none has a label"):
        run(spots, tmp_path / "run")


class TestThresholds:
    """What decides is what the record says."""

    def found(self, spots, tmp_path, **changes):
        folder = run(spots, tmp_path / "run", epochs=1, after="stem", **changes)
        return json.loads(folder.evaluation.read_text()), json.loads(folder.record.read_text())

    def test_a_number_is_taken_as_it_is(self, spots, tmp_path):
        found, _ = self.found(spots, tmp_path, threshold="0")
        assert (found["threshold"], found["threshold_rule"]) == (0, "0")
        assert found["threshold_split"] is None
        assert found["metrics"]["recall"]["value"] == 1  # everything is called positive

    def test_without_validation_rows_it_is_one_half_and_says_so(self, spots, tmp_path):
        rewrite(spots, lambda f: f.with_columns(split=pl.col("split").replace("val", "train")))
        found, record = self.found(spots, tmp_path)
        assert (found["threshold"], found["threshold_rule"]) == (0.5, "0.5")
        assert found["threshold_split"] is None
        assert "no validation image with a label" in found["notes"][0]
        assert "last weights" in record["notes"][0]
        assert record["best"] == {}


def test_images_too_small_for_the_network_are_refused(spots, tmp_path):
    with pytest.raises(TrainingError, match=r"at least 75 pixels.*--size 75"):
        run(spots, tmp_path / "run", backbone="inception_v4", after=None)


def test_independent_labels_with_blanks_are_learnt(spots, tmp_path):
    def two_labels(frame):
        left = (pl.col("side") == "left").cast(pl.Int8)
        blank = pl.int_range(pl.len()) % 5 == 0
        return frame.with_columns(
            left=pl.when(blank).then(None).otherwise(left),
            unsure=pl.when(blank).then(-1).otherwise(1 - left),
        ).drop("side")

    index = Index.load(spots)
    frame = two_labels(index.frame)
    Index(frame, index.root, labels=("left", "unsure"), layout="csv").save(spots)
    folder = run(spots, tmp_path / "run", epochs=6, rate=3e-3)
    found = json.loads(folder.evaluation.read_text())
    assert (found["kind"], found["names"]) == ("independent", ["left", "unsure"])
    assert found["classes"]["left"]["auroc"]["value"] > 0.9
    assert found["left_out"]["unsure"]["uncertain"] == 3
    assert found["left_out"]["left"]["blank"] == 3
    probability = pl.read_parquet(folder.predictions).select("p_left", "p_unsure").to_numpy()
    assert ((probability > 0) & (probability < 1)).all()


def test_columns_that_a_late_phase_adds_are_in_the_history(tmp_path):
    """Validated often, a first phase has more rows than a table is usually told its columns from."""
    folder = RunFolder(tmp_path)
    write_history(folder, [{"rate": 0.1}] * 150 + [{"rate": 0.1, "rate_head": 0.2}])
    history = pl.read_csv(folder.history, infer_schema_length=None)
    assert history["rate_head"].to_list() == [None] * 150 + [0.2]
