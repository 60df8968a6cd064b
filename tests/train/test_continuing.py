"""Going on from a finished run: what is kept, what is slower, what is refused, what is forgotten."""

import json

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from medgraft.cli.__main__ import main
from medgraft.errors import ArgumentError, LeakageError, TableError
from medgraft.index import Index
from medgraft.nets import outline
from medgraft.prepare.store import Store
from medgraft.report import write_report
from medgraft.runs import RunFolder
from medgraft.spec import build, write
from medgraft.train import forgetting
from medgraft.train.continuing import continued, slower, split_like
from medgraft.train.predict import load_ensemble
from medgraft.train.recipe import load_recipe
from medgraft.train.setup import plan
from medgraft.train.strategies import FittedHead, find_strategy, strategies
from medgraft.train.train import train
from tests.train.conftest import make_spots, quick
from tests.train.test_strategies import RESNET, SPECS

SMALL = {"after": "layer1", "epochs": 2, "rate": 3e-3, "replicates": 20}


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """A finished run on the images of patients p00 to p15, and the index of all 24."""
    folder = tmp_path_factory.mktemp("before")
    path = make_spots(folder)
    index = Index.load(path)
    index.with_frame(index.frame.head(32)).save(folder / "first.parquet")
    run = train(folder / "first.parquet", folder / "run", quick(**SMALL), command=[])
    return folder, run


def changed(path, out, **columns):
    index = Index.load(path)
    index.with_frame(index.frame.with_columns(**columns)).save(out)
    return out


@pytest.fixture(scope="module")
def after(before):
    """The run that goes on from it with all images, two of whose validation patients moved."""
    folder, run = before
    moved = pl.when(pl.col("patient_id") == "p06").then(pl.lit("train")).otherwise("split")
    index = changed(folder / "spots.parquet", folder / "grown.parquet", split=moved)
    return train(index, folder / "after", continued(run), command=[])


class TestRates:
    @pytest.mark.parametrize("text", SPECS)
    def test_every_strategy_has_phases_at_a_tenth_of_its_rates(self, text):
        found = find_strategy(text, weights="none")
        if isinstance(found, FittedHead):
            return  # refused below
        one = found.plan(RESNET, epochs=12, rate=0.01)
        tenth = found.scaled(0.1).plan(RESNET, epochs=12, rate=0.001)
        for phase, slow in zip(one, tenth, strict=True):
            for stage in ("head", *RESNET.stages):
                scale = dict(phase.scales).get(stage, 1), dict(slow.scales).get(stage, 1)
                assert slow.rate * scale[1] == pytest.approx(phase.rate * scale[0] / 10)
        name = text.partition(":")[0]
        assert build(strategies, write(name, found.scaled(0.1))) == found.scaled(0.1)

    def test_the_recipe_of_two_phases_is_ten_times_slower_throughout(self):
        recipe = quick(strategy="two-phase:high=2e-4", rate=1e-3)
        body = outline("resnet18", after="layer3")
        fast, slow = plan(recipe, body), plan(slower(recipe, 10), body)
        assert [p.rate for p in slow] == pytest.approx([p.rate / 10 for p in fast])

    def test_random_weights_go_on_with_all_stages(self):
        assert slower(quick(strategy="vanilla"), 10).strategy == "full"

    def test_a_head_that_was_fitted_is_refused(self):
        with pytest.raises(ArgumentError, match=r"got strategy 'linear:layer3'\. Train anew"):
            slower(quick(strategy="linear:layer3"), 10)


class TestGoingOn:
    def test_it_starts_from_the_weights_and_the_head_of_the_run(self, before, after, monkeypatch):
        """With a rate of nothing the network stays bit for bit what it was."""
        folder, run = before
        recipe = continued(run).model_copy(update={"rate": 1e-30, "weight_decay": 0.0, "epochs": 1})
        still = train(folder / "grown.parquet", folder / "still", recipe, command=[])
        one, two = load_file(run.weights), load_file(still.weights)
        learnt = [key for key in one if "running" not in key and "num_batches" not in key]
        assert "head.fc.weight" in learnt
        assert all(torch.equal(one[key], two[key]) for key in learnt)
        assert not torch.equal(one["head.fc.weight"], load_file(after.weights)["head.fc.weight"])

    def test_the_recipe_is_that_of_the_run_but_for_the_rates(self, before, after):
        _, run = before
        one, two = load_recipe(run.recipe).model_dump(), load_recipe(after.recipe).model_dump()
        assert {key for key in one if one[key] != two[key]} == {"rate", "weights", "continues"}
        assert two["rate"] == pytest.approx(one["rate"] / 10)
        assert json.loads(after.weights_record.read_text())["labels"] == ["left", "right"]

    def test_what_is_forgotten_is_counted_on_the_validation_rows_of_the_run(self, before, after):
        _, run = before
        found = json.loads(after.forgetting.read_text())
        rows = pl.read_parquet(run.predictions).filter(
            (pl.col("split") == "val") & (pl.col("patient_id") != "p06")
        )
        index = Index.load(run.index)
        mine = index.with_frame(index.frame.filter(pl.col("path").is_in(rows["path"].implode())))
        ensemble, record = load_ensemble(after)
        store = Store.open(mine, record["steps"])
        now = dict(zip(mine.frame["path"], ensemble.probabilities(store, store.rows), strict=True))
        truth = rows["y_right"].to_numpy() == 1
        was = (rows["p_right"].to_numpy() > 0.5) == truth
        is_ = np.array([now[path][1] > 0.5 for path in rows["path"]]) == truth
        assert (found["images"], found["left_out"], found["run"]) == (6, 2, "run")
        assert (found["knew"], found["kept"]) == (was.sum(), (was & is_).sum())
        accuracy = found["metrics"]["accuracy"]
        assert accuracy["before"]["value"] == pytest.approx(was.mean())
        assert accuracy["after"]["value"] == pytest.approx(is_.mean())
        assert accuracy["difference"]["value"] == pytest.approx(is_.mean() - was.mean())

    def test_the_report_says_where_it_went_on_from(self, after):
        page = write_report(after.path).read_text()
        assert "This network went on from run." in page
        assert "2 images of the validation part of run are left out" in page

    def test_images_that_are_gone_cost_the_look_back_and_not_the_training(
        self, before, after, monkeypatch
    ):
        def gone(*_, **__):
            raise TableError("the images of '/far/away' must lie there.")

        monkeypatch.setattr(forgetting, "read_frame", gone)
        folder, run = before
        recipe = continued(run).model_copy(update={"epochs": 1})
        blind = train(folder / "grown.parquet", folder / "blind", recipe, command=[])
        assert json.loads(blind.forgetting.read_text())["reason"].startswith("the images of")
        assert "could not be measured" in json.loads(blind.record.read_text())["notes"][-1]
        assert "What it forgot was not measured" in write_report(blind.path).read_text()


class TestRefused:
    def test_test_patients_whom_the_run_learnt_from(self, before):
        """Even if no image is the same: both are of one archive."""
        folder, run = before
        index = changed(
            folder / "spots.parquet",
            folder / "other.parquet",
            image_id=pl.lit("other ") + pl.col("image_id"),
            split=pl.when(pl.col("patient_id") == "p12").then(pl.lit("test")).otherwise("split"),
        )
        with pytest.raises(LeakageError, match=r"1 of the 7 patients of this test part: p12"):
            train(index, folder / "leaks", continued(run), command=[])

    def test_other_classes(self, before):
        folder, run = before
        index = changed(
            folder / "spots.parquet",
            folder / "named.parquet",
            side=pl.col("side").str.to_uppercase(),
        )
        with pytest.raises(TableError, match=r"left or right \(exclusive\), got LEFT or RIGHT"):
            train(index, folder / "named", continued(run), command=[])

    def test_other_weights_and_masks(self, before):
        folder, run = before
        recipe = continued(run)
        for change, said in (
            ({"weights": "none"}, "must begin with its weights, got --weights 'none'"),
            ({"task": "segmentation", "backbone": "unet2d"}, "goes on with labels, got task"),
        ):
            with pytest.raises(ArgumentError, match=said):
                train(folder / "spots.parquet", folder / "no", recipe.model_copy(update=change), command=[])  # fmt: skip

    def test_what_is_no_finished_run(self, tmp_path):
        with pytest.raises(TableError, match="must be a finished run"):
            continued(RunFolder(tmp_path))


class TestSplit:
    def test_whoever_the_run_knew_stays_and_the_others_are_divided(self, before):
        folder, run = before
        index = Index.load(folder / "spots.parquet")
        blank = index.with_frame(index.frame.with_columns(split=pl.lit(None, pl.String)))
        found = split_like(run, blank, test=0.25, val=0.25, seed=0).frame
        known = index.frame["patient_id"] <= "p15"
        assert (
            found.filter(known)["split"].to_list() == index.frame.filter(known)["split"].to_list()
        )
        assert set(found.filter(~known)["split"]) == {"train", "val", "test"}
        assert (found.group_by("patient_id").agg(pl.col("split").n_unique())["split"] == 1).all()

    def test_one_patient_whom_the_run_had_as_two_is_refused(self, before):
        folder, run = before
        index = Index.load(folder / "spots.parquet")
        one = pl.when(pl.col("patient_id") == "p00").then(pl.lit("p12")).otherwise("patient_id")
        joined = index.with_frame(index.frame.with_columns(patient_id=one, split=pl.lit(None, pl.String)))  # fmt: skip
        with pytest.raises(LeakageError, match="1 units join two of its parts"):
            split_like(run, joined, test=0.2, val=0.1, seed=0)


class TestCommand:
    def test_flags_stand_above_the_recipe_of_the_run(self, before, monkeypatch):
        from medgraft.cli import train as module
        from medgraft.cli.__main__ import _parse

        _, run = before
        words = ["new.parquet", "--out", "x", "--continue", str(run.path), "--epochs", "7"]
        settings = _parse(module.Train, "train", words, module).settings
        assert (settings.epochs, settings.after, settings.continues) == (7, "layer1", str(run.path))
        assert settings.rate == pytest.approx(3e-4)

    def test_two_recipes_are_refused_in_one_line(self, before, capsys):
        _, run = before
        call = ["train", "x.parquet", "--out", "x", "--continue", str(run.path)]
        assert main([*call, "--recipe", str(run.recipe)]) == 2
        assert "Leave one out" in capsys.readouterr().err
