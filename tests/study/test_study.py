"""A study: what runs, what is kept, what grows, and the numbers of its answers."""

import json
import re
import shutil

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from medgraft.cli.__main__ import main
from medgraft.errors import ArgumentError, OutputError, TrainingError, WeightsError
from medgraft.evaluate import delong
from medgraft.evaluate.bootstrap import draw
from medgraft.index import Index
from medgraft.nets import create
from medgraft.nets.weights import save_weights
from medgraft.report import write_study
from medgraft.study import launch as module
from medgraft.study.file import StudyFile
from medgraft.study.study import run_study
from tests.study import made
from tests.train.conftest import make_spots

RECIPE = {
    "size": 32,
    "epochs": 1,
    "batch_size": 8,
    "precision": "float32",
    "memory_format": "contiguous",
    "replicates": 0,
}
SMALL = "mobilenetv3_small_100"
CUTS = [{"backbone": SMALL, "after": stage} for stage in ("block1", "block3", "none")]
AXES = {"network": CUTS, "weights": ["none", "imagenet"], "seed": [0, 1]}


def run(folder, index, **keys):
    study = StudyFile(**{"recipe": RECIPE, "axes": AXES, "replicates": 60, **keys})
    return run_study(study, folder, index, folder / "out", command=[], finish=made.finish)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A network and two cuts, two kinds of weights (one cut has random ones only), two seeds."""
    folder = tmp_path_factory.mktemp("study")
    index = make_spots(folder)
    save_weights(create(SMALL, in_channels=1, classes=2).network, folder / "donor.safetensors", {})
    run(
        folder,
        index,
        imagenet={SMALL: "donor.safetensors"},
        exclude=[{"weights": "imagenet", "after": "block3"}],
        title="Spots",
    )
    write_study(folder / "out")
    return folder / "out"


def answered(out):
    return json.loads((out / "study.json").read_text())


def predictions(out, folder):
    rows = pl.read_parquet(out / folder / "predictions.parquet").filter(pl.col("split") == "test")
    return rows.sort("path")


def group(found, network, weights):
    (one,) = (g for g in found["groups"] if (g["network"], g["weights"]) == (network, weights))
    return one


def test_scores_are_those_of_scikit_learn_and_means_over_seeds(study):
    for one in answered(study)["groups"]:
        scores = []
        for each in one["runs"]:
            rows = predictions(study, each["folder"])
            scores.append(roc_auc_score(rows["y_right"], rows["p_right"]))
            assert each["value"] == pytest.approx(scores[-1])
        assert one["value"] == pytest.approx(np.mean(scores))
        assert one["over_seeds"]["sd"] == pytest.approx(np.std(scores, ddof=1))


def replicated(rows, found):
    """AUROC of the rows in every replicate, in a loop."""
    patients = rows["patient_id"].unique().sort().to_list()
    truth, score = rows["y_right"].to_numpy(), rows["p_right"].to_numpy()
    slow = []
    for counts in draw(len(patients), found["replicates"], found["seed"]):
        often = dict(zip(patients, counts.astype(int), strict=True))
        chosen = np.repeat(np.arange(len(rows)), [often[p] for p in rows["patient_id"]])
        slow.append(roc_auc_score(truth[chosen], score[chosen]))
    return slow


def test_the_interval_of_a_run_is_that_of_a_loop_over_the_same_patients(study):
    found = answered(study)
    each = found["groups"][0]["runs"][0]
    slow = replicated(predictions(study, each["folder"]), found)
    assert (each["low"], each["high"]) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])))


def test_boosts_are_pretrained_minus_random_seed_by_seed(study):
    found = answered(study)
    assert len(found["boosts"]) == 2
    for one in found["boosts"]:
        pair = [group(found, one["network"], weights)["runs"] for weights in ("none", "imagenet")]
        each = [b["value"] - a["value"] for a, b in zip(*pair, strict=True)]
        assert one["value"] == pytest.approx(np.mean(each))
        assert one["seeds"] == [0, 1]


def test_cuts_are_tested_against_the_whole_network_with_holms_correction(study):
    found = answered(study)
    assert [(c["whole"], c["weights"]) for c in found["cuts"]] == [
        (f"{SMALL}, 32 px", "none"),
        (f"{SMALL}, 32 px", "imagenet"),
    ]
    for curve in found["cuts"]:
        sizes = [found["networks"][p["network"]]["parameters"] for p in curve["points"]]
        assert sizes == sorted(sizes)
        assert curve["points"][-1]["network"] == curve["whole"]
        tests = [p["difference"] for p in curve["points"][:-1]]
        known = sorted(t["p"] for t in tests)
        assert min(t["p_holm"] for t in tests) == pytest.approx(min(1, len(known) * known[0]))
        fit = [
            p["network"]
            for p in curve["points"]
            if p["difference"] is None
            or not (p["difference"]["p_holm"] < 0.05 and p["difference"]["value"] < 0)
        ]
        assert curve["smallest"] == fit[0]
        assert curve["ratio"] == pytest.approx(
            sizes[-1] / found["networks"][fit[0]]["parameters"], abs=1e-3
        )


def changed(study, folder, change):
    """A copy of the study whose record of runs was changed, answered again."""
    out = shutil.copytree(study, folder / "out")
    record = json.loads((out / "experiment.json").read_text())
    record["runs"] = change(record["runs"])
    (out / "experiment.json").write_text(json.dumps(record))
    page = write_study(out).read_text()
    return answered(out), page


def test_a_test_of_one_seed_is_that_of_delong(study, tmp_path):
    found, _ = changed(study, tmp_path, lambda runs: [run for run in runs if run["seed"] == 0])
    short, whole = (group(found, f"{SMALL}{cut}, 32 px", "none") for cut in (" to block3", ""))
    rows = [predictions(study, one["runs"][0]["folder"]) for one in (whole, short)]
    expected = delong(
        rows[0]["y_right"], rows[0]["p_right"], rows[1]["p_right"], rows[0]["patient_id"].to_list()
    )
    points = {p["network"]: p["difference"] for p in found["cuts"][0]["points"]}
    assert points[short["network"]]["p"] == pytest.approx(expected.p)
    assert points[short["network"]]["value"] == pytest.approx(expected.difference)


def test_variances_over_seeds_and_over_patients_stand_apart(study):
    found = answered(study)
    for one, own in zip(found["variance"]["groups"], found["groups"], strict=True):
        assert one["sd_seeds"] == pytest.approx(np.std([r["value"] for r in own["runs"]], ddof=1))
    runs = found["groups"][0]["runs"]
    squares = [np.var(replicated(predictions(study, run["folder"]), found), ddof=1) for run in runs]
    first = found["variance"]["groups"][0]
    assert first["sd_patients"] == pytest.approx(np.sqrt(np.mean(squares)))
    seeds = [one["sd_seeds"] ** 2 for one in found["variance"]["groups"]]
    assert found["variance"]["sd_seeds"] == pytest.approx(np.sqrt(np.mean(seeds)))


def test_networks_are_counted_weighed_and_have_what_was_published(study):
    networks = answered(study)["networks"]
    assert networks[f"{SMALL}, 32 px"]["parameters"] == weight_count()
    assert networks[f"{SMALL}, 32 px"]["top1"] == 67.668
    memory = [networks[f"{SMALL}{cut}, 32 px"]["memory_bytes"] for cut in (" to block1", "")]
    assert memory[0] < memory[1]
    assert all(one["images_per_second"] > 0 for one in networks.values())


def weight_count():
    """Of timm's own network for one channel and two classes, without its wide hidden layer."""
    import timm

    net = timm.create_model(SMALL, in_chans=1, num_classes=0)
    return sum(p.numel() for p in net.parameters()) + 1024 * 2 + 2


def test_every_number_stands_in_the_table(study):
    found, table = answered(study), pl.read_parquet(study / "study.parquet")
    assert table.filter(pl.col("kind") == "pair").height == len(found["pairs"]) == 4
    runs = table.filter((pl.col("what") == "run") & pl.col("label").is_null())
    assert sorted(runs["value"]) == sorted(
        each["value"] for one in found["groups"] for each in one["runs"]
    )
    cuts = table.filter(pl.col("kind") == "cut")
    assert set(cuts["p_holm"]) == {
        p["difference"]["p_holm"] for c in found["cuts"] for p in c["points"] if p["difference"]
    }


def test_the_page_answers_and_leads_to_every_run(study):
    page = (study / "study.html").read_text()
    assert page.count("/report.html") == 10
    assert f"The highest score is that of {SMALL}" in page
    for text in answered(study)["answer"]:
        assert re.split(r"[^ \w]", text)[0] in page
    assert len(list((study / "figures").glob("*.svg"))) == 4


def test_a_study_waits_when_its_time_is_up_goes_on_grows_and_repeats_nothing(tmp_path):
    index = make_spots(tmp_path)
    small = {"network": CUTS[:1], "seed": [0]}
    assert [o.waits for o in run(tmp_path, index, axes=small, budget={"minutes": 1e-9})] == [True]
    with pytest.raises(TrainingError, match="the budget left no time"):
        write_study(tmp_path / "out")
    assert [(o.waits, o.attempts) for o in run(tmp_path, index, axes=small)] == [(False, 1)]
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out/runs").glob("*/run.json")}
    plan = tmp_path / "out/runs/plan.json"
    earlier = json.loads(plan.read_text())
    for recipe in earlier.values():
        del recipe["blank"]  # as a version that did not know this key had written it
    plan.write_text(json.dumps(earlier))
    outcomes = run(tmp_path, index, axes={**small, "seed": [0, 1]})
    assert [(o.failure, o.attempts) for o in outcomes] == [(None, 0), (None, 1)]
    assert len(before) == 1
    assert all(path.stat().st_mtime_ns == when for path, when in before.items())
    weighed = json.loads((tmp_path / "out/networks.json").read_text())
    assert list(weighed["networks"]) == [f"{SMALL} to block1, 32 px"]


def test_a_run_that_broke_is_named_and_left_out(study, tmp_path):
    def broken(runs):
        return [{**runs[0], "failure": "MemoryError: no room for 3 GiB"}, *runs[1:]]

    found, page = changed(study, tmp_path, broken)
    assert "seed 0 broke and is left out: MemoryError" in page
    assert [len(one["runs"]) for one in found["groups"]] == [1] + [2] * 4
    assert found["boosts"][0]["seeds"] == [1]


def test_a_study_of_several_labels_scores_those_it_names(tmp_path):
    index = Index.load(make_spots(tmp_path))
    right = (index.frame["side"] == "right").cast(pl.Int8)
    labels = [pl.Series("A", right), pl.Series("B", 1 - right), pl.Series("C", right)]
    frame = index.frame.drop("side").with_columns(labels)
    Index(frame, index.root, labels=("A", "B", "C"), layout="csv").save(tmp_path / "three.parquet")
    asked = {"axes": {"network": CUTS[:1], "rate": [1e-3, 3e-2]}, "score": ["C", "A"]}
    run(tmp_path, tmp_path / "three.parquet", **asked)
    page = write_study(tmp_path / "out").read_text()
    found = answered(tmp_path / "out")
    rows = predictions(tmp_path / "out", found["groups"][0]["runs"][0]["folder"])
    expected = [roc_auc_score(rows[f"y_{name}"], rows[f"p_{name}"]) for name in "CA"]
    assert found["labels"] == ["C", "A"]
    assert found["groups"][0]["value"] == pytest.approx(np.mean(expected))
    assert "What other settings change" in page
    (change,) = found["changes"]
    assert (change["others"], change["minus"]) == ({"rate": 0.03}, {"rate": 0.001})
    other = predictions(tmp_path / "out", found["groups"][1]["runs"][0]["folder"])
    for name, before in zip("CA", expected, strict=True):
        gain = roc_auc_score(other[f"y_{name}"], other[f"p_{name}"]) - before
        assert change["labels"][name]["value"] == pytest.approx(gain)
    of_labels = [change["labels"][name]["value"] for name in "CA"]
    assert change["value"] == pytest.approx(np.mean(of_labels))
    assert change["p_holm"] == change["p"]  # the only comparison
    with pytest.raises(ArgumentError, match="score must name labels of the index, but D are none"):
        run(tmp_path, tmp_path / "three.parquet", axes={"seed": [0]}, score=["D"])


@pytest.mark.parametrize(
    ("axes", "error", "said"),
    [
        ({"after": ["layer9"]}, Exception, "is called 'layer9'.*In the run resnet18"),
        ({"labels_per_class": [500]}, Exception, "at most the training images.*In the run"),
        ({"task": ["segmentation"]}, ArgumentError, "a study is about labels"),
        ({"weights": ["gone"]}, WeightsError, "must be there"),
    ],
)
def test_what_cannot_be_made_is_refused_before_anything_is(axes, error, said, tmp_path):
    with pytest.raises(error, match=said):
        run(tmp_path, make_spots(tmp_path), axes=axes)
    assert not list((tmp_path / "out").glob("runs/*"))


def test_two_calls_at_once_are_refused(tmp_path):
    index = make_spots(tmp_path)
    Index.load(index).save(tmp_path / "out" / "index.parquet")
    with (
        module._alone(tmp_path / "out" / "runs"),
        pytest.raises(OutputError, match="by one call at a time"),
    ):
        run(tmp_path, index, axes={"network": CUTS[:1]})


def test_report_writes_the_page_again_from_what_is_on_disk(study, tmp_path):
    folder = shutil.copytree(study, tmp_path / "out")
    before = json.loads((folder / "study.json").read_text())
    page = (folder / "study.html").read_text()
    for name in ("study.json", "study.html"):
        (folder / name).unlink()
    assert main(["report", str(folder)]) == 0
    assert json.loads((folder / "study.json").read_text()) == before
    assert (folder / "study.html").read_text() == page
