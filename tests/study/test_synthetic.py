"""Do generated images help: what each arm may see, in which order, and what comes out."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from medgraft.cli.__main__ import main
from medgraft.errors import ArgumentError, LeakageError, UnknownNameError
from medgraft.files import read_json
from medgraft.generate.samples import TABLE
from medgraft.index import Index
from medgraft.report import write_again, write_synthetic_study
from medgraft.report.synthetic_study import answer
from medgraft.runs import RunFolder
from medgraft.study.synthetic import Experiment, lasting, read_generating, study_synthetic
from medgraft.study.synthetic_arms import read_synthetic_arms
from medgraft.train.predict import Arrays, load_predictor
from medgraft.train.recipe import load_recipe
from tests.train.conftest import make_spots, quick

TINY = "epochs=1,batch_size=8"
MODEL = "vae:width=4,latent=4"
FOLDER = "augment-vae-width=4,latent=4"
ARMS = f"augment:{MODEL},augment:{MODEL}+screen"


def asked(**changes):
    tuning = quick(after="layer1", epochs=1)
    how = {
        "arms": read_synthetic_arms(ARMS),
        "labels": [3],
        "seeds": 1,
        "generators": 1,
        "samples": 12,
        "keep": 0.5,
        "tuning": tuning,
        "generating": read_generating(TINY, tuning),
        "least_steps": 2,
    }
    return Experiment(**{**how, **changes})


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    spots, out = make_spots(folder), folder / "out"
    outcomes = study_synthetic(spots, out, asked(), command=["medgraft"])
    assert [one.failure for one in outcomes] == [None] * len(outcomes)
    return spots, out, outcomes


def test_runs_come_after_what_they_need(studied):
    names = [outcome.job.name for outcome in studied[2]]
    assert names[0].startswith("generator-vae")
    kinds = [name.partition("-")[0] for name in names[1:5]]
    assert kinds == ["none", "discriminator", "augment", "augment"]
    assert len(names) == 1 + 4


def run(out, name):
    return RunFolder(out / "runs" / name)


def trained_on(folder):
    return Index.load(folder.index).part("train").frame["image_id"].sort().to_list()


def test_all_arms_have_the_same_labels_and_as_many_steps(studied):
    alone, *others = (RunFolder(outcome.folder) for outcome in studied[2][1:])
    assert len(trained_on(alone)) == 2 * 3
    for folder in (alone, *others):
        assert trained_on(folder) == trained_on(alone)
        assert 2 <= pl.read_csv(folder.history)["step"][-1] <= 4, "to the end of an epoch"


def test_samples_are_named_by_the_run_on_the_same_labels(studied):
    _, out, _ = studied
    index = Index.load(load_recipe(run(out, f"{FOLDER}-3-0").recipe).samples)
    predictor, record = load_predictor(run(out, "none-3-0"))
    images = np.stack([np.asarray(Image.open(index.file(p))) for p in index.frame["path"]])
    logits = predictor.predict(Arrays(images[:, None], 255), np.arange(len(images)))
    names = [record["labels"][k] for k in logits.argmax(axis=1)]
    assert index.frame["side"].to_list() == names
    assert len(index) == 12
    assert index.frame["generated"].all()


def test_screened_samples_are_chosen_by_a_discriminator_of_the_same_labels(studied):
    _, out, _ = studied
    index = Index.load(load_recipe(run(out, f"{FOLDER}+screen-3-0").recipe).samples)
    told = read_json(out / "samples" / f"{FOLDER}+screen-3-0" / "screening.json")
    judge = Path(told["run"])
    assert judge.name.startswith("discriminator")
    assert len(index) == told["kept"] < 12
    assert trained_on(RunFolder(judge)) == trained_on(run(out, "none-3-0"))


def test_a_generator_that_was_trained_before_is_drawn_from_and_not_trained_again(studied, tmp_path):
    _, first, outcomes = studied
    donor = outcomes[0].folder
    arms = read_synthetic_arms(f"augment:{donor}")
    out = tmp_path / "out"
    again = study_synthetic(first / "index.parquet", out, asked(arms=arms), command=["medgraft"])
    assert [one.failure for one in again] == [None, None], "alone and augmented, no generator"
    folder = load_recipe(RunFolder(again[1].folder).recipe).samples
    index, before = Index.load(folder), Index.load(first / "samples" / f"{FOLDER}-3-0" / TABLE)
    assert index.frame["image_id"].to_list() == before.frame["image_id"].to_list()


def test_a_generator_that_has_seen_test_patients_is_refused(studied, tmp_path):
    _, first, outcomes = studied
    index = Index.load(first / "index.parquet")
    turned = {"train": "test", "test": "train", "val": "val"}
    other = index.frame.with_columns(pl.col("split").replace_strict(turned))
    index.with_frame(other).save(tmp_path / "other.parquet")
    arms = read_synthetic_arms(f"augment:{outcomes[0].folder}")
    with pytest.raises(LeakageError, match="the generator of"):
        study_synthetic(tmp_path / "other.parquet", tmp_path / "o", asked(arms=arms), command=[])


def test_called_again_nothing_is_made_again(studied):
    spots, out, before = studied
    times = {one.folder: (one.folder / "run.json").stat().st_mtime_ns for one in before}
    again = study_synthetic(spots, out, asked(), command=["medgraft"])
    assert [one.attempts for one in again] == [0] * len(before)
    assert times == {one.folder: (one.folder / "run.json").stat().st_mtime_ns for one in again}


def test_its_page_is_written_again_as_what_it_is(studied):
    page = write_synthetic_study(studied[1], replicates=20)
    assert write_again(studied[1]) == page
    assert not (studied[1] / "pretrain-study.html").exists()


def test_the_page_answers_in_a_sentence(studied):
    page = write_synthetic_study(studied[1], replicates=20)
    found = read_json(studied[1] / "generate-study.json")
    assert found["answer"].startswith("Generated images ")
    assert answer(found)[0] in page.read_text()
    assert len(found["gains"]) == 2
    assert "labelled images alone" in page.read_text()
    assert "random weights" not in page.read_text()


@pytest.mark.parametrize(
    ("gains", "said"),
    [
        ([(0.1, True)], "helped in 1 of 1 comparison, and harmed in none"),
        ([(-0.1, True), (0.01, False)], "harmed in 1 of 2 comparisons, and helped in none"),
        ([(-0.1, True), (0.1, True)], "helped in 1 and harmed in 1 of 2 comparisons"),
        ([(0.1, False)], "no difference that can be told from chance, in 1 comparison"),
    ],
)
def test_the_answer_is_said_whatever_it_is(gains, said):
    entries = [
        {
            "start": "augment:vae",
            "labels": 25,
            "value": v,
            "low": v,
            "high": v,
            "excludes_zero": sure,
        }
        for v, sure in gains
    ]
    found = {"gains": entries, "labels": [25], "score": "auroc"}
    assert said in answer(found)[0]


# --- what is asked ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("none", ArgumentError, "beside none"),
        ("augment", ArgumentError, "augment:MODEL"),
        ("augment:vae,augment:vae", ArgumentError, "stands twice"),
        ("semi_supervised+screen", ArgumentError, "got 'semi_supervised"),
        ("augment:vea", UnknownNameError, "Did you mean 'vae'"),
    ],
)
def test_arms_that_make_no_sense_are_refused(text, error, said):
    with pytest.raises(error, match=said.replace("+", r"\+")):
        read_synthetic_arms(text)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"labels": [4, 2]}, "rising numbers"),
        ({"generators": 2}, "at most the 1 --seeds"),
        ({"samples": 1}, "--samples must be at least 2"),
        ({"keep": 0.0}, r"--keep must be in \(0, 1\]"),
        ({"tuning": quick(strategy="linear:stem")}, "step by step"),
        ({"tuning": quick(labels_per_class=3)}, "sets labels and samples itself"),
    ],
)
def test_what_cannot_be_studied_is_refused_before_anything_is_written(tmp_path, changes, said):
    spots = make_spots(tmp_path)
    with pytest.raises(ArgumentError, match=said):
        study_synthetic(spots, tmp_path / "out", asked(**changes), command=[])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["channels=3", "model=vae", "epoch=3", "conditional=true"])
def test_settings_of_generators_that_are_not_theirs_are_refused(text):
    with pytest.raises(ArgumentError, match="no setting of generators is called"):
        read_generating(text, quick())


def test_every_arm_takes_as_many_steps():
    for per_epoch in (1, 3, 40, 250):
        found = lasting(quick(epochs=10, batch_size=8), per_epoch, 120)
        assert 120 <= found.epochs * per_epoch < 120 + per_epoch
        assert found.validate_every % 8 == 0


def test_the_command_says_the_answer(studied, capsys):
    """On the runs that are there already."""
    spots, out, _ = studied
    flags = [
        "--arms",
        ARMS,
        "--labels",
        "3",
        "--seeds",
        "1",
        "--draw",
        "12",
        "--generating",
        TINY,
    ]
    plain = ["--after", "layer1", "--size", "32", "--epochs", "1", "--batch-size", "8"]
    plain += ["--precision", "float32", "--memory-format", "contiguous", "--threads", "1"]
    more = ["--least-steps", "2", "--replicates", "50", "--out", str(out)]
    assert main(["generate", "study", str(spots), *flags, *plain, *more]) == 0
    assert "Generated images" in capsys.readouterr().out
    assert np.isfinite(read_json(out / "generate-study.json")["starts"][0]["points"][0]["value"])
