"""The whole advice: on the training part alone, for any kind of label, and tried out honestly."""

import json

import numpy as np
import polars as pl
import pytest
import torch

from medgraft.advise import advise, flags
from medgraft.advise.norms import watching
from medgraft.advise.verify import judged_index, verify
from medgraft.cli import __main__ as cli
from medgraft.errors import ArgumentError, TableError
from medgraft.index import Index
from medgraft.nets import create
from medgraft.nets.weights import save_weights
from medgraft.train.recipe import Recipe
from tests.train.conftest import make_spots, quick


@pytest.fixture
def spots(tmp_path):
    return make_spots(tmp_path)


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """A file such as pretrained weights come in."""
    torch.manual_seed(0)
    network = create("resnet18", in_channels=3, classes=2, after="layer2").network
    path = tmp_path_factory.mktemp("weights") / "pretrained.safetensors"
    notes = {"architecture": "resnet18", "mean": "0.5,0.5,0.5", "std": "0.2,0.2,0.2"}
    save_weights(network, path, notes)
    return path


def recipe(weights, **changes):
    return quick(weights=str(weights), after="layer2", epochs=1, replicates=30, **changes)


def with_columns(path, **columns):
    """The index with other columns."""
    index = Index.load(path)
    labels = tuple(name for name in columns if name not in index.frame.columns) or index.labels
    frame = index.frame.with_columns(**columns)
    if labels != index.labels:
        frame = frame.drop(index.labels)
    Index(frame, index.root, labels=labels, layout="csv").save(path)
    return path


class TestAdvise:
    def test_it_says_what_to_do_and_why(self, spots, weights):
        found = advise(spots, recipe(weights))
        record = json.loads(json.dumps(found.record(), allow_nan=False))
        assert record["scenario"].startswith("small")
        assert record["size"]["images"] == {"left": 14, "right": 14}
        assert [stage["name"] for stage in record["stages"]] == ["stem", "layer1", "layer2"]
        assert all(stage["distance"] > 0 for stage in record["stages"])
        assert record["cut"] in ("stem", "layer1", "layer2")
        assert record["seconds"] > 0
        assert len(record["doubts"]) == {"high": 0, "moderate": 1}.get(
            record["confidence"], len(record["doubts"])
        )

    def test_only_training_images_are_opened(self, spots, weights):
        index = Index.load(spots)
        before = advise(spots, recipe(weights)).record()
        for name in index.frame.filter(pl.col("split") != "train")["path"]:
            (index.root / name).write_bytes(b"no image")
        changed = index.frame.with_columns(
            pl.when(split="train").then("image_id").otherwise(pl.col("image_id") + "x")
        )
        index.with_frame(changed).save(spots)
        after = advise(spots, recipe(weights)).record()
        for key in ("stages", "gain", "size", "reasons", "doubts", "cut"):
            assert before[key] == after[key]

    def test_the_same_seed_gives_the_same_advice_and_the_random_state_is_kept(self, spots, weights):
        found = [advise(spots, recipe(weights), most=20) for _ in range(2)]
        assert found[0].stages == found[1].stages
        assert found[0].looked_at == 20

    @pytest.mark.parametrize("kind", ["multi-label", "three classes", "unlabelled"])
    def test_any_kind_of_label(self, spots, weights, kind):
        n = np.arange(48)
        columns = {
            "multi-label": {"a": pl.Series(n % 2), "b": pl.Series([None, 0, 1, 1] * 12)},
            "three classes": {"c": pl.Series([("x", "y", "z")[k // 2 % 3] for k in n])},
            "unlabelled": {"side": pl.Series(["left", "right", None] * 16)},
        }
        found = advise(with_columns(spots, **columns[kind]), recipe(weights))
        assert all(stage.auroc["value"] is not None for stage in found.stages.found)
        assert all(np.isfinite([stage.logme, stage.h_score]).all() for stage in found.stages.found)
        assert found.size.unlabelled == (10 if kind == "unlabelled" else 0)

    @pytest.mark.parametrize("kind", ["one image", "one patient"])
    def test_one_image_or_patient_per_class_is_met_with_low_confidence(self, spots, weights, kind):
        changes = {"labels_per_class": 1} if kind == "one image" else {}
        if kind == "one patient":
            with_columns(spots, patient_id=pl.col("split") + pl.col("side"))
        found = advise(spots, recipe(weights, **changes))
        assert found.judgement.confidence == "low"
        assert "too few patients" in " ".join(found.judgement.doubts)

    def test_random_weights_are_refused(self, spots):
        with pytest.raises(ArgumentError, match="must name weights"):
            advise(spots, quick())

    def test_images_of_the_source_are_compared_where_given(self, spots, weights, tmp_path):
        (tmp_path / "other").mkdir()
        other = make_spots(tmp_path / "other")
        found = advise(spots, recipe(weights), source=other)
        assert all(0 <= stage.apart.error <= 0.5 for stage in found.stages.found)
        assert all(stage.apart.frechet >= 0 for stage in found.stages.found)

    def test_a_source_that_is_the_target_is_refused(self, spots, weights):
        with pytest.raises(TableError, match="the target has not"):
            advise(spots, recipe(weights), source=spots)


class TestWatching:
    def test_images_with_the_stored_statistics_are_at_zero(self):
        network = create("resnet18", in_channels=1, classes=2, after="stem").network
        images = torch.rand(16, 1, 32, 32, generator=torch.Generator().manual_seed(0))
        norm = next(m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d))
        norm.momentum = None  # the plain mean over all batches
        network.train()(images)
        norm.eps = 0.0
        with torch.no_grad(), watching(network.eval()) as watch:
            network(images[:8])
            network(images[8:])
        assert watch.distances()["stem"] == pytest.approx(0, abs=1e-6)
        assert not norm._forward_pre_hooks

    def test_a_shift_by_one_standard_deviation_is_at_one(self):
        network = create("resnet18", in_channels=1, classes=2, after="stem").network.eval()
        norm = next(m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d))
        norm.eps = 0.0
        x = torch.randn(4, 64, 9, 9, generator=torch.Generator().manual_seed(0))
        x = (x - x.mean((0, 2, 3), keepdim=True)) / x.std((0, 2, 3), keepdim=True, correction=0)
        with torch.no_grad(), watching(network) as watch:
            norm(x + 1)
        assert watch.distances()["stem"] == pytest.approx(1, rel=1e-4)


class TestVerify:
    def test_no_test_image_is_in_it(self, spots, weights):
        found = advise(spots, recipe(weights))
        judged_on, index = judged_index(found, spots)
        whole = Index.load(spots).frame
        assert judged_on == "the validation part"
        parts = {name: set(index.part(name).frame["image_id"]) for name in ("train", "val", "test")}
        assert parts["train"] == set(whole.filter(split="train")["image_id"])
        assert parts["test"] == set(whole.filter(split="val")["image_id"])
        assert not parts["val"]

    def test_without_validation_images_training_patients_are_kept_apart(self, spots, weights):
        index = Index.load(spots)
        index.with_frame(index.frame.filter(pl.col("split") != "val")).save(spots)
        found = advise(spots, recipe(weights))
        judged_on, small = judged_index(found, spots)
        assert "quarter of the training patients" in judged_on
        assert set(small.frame["image_id"]) == set(index.part("train").frame["image_id"])
        both = [set(small.part(name).frame["patient_id"]) for name in ("train", "test")]
        assert both[1]
        assert not both[0] & both[1]

    def test_both_are_trained_and_compared(self, spots, weights, tmp_path):
        found = advise(spots, recipe(weights, labels_per_class=8))
        told = verify(found, spots, tmp_path / "verify", command=["medgraft"])
        assert told["images"] == 8
        assert told["held"] in (True, False, None)
        assert {"value", "low", "high"} <= told["difference"].keys()
        for key in ("advised", "otherwise"):
            rows = Index.load(tmp_path / "verify" / key / "index.parquet").frame
            assert rows.filter(split="train").height == 16


class TestCommand:
    def test_it_prints_and_saves_and_the_flags_it_names_are_those_of_train(
        self, spots, weights, tmp_path, capsys
    ):
        out = tmp_path / "advice"
        words = ["advise", str(spots), *flags(recipe(weights)), "--out", str(out)]
        assert cli.main(words) == 0
        said = capsys.readouterr().out
        assert "confidence" in said
        assert "medgraft train" in said
        saved = json.loads((out / "advice.json").read_text())
        page = (out / "advice.html").read_text()
        assert saved["advice"] in page
        assert str(tmp_path) not in page
        assert (out / "figures" / "stages.svg").is_file()

    def test_verify_needs_a_folder(self, spots, weights, capsys):
        assert cli.main(["advise", str(spots), *flags(recipe(weights)), "--verify"]) == 2
        assert "--out" in capsys.readouterr().err

    def test_flags_are_what_differs(self):
        assert flags(Recipe()) == []
        assert flags(Recipe(size=64, augment=("none",))) == ["--size", "64", "--augment", "none"]
