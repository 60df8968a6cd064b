"""Pretrainings against random weights: what runs, what goes on, what is refused, what is said."""

import json
import re
import shutil
from urllib.parse import unquote

import numpy as np
import polars as pl
import pytest
from scipy.stats import ttest_ind
from sklearn.metrics import roc_auc_score

from medgraft.cli.__main__ import main
from medgraft.errors import ArgumentError, TableError, TrainingError, UnknownNameError
from medgraft.index import Index
from medgraft.pretext.discovery.settings import Settings
from medgraft.pretext.recipe import Pretraining
from medgraft.report import write_any_report, write_pretraining_study
from medgraft.report.pretraining_study import answer
from medgraft.report.starts import _welch
from medgraft.runs import RunFolder
from medgraft.study import pretraining as module
from medgraft.study.pretraining import Experiment, read_discovery, study_pretraining
from medgraft.study.starts import SHARED, own_settings, read_starts
from medgraft.train.batches import even_batches
from medgraft.train.data import load_data
from medgraft.train.recipe import Recipe, load_recipe
from tests.train.conftest import make_spots, quick
from tests.train.test_slices import make_heads

SMALL = {"after": "layer1", "epochs": 1, "batch_size": 4, "replicates": 0}


def asked(tasks="none,denoising", labels=(2, 4), *, seeds=2, pretrainings=1, **changes):
    tuning = quick(**{**SMALL, **changes})
    shared = {key: getattr(tuning, key) for key in SHARED}
    return Experiment(
        starts=read_starts(tasks),
        labels=labels,
        seeds=seeds,
        pretrainings=pretrainings,
        tuning=tuning,
        pretraining=Pretraining(**shared, epochs=1, batch_size=8),
        discovery=Settings(
            patterns=2, neighbours=3, held_out=0, size=48, crop=(32,), side=16, epochs=1
        ),
        least_steps=3,
    )


def study(index, out, *args, finish=str, **kwargs):
    return study_pretraining(index, out, asked(*args, **kwargs), command=[], finish=finish)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    tasks = "models_genesis,models_genesis+semantic"
    out = folder / "out"
    study(make_spots(folder), out, tasks, finish=write_any_report, channels=1)
    write_pretraining_study(out, replicates=100)
    return out


def found(out):
    return json.loads((out / "pretrain-study.json").read_text())


def runs(out):
    return json.loads((out / "experiment.json").read_text())["runs"]


@pytest.mark.slow
def test_every_start_is_tuned_with_every_number_of_labels_and_seed(finished):
    made = runs(finished)
    assert all(run["failure"] is None for run in made)
    tunings = {(run["start"], run["labels"], run["seed"]) for run in made if run["labels"]}
    starts = ("none", "models_genesis", "models_genesis+semantic")
    assert tunings == {(s, n, seed) for s in starts for n in (2, 4) for seed in (0, 1)}
    assert sum(run["labels"] == 0 for run in made) == 2  # one pretraining of each task


@pytest.mark.slow
def test_every_tuning_takes_as_many_steps_as_asked_however_few_its_labels(finished):
    for run in (run for run in runs(finished) if run["labels"]):
        steps = pl.read_csv(finished / run["folder"] / "history.csv")["step"].max()
        # batches of four: two labels of each of two classes are one step an epoch, four are two
        assert steps == {2: 3, 4: 4}[run["labels"]], run["folder"]


@pytest.mark.slow
def test_starts_differ_in_their_weights_and_in_nothing_else(finished):
    recipes = {
        run["start"]: load_recipe(finished / run["folder"] / "recipe.yaml").model_dump()
        for run in runs(finished)
        if (run["labels"], run["seed"]) == (4, 1)
    }
    weights = {name: recipe.pop("weights") for name, recipe in recipes.items()}
    assert weights["none"] == "none"
    assert weights["models_genesis"].endswith("pretrained-models_genesis-0")
    assert all(recipe == recipes["none"] for recipe in recipes.values())
    used = [
        pl.read_parquet(finished / run["folder"] / "index.parquet")
        .filter(pl.col("split") == "train")["path"]
        .to_list()
        for run in runs(finished)
        if (run["labels"], run["seed"]) == (4, 1)
    ]
    assert all(paths == used[0] for paths in used)
    assert len(used[0]) == 8


@pytest.mark.slow
def test_curves_differences_and_tests_agree_with_scikit_learn_and_scipy(finished):
    def auroc(folder):
        rows = pl.read_parquet(finished / folder / "predictions.parquet")
        rows = rows.filter(pl.col("split") == "test")
        return roc_auc_score(rows["y_right"], rows["p_right"])

    scores = {}
    for run in runs(finished):
        scores.setdefault((run["start"], run["labels"]), []).append(
            auroc(run["folder"]) if run["labels"] else None
        )
    study = found(finished)
    for one in study["starts"]:
        for point in one["points"]:
            truth = scores[one["start"], point["labels"]]
            assert point["scores"] == pytest.approx(truth)
            assert point["value"] == pytest.approx(np.mean(truth))
    for one in study["gains"]:
        own, base = scores[one["start"], one["labels"]], scores["none", one["labels"]]
        assert one["value"] == pytest.approx(np.mean(own) - np.mean(base))
        if one["p"] is not None:
            assert one["p"] == pytest.approx(ttest_ind(own, base, equal_var=False).pvalue)
    assert {(one["start"], one["minus"]) for one in study["added"]} == {
        ("models_genesis+semantic", "models_genesis")
    }


@pytest.mark.slow
def test_the_page_has_the_answer_the_curves_and_links_that_exist(finished):
    page = (finished / "pretrain-study.html").read_text()
    assert found(finished)["answer"].split(".")[0] in page
    assert "Each task was learnt once" in page
    assert "took 3 steps or little more: a gain there may be speed" in page
    links = [unquote(link) for link in re.findall(r'href="(runs/[^"]+)"', page)]
    assert len(links) == 2 + 12
    assert all((finished / link).is_file() for link in links)


@pytest.mark.slow
def test_a_stopped_study_goes_on_and_repeats_nothing(tmp_path, monkeypatch):
    index, out, real = make_spots(tmp_path), tmp_path / "out", module.pretrain
    begun = []

    def stopped(index_path, folder, recipe, **more):
        begun.append(folder.name)
        if len(begun) == 1:
            raise KeyboardInterrupt
        return real(index_path, folder, recipe, **more)

    monkeypatch.setattr(module, "pretrain", stopped)
    with pytest.raises(KeyboardInterrupt):
        study(index, out, labels=(2,), seeds=1)
    study(index, out, labels=(2,), seeds=1)
    written = (out / "runs" / "none-2-0" / "weights.safetensors").stat().st_mtime_ns
    study(index, out, labels=(2, 4), seeds=1)  # labels may be added
    assert begun == ["pretrained-denoising-0"] * 2
    assert (out / "runs" / "none-2-0" / "weights.safetensors").stat().st_mtime_ns == written
    assert {run["labels"] for run in runs(out)} == {0, 2, 4}


@pytest.mark.slow
def test_a_pretraining_that_breaks_costs_its_own_tunings_only(tmp_path, monkeypatch):
    def broken(*args, **more):
        raise TrainingError("the disk must work, but it does not.")

    monkeypatch.setattr(module, "pretrain", broken)
    out = tmp_path / "out"
    study(make_spots(tmp_path), out, labels=(2,), seeds=1)
    failed = {(run["start"], run["labels"]): run["failure"] for run in runs(out)}
    assert failed["none", 2] is None
    assert "the disk must work" in failed["denoising", 0]
    assert "weights" in failed["denoising", 2]
    write_pretraining_study(out, replicates=10)
    assert "broke and is left out" in (out / "pretrain-study.html").read_text()


def test_random_weights_are_always_there_and_first():
    assert [start.name for start in read_starts("inpainting")] == ["none", "inpainting"]
    assert [start.name for start in read_starts("inpainting,none")] == ["none", "inpainting"]


def test_tunings_take_turns_with_the_pretrainings():
    experiment = asked(seeds=5, pretrainings=2, seed=10)
    assert [experiment.donor(seed) for seed in experiment.numbers] == [10, 11, 10, 11, 10]


@pytest.mark.parametrize(
    ("tasks", "error"),
    [
        ("inpainting,inpainting", "stands twice"),
        ("+semantic", "a start must be"),
        ("inpaintin", "inpainting"),
        ("inpainting@rat=1", "rat"),
        ("inpainting@size=32", "size is that of the tuning"),
        ("rotation+semantic", "needs a task that restores"),
        ("inpainting@epochs=0", "epochs"),
    ],
)
def test_wrong_starts_are_refused_before_anything_is_written(tasks, error, tmp_path):
    with pytest.raises((ArgumentError, UnknownNameError), match=re.escape(error)):
        study(tmp_path / "none.parquet", tmp_path / "out", tasks)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"labels": (4, 2)}, "rising numbers"),
        ({"labels": (0, 2)}, "rising numbers"),
        ({"pretrainings": 3}, "at most the 2 --seeds"),
        ({"pretrainings": 0}, "at least 1"),
        ({"seeds": 0}, "--seeds"),
        ({"weights": "imagenet"}, "sets labels and weights itself"),
    ],
)
def test_wrong_settings_are_refused(changes, error, tmp_path):
    with pytest.raises(ArgumentError, match=error):
        study(tmp_path / "none.parquet", tmp_path / "out", **changes)


def test_more_labels_than_there_are_is_refused_before_any_run(tmp_path):
    with pytest.raises(TableError, match="at most the training images of every class"):
        study(make_spots(tmp_path), tmp_path / "out", labels=(4, 40))
    assert not (tmp_path / "out" / "runs").exists()


def test_settings_of_discoveries_are_read_and_refused():
    assert read_discovery("crop=32", Recipe()).crop == (32,)
    with pytest.raises(ArgumentError, match="channels"):
        read_discovery("channels=3", Recipe())
    with pytest.raises(ArgumentError, match="in --discovery"):
        read_discovery("patterns=1", Recipe())
    with pytest.raises(ArgumentError, match="seed is that of the tuning"):
        own_settings("seed=3", "--pretraining")


def entry(value, low, high, **more):
    apart = low is not None and (low > 0 or high < 0)
    return {"value": value, "low": low, "high": high, "excludes_zero": apart, **more}


def test_the_answer_says_what_helped_what_it_saves_and_what_patterns_add():
    gains = [
        entry(0.1, 0.05, 0.15, start="models_genesis", labels=10),
        entry(-0.1, -0.2, -0.05, start="rotation", labels=10),
        entry(0.2, -0.1, 0.5, start="models_genesis", labels=20),
    ]
    said = answer(
        {
            "score": "auroc",
            "labels": [10, 20],
            "gains": gains,
            "saved": [entry(0.5, 0.2, 0.5, start="models_genesis", labels=20, most=0.5)],
            "added": [
                entry(0.0, -0.1, 0.1, start="semantic_genesis", minus="models_genesis", labels=10)
            ],
        }
    )
    assert said[0] == (
        "With 10 labelled images of each class, 1 of 2 pretrainings is better than random weights,"
        " 1 worse."
    )
    assert "models_genesis: +0.100 (+0.050 to +0.150)" in said[1]
    assert "saves at least 50 % of the labels (20 % to 50 %)" in said[1]
    assert "semantic_genesis is not distinguishable from models_genesis" in said[1]


@pytest.mark.slow
def test_the_command_runs_from_flags_and_says_the_answer(tmp_path, capsys):
    index, out = make_spots(tmp_path), tmp_path / "out"
    flags = [
        *("--tasks", "denoising", "--labels", "2", "--seeds", "1", "--size", "32"),
        *("--after", "layer1", "--epochs", "1", "--batch-size", "4", "--threads", "1"),
        *("--replicates", "10", "--pretraining", "epochs=1,batch_size=8", "--precision", "float32"),
    ]
    assert main(["pretrain-study", str(index), "--out", str(out), *flags]) == 0
    printed = capsys.readouterr().out
    assert "With 2 labelled images of each class" in printed
    assert str(out / "pretrain-study.html") in printed
    assert RunFolder(out / "runs" / "pretrained-denoising-0").report.is_file()


def test_a_start_whose_seeds_all_agree_is_tested_like_any_other():
    alike, spread = [0.9, 0.9, 0.9], [0.8, 0.85, 0.87]
    with pytest.warns(RuntimeWarning, match="Precision loss"):  # which would break a study
        expected = ttest_ind(alike, spread, equal_var=False).pvalue
    assert _welch(alike, spread) == pytest.approx(expected)
    assert _welch(alike, alike) is None
    assert _welch([0.9], [0.8]) is None


def test_report_writes_the_page_again_from_what_is_on_disk(finished, tmp_path):
    folder = shutil.copytree(finished, tmp_path / "out")
    before = json.loads((folder / "pretrain-study.json").read_text())
    page = (folder / "pretrain-study.html").read_text()
    (folder / "pretrain-study.html").unlink()  # its results say how many replicates there were
    assert main(["report", str(folder)]) == 0
    assert json.loads((folder / "pretrain-study.json").read_text()) == before
    assert (folder / "pretrain-study.html").read_text() == page


def test_an_epoch_of_slices_is_counted_in_slices_and_not_in_volumes(tmp_path):
    path = make_heads(tmp_path)  # two slices each
    sliced = {"slices": 1, "steps": ("orient", "intensity:declared=false"), "batch_size": 4}
    recipe = quick(after="layer1", labels_per_class=3, **sliced)
    rows = load_data(path, recipe, tmp_path / "stores").training().rows
    assert len(rows) == 2 * 3 * 2
    index, tuning = Index.load(path), recipe.model_copy(update={"labels_per_class": None})
    each = module._pictures(tuning, index)
    assert each == 2
    assert module._per_epoch(tuning, index, 3, each) == even_batches(len(rows), 4) == 3
    assert module._pictures(quick(), index) == 1
