"""Arms over seeds: intervals against resampling in loops, tests, and what the page says."""

import json
import shutil

import numpy as np
import polars as pl
import pytest
from report_folders import FINDINGS, TISSUES, arrays, make_run
from sklearn.metrics import f1_score, roc_auc_score

from medgraft.errors import TableError, TrainingError
from medgraft.evaluate import bootstrap, delong_of_mean, holm
from medgraft.report import write_comparison, write_transfer
from medgraft.report.transfer import answer

SMALL = {"patients": 60, "images": 130, "replicates": 20, "pictures": 0}
KINDS = {
    "binary": {},
    "classes": {"names": TISSUES[:4], "images": 300},
    "labels": {"names": FINDINGS[:3], "kind": "independent", "images": 400},
}
SKILLS = {"vanilla": 1.5, "head": 1.7, "full": 3.0}
REPLICATES = 16


def shaken(frame, seed):
    """Another seed of the same arm: the probabilities miss by chance, the rows are the same."""
    columns = [name for name in frame.columns if name.startswith("p_")]
    p = frame.select(columns).to_numpy()
    p = p * np.exp(np.random.default_rng(seed).normal(0, 0.3, p.shape))
    p = p / p.sum(axis=1, keepdims=True) if "p_NORMAL" in columns else p.clip(0, 1)
    if abs(frame.select(columns).to_numpy().sum(axis=1) - 1).max() < 1e-6:
        p = p / p.sum(axis=1, keepdims=True)
    return frame.with_columns(pl.Series(name, p[:, k]) for k, name in enumerate(columns))


def make_experiment(folder, seeds=(0, 1, 2), failures=(), **kind):
    """An experiment as `medgraft transfer` leaves it, of three arms of more and more skill."""
    runs = []
    for arm, skill in SKILLS.items():
        first = make_run(folder / "made" / arm, **{**SMALL, **kind}, skill=skill)
        frame = pl.read_parquet(first / "predictions.parquet")
        for seed in seeds:
            run = folder / "runs" / f"{arm}-{seed}"
            shutil.copytree(first, run)
            shaken(frame, seed).write_parquet(run / "predictions.parquet")
            record = json.loads((run / "run.json").read_text())
            record["seconds"]["train"] = 100.0 * (1 + seed) / skill
            (run / "run.json").write_text(json.dumps(record))
            failure = "the disk is full" if (arm, seed) in failures else None
            runs.append(
                {"arm": arm, "seed": seed, "folder": f"runs/{arm}-{seed}", "failure": failure}
            )
    arms = [{"name": arm, "strategy": arm, "weights": "/home/ann/w.safetensors"} for arm in SKILLS]
    asked = {"reference": "vanilla", "seeds": list(seeds), "arms": arms, "runs": runs}
    (folder / "experiment.json").write_text(json.dumps(asked))
    return folder


def written(folder, **options):
    page = write_transfer(folder, **{"replicates": REPLICATES, **options})
    return json.loads((folder / "transfer.json").read_text()), page.read_text()


def of(items, arm):
    return next(item for item in items if item["arm"] == arm)


def rows(folder, arm, seed):
    frame = pl.read_parquet(folder / "runs" / f"{arm}-{seed}" / "predictions.parquet")
    return frame.filter(pl.col("split") == "test")


@pytest.fixture(scope="module")
def binary(tmp_path_factory):
    return make_experiment(tmp_path_factory.mktemp("binary"))


def test_intervals_are_those_of_patients_drawn_in_a_loop_with_the_mean_taken_inside(binary):
    found, _ = written(binary)
    names = ["NORMAL", "PNEUMONIA"]

    def values(arm, seed):
        """AUROC and F1 of every replicate: its patients repeated as often as they were drawn."""
        frame = rows(binary, arm, seed)
        truth, score = (a[:, 1] for a in arrays(frame, names))
        evaluation = json.loads((binary / f"runs/{arm}-{seed}/evaluation.json").read_text())
        patients = {p: k for k, p in enumerate(dict.fromkeys(frame["patient_id"]))}
        unit = np.array([patients[p] for p in frame["patient_id"]])
        drawn = []
        for counts in bootstrap.draw(len(patients), REPLICATES, 0).astype(int):
            picked = np.repeat(np.arange(len(unit)), counts[unit])
            said = score[picked] >= evaluation["threshold"]
            drawn.append(
                (roc_auc_score(truth[picked], score[picked]), f1_score(truth[picked], said))
            )
        return np.array(drawn)

    replicates = {arm: np.mean([values(arm, s) for s in (0, 1, 2)], axis=0) for arm in SKILLS}
    for arm, drawn in replicates.items():
        for column, metric in enumerate(("auroc", "f1")):
            entry = of(found["arms"], arm)["metrics"][metric]
            ends = np.quantile(drawn[:, column], [0.025, 0.975])
            assert (entry["low"], entry["high"]) == pytest.approx(tuple(ends))
            if arm != "vanilla":
                entry = of(found["differences"], arm)["metrics"][metric]
                gain = drawn[:, column] - replicates["vanilla"][:, column]
                ends = np.quantile(gain, [0.025, 0.975])
                assert (entry["low"], entry["high"]) == pytest.approx(tuple(ends))
                assert entry["excludes_zero"] == (ends[0] > 0 or ends[1] < 0)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_label_is_tested_by_the_mean_over_seeds_and_labels(kind, tmp_path):
    folder = make_experiment(tmp_path, seeds=(0, 1), **KINDS[kind])
    found, _ = written(folder, replicates=0)
    names = KINDS[kind].get("names", ["NORMAL", "PNEUMONIA"])
    shown = names[1:] if kind == "binary" else names
    tests = []
    for arm in ("head", "full"):
        truth, first, second = ([], [], [])
        for seed in (0, 1):
            t, s = arrays(rows(folder, "vanilla", seed), shown)
            truth.append(t)
            first.append(s)
            second.append(arrays(rows(folder, arm, seed), shown)[1])
        patients = rows(folder, arm, 0)["patient_id"].to_list()
        tests.append(delong_of_mean(*map(np.hstack, (truth, first, second)), patients))
        test = of(found["differences"], arm)["delong"]
        assert test["difference"] == pytest.approx(tests[-1].difference)
        assert test["p"] == pytest.approx(tests[-1].p)
        auroc = of(found["differences"], arm)["metrics"]["auroc"]["value"]
        assert auroc == pytest.approx(test["difference"])
    corrected = [of(found["differences"], arm)["delong"]["p_holm"] for arm in ("head", "full")]
    assert corrected == pytest.approx(holm([test.p for test in tests]))


def test_with_one_seed_it_says_what_compare_says(tmp_path):
    folder = make_experiment(tmp_path, seeds=(0,))
    found, page = written(folder, replicates=60)
    runs = [folder / "runs" / f"{arm}-0" for arm in SKILLS]
    write_comparison(runs, tmp_path / "compared", only_pairs=True, replicates=60)
    pairs = json.loads((tmp_path / "compared" / "comparison.json").read_text())
    for one, other in zip(found["differences"], pairs["differences"], strict=True):
        for name, entry in one["metrics"].items():
            assert {k: v for k, v in entry.items() if k != "over_seeds"} == other["metrics"][name]
        assert one["delong"] == other["delong"]
    assert "One seed" in page


def test_seconds_are_of_training_and_ratios_seed_by_seed(binary):
    found, _ = written(binary, replicates=0)
    head = of(found["arms"], "head")
    assert head["seconds"]["mean"] == pytest.approx(200 / 1.7, rel=1e-3)
    assert head["ratio"]["mean"] == pytest.approx(1.5 / 1.7, rel=1e-3)
    assert head["ratio"]["largest"] == pytest.approx(head["ratio"]["least"], rel=1e-3)


def test_the_page_leads_with_the_answer_and_tells_no_folders(binary):
    found, page = written(binary)
    sentences = found["answer"]
    assert "of 2 arms ha" in sentences
    assert "The highest difference is that of full: +" in sentences
    assert sentences.partition(". ")[0] in page
    assert "/home/ann" not in page + json.dumps(found)
    again, same = written(binary)
    assert (again, same) == (found, page)


def test_seeds_that_broke_are_left_out_of_both_sides_of_a_difference(tmp_path):
    folder = make_experiment(tmp_path, failures=[("head", 2), ("vanilla", 0)])
    found, page = written(folder, replicates=0)
    one = of(found["differences"], "head")
    assert one["seeds"] == [1]
    assert of(found["differences"], "full")["seeds"] == [1, 2]
    gain = [
        roc_auc_score(*(a[:, 1] for a in arrays(rows(folder, arm, 1), ["NORMAL", "PNEUMONIA"])))
        for arm in ("vanilla", "head")
    ]
    assert one["metrics"]["auroc"]["value"] == pytest.approx(gain[1] - gain[0])
    assert page.count("the disk is full") == 4  # two warnings, two rows


def test_an_arm_without_a_finished_run_is_shown_empty_and_an_empty_experiment_refused(tmp_path):
    broken = [("vanilla", seed) for seed in (0, 1, 2)]
    folder = make_experiment(tmp_path, failures=broken)
    found, page = written(folder, replicates=0)
    assert (found["differences"], of(found["arms"], "vanilla")["metrics"]) == ([], {})
    assert "No arm can be compared with vanilla." in page
    asked = json.loads((folder / "experiment.json").read_text())
    for run in asked["runs"]:
        run["failure"] = "no memory"
    (folder / "experiment.json").write_text(json.dumps(asked))
    with pytest.raises(TrainingError, match="all 9 broke; the first because: no memory"):
        write_transfer(folder)


def test_runs_on_other_rows_are_refused(tmp_path):
    folder = make_experiment(tmp_path, seeds=(0, 1))
    path = folder / "runs" / "full-1" / "predictions.parquet"
    pl.read_parquet(path)[1:].write_parquet(path)
    pl.read_parquet(path).filter(
        pl.col("path") != rows(folder, "full", 1)["path"][0]
    ).write_parquet(path)
    with pytest.raises(
        TableError, match=r"same images, but 'vanilla \(seed 0\)' and 'full \(seed 1\)'"
    ):
        write_transfer(folder)
    with pytest.raises(TableError, match=r"experiment\.json' must exist"):
        write_transfer(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("significant", "least", "told"), [(True, -0.1, True), (True, 0.1, False), (False, -0.1, False)]
)
def test_the_answer_tells_when_seeds_disagree_on_a_significant_sign(significant, least, told):
    auroc = {"low": 0.01, "high": 0.2, "over_seeds": {"least": least, "largest": 0.3}}
    test = {"p": 0.01, "p_holm": 0.01, "difference": 0.1, "significant": significant}
    found = {
        "reference": "vanilla",
        "confidence": 0.95,
        "unit": "patient",
        "arms": [{"arm": "full", "ratio": {"mean": None}}],
        "differences": [{"arm": "full", "metrics": {"auroc": auroc}, "delong": test}],
    }
    assert ("disagree on the sign of full" in " ".join(answer(found))) is told
