"""The page of a simulation: numbers against their definitions, sentences that claim no more than was seen."""

import json
import shutil

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score
from test_report_browser import CHROMIUM, seen

from medgraft.cli.__main__ import main
from medgraft.errors import TableError, TrainingError
from medgraft.report import write_simulation
from medgraft.report.simulation import answer

LABELS = (10, 20, 40, 80)
SKILL = {  # of the model after each round: how far apart it puts the classes
    "entropy AFT(LQ)": (0.5, 1.6, 2.0, 2.1),
    "margin AFT(LQ)": (0.4, 0.5, 0.6, 1.0),
    "RFT(LQ)": (0.5, 0.7, 1.0, 1.9),
}
FULL, SEEDS, PATIENTS = 2.2, (3, 4, 5), 60


def make(folder, skills=SKILL, *, seeds=SEEDS, full=FULL, known=True, **settings):
    """A folder as `medgraft active simulate` leaves it, with models of known skill."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    patient = np.repeat(np.arange(PATIENTS), 3)
    truth = rng.integers(0, 2, PATIENTS)[patient]
    ids = [f"image {n}" for n in range(len(patient))]
    pl.DataFrame(
        {
            "image_id": ids,
            "patient_id": [f"p{n}" for n in patient],
            "y_normal": 1 - truth,
            "y_mass": truth,
        },
        schema_overrides={"y_normal": pl.Int8, "y_mass": pl.Int8},
    ).write_parquet(folder / "test.parquet")

    def answers(path, levels, seed):
        own = np.random.default_rng(seed)
        noise = own.normal(size=(len(levels), len(truth)))
        p = 1 / (1 + np.exp(-(np.array(levels)[:, None] * (2 * truth - 1) + noise)))
        path.parent.mkdir(parents=True)
        pl.DataFrame(
            {
                "round": np.repeat(np.arange(len(levels)), len(truth)),
                "image_id": ids * len(levels),
                "p_normal": 1 - p.ravel(),
                "p_mass": p.ravel(),
            }
        ).write_parquet(path)

    for arm, levels in skills.items():
        for seed in seeds:
            one = folder / "runs" / arm / str(seed)
            answers(one / "answers.parquet", levels, seed)
            (one / "rounds.json").write_text(json.dumps(rounds(levels, seed)))
    for seed in seeds if full else ():
        answers(folder / "full" / str(seed) / "answers.parquet", [full], seed)
    arms = [
        {
            "name": arm,
            "acquisition": arm.partition(" ")[0] if " " in arm else "random",
            "strategy": "AFT(LQ):rehearsal=0.0,divide=10.0",
            "reference": "RFT(LQ)",
            "folder": f"runs/{arm}",
        }
        for arm in skills
    ]
    record = {
        "command": ["medgraft", "active", "simulate", "/home/ann/films.parquet"],
        "finished": "2026-11-20T12:00:00+00:00" if full else None,
        "settings": {"start": 0, "batch": 10, "rounds": 4, "views": 12, **settings},
        "arms": arms,
        "seeds": list(SEEDS),
        "kind": "exclusive",
        "names": ["normal", "mass"],
        "positive": "mass",
        "patients_known": known,
        "candidates": 500,
        "pool": 900,  # images: some candidates have several
        "validation": 60,
        "test": len(truth),
        "frozen": True,
        "stops": {arm: {"budget:labels=20": [1, 1, None]} for arm in skills},
        "notes": [],
    }
    (folder / "simulation.json").write_text(json.dumps(record))
    return folder


def rounds(levels, seed):
    bought = 0
    rows = []
    for number, labels in enumerate(LABELS[: len(levels)]):
        count, bought = labels - bought, labels
        rows.append(
            {
                "labels": labels,
                "images": labels,
                "classes": {"normal": count - 2 - seed % 2, "mass": 2 + seed % 2},
                "trained_on": labels,
                "wrong": 1,
                "score": 0.5 + 0.1 * number,
                "agreement": None if number == 0 else 0.9,
                "knew": 8 * number,
                "kept": 6 * number,
                "knew_validation": 10 * number,
                "kept_validation": 9 * number,
                "seconds": {"look": 0.1, "train": 0.2, "whole": 0.4},
            }
        )
    return rows


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = make(
        tmp_path_factory.mktemp("simulation") / "out", cost_per_label=2.5, seconds_per_label=45
    )
    page = write_simulation(folder, replicates=60)
    return folder, json.loads((folder / "results.json").read_text()), page.read_text()


def aurocs(folder, arm, seed):
    truth = pl.read_parquet(folder / "test.parquet")["y_mass"].to_numpy()
    table = pl.read_parquet(folder / "runs" / arm / str(seed) / "answers.parquet")
    parts = table.partition_by("round", maintain_order=True)
    return [roc_auc_score(truth, part["p_mass"].to_numpy()) for part in parts]


def arm_of(found, name):
    return next(arm for arm in found["arms"] if arm["arm"] == name)


class TestNumbers:
    def test_a_curve_is_the_mean_over_seeds_of_the_auroc_of_each_round(self, written):
        folder, found, _ = written
        for arm in SKILL:
            mean = np.mean([aurocs(folder, arm, seed) for seed in SEEDS], axis=0)
            points = arm_of(found, arm)["curve"]
            assert [point["value"] for point in points] == pytest.approx(mean)
            assert [point["labels"] for point in points] == list(LABELS)
            assert all(p["low"] < p["value"] < p["high"] for p in points)

    def test_areas_labels_and_savings_are_those_of_the_mean_curves(self, written):
        folder, found, _ = written
        mean = {a: np.mean([aurocs(folder, a, s) for s in SEEDS], axis=0) for a in SKILL}
        truth = pl.read_parquet(folder / "test.parquet")["y_mass"].to_numpy()
        full = np.mean(
            [
                roc_auc_score(
                    truth,
                    pl.read_parquet(folder / f"full/{s}/answers.parquet")["p_mass"].to_numpy(),
                )
                for s in SEEDS
            ]
        )
        assert found["full"]["value"] == pytest.approx(full)
        for arm, curve in mean.items():
            entry = arm_of(found, arm)
            for axis, x in (("linear", np.array(LABELS)), ("log", np.log2(LABELS))):
                area = np.trapezoid(curve, x) / (x[-1] - x[0])
                base = np.trapezoid(mean["RFT(LQ)"], x) / (x[-1] - x[0])
                assert entry["alc"][axis]["area"]["value"] == pytest.approx(area)
                assert entry["alc"][axis]["difference"]["value"] == pytest.approx(area - base)
            for needed in entry["needed"]:
                goal = needed["goal"] * full
                reached = [first_reached(c, goal) for c in (curve, mean["RFT(LQ)"])]
                assert needed["value"] == pytest.approx(reached[0], abs=1e-3)
                if None not in reached:
                    saved = 1 - reached[0] / reached[1]
                    assert needed["saving"]["value"] == pytest.approx(saved, abs=1e-3)

    def test_intervals_hold_the_luck_of_seeds_too(self, tmp_path):
        """Seeds of one skill each: patients alone would leave a narrow interval."""
        folder = make(tmp_path / "out", {"RFT(LQ)": SKILL["RFT(LQ)"]})
        for seed, level in zip(SEEDS, (0.1, 1.0, 2.5), strict=True):
            path = folder / "runs/RFT(LQ)" / str(seed) / "answers.parquet"
            table = pl.read_parquet(path)
            truth = np.tile(pl.read_parquet(folder / "test.parquet")["y_mass"].to_numpy(), 4)
            noise = np.random.default_rng(seed).normal(size=len(truth))
            p = 1 / (1 + np.exp(-(level * (2 * truth - 1) + noise)))
            table.with_columns(p_mass=pl.Series(p), p_normal=pl.Series(1 - p)).write_parquet(path)
        write_simulation(folder, replicates=200)
        found = json.loads((folder / "results.json").read_text())
        point = arm_of(found, "RFT(LQ)")["curve"][0]
        seeds = [aurocs(folder, "RFT(LQ)", seed)[0] for seed in SEEDS]
        assert point["low"] < np.mean(sorted(seeds)[:2])
        assert point["high"] > np.mean(sorted(seeds)[1:])

    def test_wins_are_shares_of_seeds_and_rounds(self, written):
        folder, found, _ = written
        curves = {arm: np.array([aurocs(folder, arm, seed) for seed in SEEDS]) for arm in SKILL}
        for row, one in zip(found["wins"], SKILL, strict=True):
            for share, other in zip(row, SKILL, strict=True):
                if one == other:
                    assert share is None
                else:
                    mine, theirs = curves[one], curves[other]
                    assert share == pytest.approx(np.mean((mine > theirs) + (mine == theirs) / 2))

    def test_means_over_seeds_of_what_was_bought_kept_and_stopped(self, written):
        _, found, _ = written
        arm = arm_of(found, "RFT(LQ)")
        assert arm["rounds"][1]["classes"] == pytest.approx({"normal": 10 - 8 / 3, "mass": 8 / 3})
        assert arm["kept"]["bought"]["mean"] == pytest.approx(0.75)
        assert arm["kept"]["validation"]["mean"] == pytest.approx(0.9)
        (stop,) = arm["stops"]
        assert (stop["seeds"], stop["of"], stop["labels"]["mean"]) == (2, 3, 20)
        assert arm["seconds"] == pytest.approx({"look": 0.1, "train": 0.2, "whole": 0.4})


def first_reached(curve, goal):
    steps = np.linspace(LABELS[0], LABELS[-1], 700_001)
    there = np.flatnonzero(np.interp(steps, LABELS, curve) >= goal)
    return float(steps[there[0]]) if len(there) else None


class TestSentences:
    def said(self, tmp_path, skills, **changes):
        folder = make(tmp_path / "out", skills, **changes)
        page = write_simulation(folder, replicates=60).read_text()
        return json.loads((folder / "results.json").read_text())["answer"], page

    def test_a_saving_that_excludes_zero_is_claimed_with_its_interval(self, written):
        _, found, page = written
        assert found["answer"].startswith("Active learning by entropy saved ")
        assert "entropy AFT(LQ): It reached 95 % of the AUROC of all labels (" in found["answer"]
        assert "buying at random reached it with" in found["answer"]
        assert "over patients and seeds" in found["answer"]
        assert "2.5 a label" in page
        assert "45 s a label" in page

    def test_the_answer_is_about_what_was_named_first_and_not_the_best(self, tmp_path):
        first = {name: SKILL[name] for name in ("margin AFT(LQ)", "entropy AFT(LQ)", "RFT(LQ)")}
        said, _ = self.said(tmp_path, first)
        assert said.startswith("Active learning by margin cost labels here")
        assert "margin AFT(LQ): It had not reached 95 %" in said
        assert "more labels" in said

    def test_equal_arms_did_not_help(self, tmp_path):
        said, _ = self.said(
            tmp_path, {"entropy AFT(LQ)": SKILL["RFT(LQ)"], "RFT(LQ)": SKILL["RFT(LQ)"]}
        )
        assert said.startswith("Active learning by entropy did not help here.")

    def test_a_saving_without_an_interval_is_not_claimed_nor_denied(self, written):
        _, found, _ = written
        without = json.loads(json.dumps(found))
        saved = next(one["saving"] for one in without["arms"][0]["needed"] if one["goal"] == 0.95)
        saved |= {"low": None, "high": None}
        first, second = answer(without)
        assert first == "Active learning by entropy was not seen to save labels here."
        assert "a saving of" in second

    def test_labels_are_counted_by_candidates_and_not_by_images(self, written):
        _, _, page = written
        assert "All 500 labels give AUROC" in page

    def test_where_chance_fails_the_saving_is_a_least_one(self, tmp_path):
        said, _ = self.said(
            tmp_path, {"entropy AFT(LQ)": (0.5, 1.9, 2.1, 2.2), "RFT(LQ)": (0.1, 0.2, 0.3, 0.4)}
        )
        assert "Active learning by entropy saved at least " in said
        assert "buying at random had not reached it with 80 labels" in said

    def test_where_neither_gets_there_nothing_is_claimed(self, tmp_path):
        said, page = self.said(
            tmp_path,
            {"entropy AFT(LQ)": (0.1, 0.2, 0.3, 0.4), "RFT(LQ)": (0.1, 0.2, 0.3, 0.4)},
            cost_per_label=2.0,
        )
        assert said.startswith("Active learning by entropy was not seen to save labels here.")
        assert "Neither it nor buying at random reached 95 %" in said
        assert "cannot be said" in page

    def test_before_all_labels_were_learnt_no_goal_is_named(self, tmp_path):
        said, page = self.said(tmp_path, SKILL, full=None, seeds=SEEDS[:2])
        assert "What all labels give is not known yet" in said
        assert "1 of 3 seeds are missing" in page
        assert 'id="needed"' not in page

    def test_unknown_patients_and_few_seeds_are_told(self, tmp_path):
        _, page = self.said(tmp_path, SKILL, known=False, seeds=SEEDS[:2])
        assert "The patients are not known" in page
        assert "Only 2 seeds" in page

    def test_the_page_says_how_it_was_done_and_names_no_folder(self, written):
        _, _, page = written
        assert "was answered after every round and judged when all was over" in page
        assert "its labels are not counted on the axis" in page
        assert "/home/ann" not in page


class TestRefused:
    def test_a_folder_without_a_whole_seed(self, tmp_path):
        folder = make(tmp_path / "out")
        shutil.rmtree(folder / "runs" / "RFT(LQ)")
        with pytest.raises(TrainingError, match="a seed that all 3 arms have finished"):
            write_simulation(folder)

    def test_answers_about_other_images(self, tmp_path):
        folder = make(tmp_path / "out")
        path = folder / "runs/RFT(LQ)/3/answers.parquet"
        pl.read_parquet(path).with_columns(image_id=pl.lit("other")).write_parquet(path)
        with pytest.raises(TableError, match="must speak of the images of test"):
            write_simulation(folder, replicates=0)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_nothing_sticks_out_at_400_pixels(written, tmp_path):
    _, _, html = written
    (page,) = seen([html], 400, tmp_path, dark=False)
    assert page["width"] <= page["client"] <= 400
    assert page["small"] >= 9


def test_report_writes_the_page_again_from_what_is_on_disk(written, tmp_path):
    folder = shutil.copytree(written[0], tmp_path / "out")
    before = json.loads((folder / "results.json").read_text())
    page = (folder / "simulation.html").read_text()
    (folder / "simulation.html").unlink()  # its results say how many replicates there were
    assert main(["report", str(folder)]) == 0
    assert json.loads((folder / "results.json").read_text()) == before
    assert (folder / "simulation.html").read_text() == page
