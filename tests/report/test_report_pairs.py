"""Paired differences of runs: what they are, what refuses them, and how they are shown."""

import json
import re
import shutil

import numpy as np
import polars as pl
import pytest
from report_folders import FINDINGS, TISSUES, arrays, make_run
from report_outline import Outline

from medgraft.cli.__main__ import main
from medgraft.errors import ArgumentError, TableError
from medgraft.evaluate import auroc, bootstrap, delong, holm, paired
from medgraft.evaluate.metrics import metrics
from medgraft.report import write_comparison
from medgraft.report.figures import canvas, forest
from medgraft.report.words import signed

SMALL = {"patients": 60, "images": 130, "replicates": 20, "pictures": 0}
KINDS = {
    "binary": {},
    "classes": {"names": TISSUES[:4], "images": 300},
    "labels": {"names": FINDINGS[:5], "kind": "independent", "images": 400},
}


@pytest.fixture(scope="module", params=KINDS)
def trio(request, tmp_path_factory):
    """Three runs of one kind on the same rows, the second and third of more and less skill."""
    return three(tmp_path_factory.mktemp(request.param), **KINDS[request.param])


@pytest.fixture(scope="module")
def binary_trio(tmp_path_factory):
    return three(tmp_path_factory.mktemp("binary"))


def three(folder, **kind):
    skills = {"plain": 1.5, "better": 3.0, "first": 1.5}
    runs = [make_run(folder / n, **{**SMALL, **kind}, skill=s) for n, s in skills.items()]
    return [*runs[:2], changed(runs[2], folder / "near", shaken)]


def shaken(frame):
    """Probabilities that miss those of the run by chance; of classes they still sum to 1."""
    columns = [name for name in frame.columns if name.startswith("p_")]
    p = frame.select(columns).to_numpy()
    noise = np.random.default_rng(0).normal(0, 0.05, p.shape)
    if np.allclose(p.sum(axis=1), 1):
        p = p * np.exp(noise)
        p = p / p.sum(axis=1, keepdims=True)
    else:
        p = (p + noise * p * (1 - p)).clip(0, 1)
    return frame.with_columns(pl.Series(name, p[:, k]) for k, name in enumerate(columns))


def compared(runs, out, **options):
    options = {"only_pairs": True, "replicates": 60, **options}
    page = write_comparison(runs, out, **options)
    return json.loads((out / "comparison.json").read_text()), page.read_text()


def changed(run, out, change):
    """A copy of a run whose predictions were changed."""
    shutil.copytree(run, out)
    frame = pl.read_parquet(out / "predictions.parquet")
    change(frame).write_parquet(out / "predictions.parquet")
    return out


def test_a_run_against_itself_differs_by_exactly_nothing(trio, tmp_path):
    found, _ = compared([trio[0], trio[0]], tmp_path)
    (one,) = found["differences"]
    for table in (one["metrics"], *one["classes"].values()):
        for entry in table.values():
            assert (entry["value"], entry["low"], entry["high"]) == (0, 0, 0)
            assert entry["excludes_zero"] is False
    assert (one["delong"]["p"], one["delong"]["significant"]) == (1, False)


def test_the_order_of_rows_changes_nothing(trio, tmp_path):
    upside_down = changed(trio[1], tmp_path / trio[1].name, lambda frame: frame.reverse())
    straight, _ = compared(trio[:2], tmp_path / "a")
    turned, _ = compared([trio[0], upside_down], tmp_path / "b")
    assert straight["differences"] == turned["differences"]


@pytest.mark.parametrize("name", ["accuracy", "recall", "precision", "auroc"])
def test_agrees_with_a_loop_over_the_same_replicates(binary_trio, name, tmp_path):
    found, _ = compared(binary_trio[:2], tmp_path, replicates=20, seed=3)
    draws = []
    frames = [pl.read_parquet(run / "predictions.parquet") for run in binary_trio[:2]]
    frames = [frame.filter(pl.col("split") == "test") for frame in frames]
    at = [json.loads((r / "evaluation.json").read_text())["threshold"] for r in binary_trio[:2]]
    patients = list(dict.fromkeys(frames[0]["patient_id"]))
    for times in bootstrap.draw(len(patients), 20, 3):
        values = []
        for frame, threshold in zip(frames, at, strict=True):
            weight = dict(zip(patients, times, strict=True))
            rows = [
                r for r in frame.iter_rows(named=True) for _ in range(int(weight[r["patient_id"]]))
            ]
            truth = [r["y_PNEUMONIA"] for r in rows]
            scores = [r["p_PNEUMONIA"] for r in rows]
            decided = [int(score >= threshold) for score in scores]
            values.append(metrics.get(name)(truth, scores if name == "auroc" else decided))
        draws.append(values[1] - values[0])
    entry = found["differences"][0]["metrics"][name]
    assert [entry["low"], entry["high"]] == pytest.approx(np.quantile(draws, [0.025, 0.975]))


def test_runs_that_are_measured_once_differ_as_each_pair_does(trio, tmp_path):
    found, _ = compared(trio, tmp_path, replicates=40)
    names = found["names"]
    frames = [pl.read_parquet(r / "predictions.parquet") for r in trio]
    frames = [frame.filter(pl.col("split") == "test") for frame in frames]
    said = [json.loads((r / "evaluation.json").read_text()) for r in trio]
    (truth, first), patients = arrays(frames[0], names), frames[0]["patient_id"].to_list()
    for number, one in enumerate(found["differences"], start=1):
        alone = paired(
            truth, first, arrays(frames[number], names)[1], names=names, kind=found["kind"],
            patients=patients, positive=found["positive"], replicates=40,
            first_thresholds=said[0]["threshold"], second_thresholds=said[number]["threshold"],
        )  # fmt: skip
        assert one["metrics"] == alone["metrics"]
        assert one["classes"] == alone["classes"]


def test_delong_is_that_of_each_class_and_of_their_mean(trio, tmp_path):
    found, _ = compared(trio, tmp_path)
    frames = [pl.read_parquet(r / "predictions.parquet") for r in trio]
    frames = [frame.filter(pl.col("split") == "test") for frame in frames]
    names = found["names"]
    for one, frame in zip(found["differences"], frames[1:], strict=True):
        classes = one["delong"]["classes"]
        assert list(classes) == ([found["positive"]] if found["positive"] else names)
        for name, said in classes.items():
            k = names.index(name)
            (truth, first), (_, second) = arrays(frames[0], names), arrays(frame, names)
            known = np.isin(truth[:, k], (0, 1))
            patients = frame["patient_id"].filter(known).to_list()
            alone = delong(truth[known, k], first[known, k], second[known, k], patients)
            assert said["p"] == pytest.approx(alone.p)
            assert said["difference"] == pytest.approx(
                auroc(truth[known, k], second[known, k]) - auroc(truth[known, k], first[known, k])
            )
        assert one["delong"]["difference"] == pytest.approx(
            np.mean([said["difference"] for said in classes.values()])
        )
        assert one["metrics"]["auroc"]["value"] == pytest.approx(one["delong"]["difference"])
    tests = [one["delong"] for one in found["differences"]]
    assert [test["p_holm"] for test in tests] == holm([test["p"] for test in tests])
    assert [test["significant"] for test in tests] == [test["p_holm"] < 0.05 for test in tests]


class TestRefuses:
    def refused(self, first, second, tmp_path):
        with pytest.raises(TableError) as caught:
            write_comparison([first, second], tmp_path / "out", only_pairs=True)
        assert not (tmp_path / "out").exists()
        return str(caught.value)

    def test_other_images(self, binary_trio, tmp_path):
        other = changed(
            binary_trio[1],
            tmp_path / "other",
            lambda f: f.with_columns(
                image_id=pl.when((pl.col("split") == "test").cum_sum() == 5)
                .then(pl.lit("new"))
                .otherwise("image_id")
            ).unique("image_id", maintain_order=True),
        )
        said = self.refused(binary_trio[0], other, tmp_path)
        assert "differ in image_id: 1 row only in the first, 1 row only in the second" in said

    def test_fewer_images(self, binary_trio, tmp_path):
        other = changed(binary_trio[1], tmp_path / "other", lambda f: f.head(-7))
        said = self.refused(binary_trio[0], other, tmp_path)
        assert "7 rows only in the first, 0 rows only in the second" in said

    def test_other_paths(self, binary_trio, tmp_path):
        other = changed(
            binary_trio[1], tmp_path / "other", lambda f: f.with_columns(path="x/" + pl.col("path"))
        )
        assert "differ in path" in self.refused(binary_trio[0], other, tmp_path)

    def test_another_truth(self, binary_trio, tmp_path):
        def swap(frame):
            last = pl.int_range(pl.len()) >= pl.len() - 3
            pair = ("y_NORMAL", "y_PNEUMONIA")
            return frame.with_columns(
                pl.when(last).then(1 - pl.col(y)).otherwise(y).alias(y) for y in pair
            )

        other = changed(binary_trio[1], tmp_path / "other", swap)
        said = self.refused(binary_trio[0], other, tmp_path)
        assert "same truth" in said
        assert "differ in 3 rows" in said

    def test_other_patients(self, binary_trio, tmp_path):
        other = changed(
            binary_trio[1],
            tmp_path / "other",
            lambda f: f.with_columns(patient_id=pl.col("patient_id").str.replace("P", "Q")),
        )
        assert "the same patients" in self.refused(binary_trio[0], other, tmp_path)

    @pytest.mark.parametrize(
        ("key", "value"),
        [("split", "val"), ("names", ["PNEUMONIA", "NORMAL"]), ("kind", "independent"),
         ("positive", "NORMAL"), ("unit", "image")],
    )  # fmt: skip
    def test_another_question(self, binary_trio, key, value, tmp_path):
        other = changed(binary_trio[1], tmp_path / "other", lambda f: f)
        path = other / "evaluation.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
        said = self.refused(binary_trio[0], other, tmp_path)
        assert "must have the same" in said
        assert repr(value) in said

    def test_tables_beside_runs(self, binary_trio, tmp_path):
        other = changed(binary_trio[1], tmp_path / "other", lambda f: f.drop("image_id", "path"))
        assert "runs with runs" in self.refused(binary_trio[0], other, tmp_path)

    def test_a_negative_number_of_replicates(self, binary_trio, tmp_path):
        with pytest.raises(ArgumentError, match="got -1"):
            write_comparison(binary_trio, tmp_path / "out", replicates=-1)


def test_tables_without_images_are_matched_by_order_and_say_so(binary_trio, tmp_path):
    tables = [
        changed(run, tmp_path / run.name, lambda f: f.drop("image_id", "path"))
        for run in binary_trio[:2]
    ]
    found, page = compared(tables, tmp_path / "out")
    assert any("matched by their order" in note for note in found["notes"])
    assert "matched by their order" in page
    other = changed(tables[1], tmp_path / "short", lambda f: f.head(-1))
    with pytest.raises(TableError, match="judged on the same rows"):
        write_comparison([tables[0], other], tmp_path / "no", only_pairs=True)


def test_a_label_without_positives_is_left_out_and_named(tmp_path):
    kind = {"names": FINDINGS[:4], "kind": "independent", "empty_class": FINDINGS[1]}
    runs = [make_run(tmp_path / str(s), **SMALL, **kind, skill=s) for s in (1.5, 3.0)]
    found, page = compared(runs, tmp_path / "out")
    test = found["differences"][0]["delong"]
    assert FINDINGS[1] not in test["classes"]
    assert FINDINGS[1] in test["reason"]
    assert Outline(page).wrong == []


class TestPage:
    def test_holds_every_difference_and_is_well_formed(self, trio, tmp_path):
        found, page = compared(trio, tmp_path)
        outline = Outline(page)
        assert outline.wrong == []
        assert len(outline.ids) == len(set(outline.ids))
        assert "://" not in page
        for one in found["differences"]:
            for entry in one["metrics"].values():
                assert signed(entry["value"]) in outline.text
        assert page.count("excludes zero</span>") == sum(
            bool(entry["excludes_zero"])
            for one in found["differences"]
            for entry in one["metrics"].values()
        )
        assert "Overlapping intervals prove nothing." in outline.text
        assert "11,171,266" in outline.text  # parameters

    def test_says_which_difference_is_significant(self, binary_trio, tmp_path):
        found, page = compared(binary_trio, tmp_path)
        text = Outline(page).text
        better, near = found["differences"]
        assert better["delong"]["significant"]
        assert not near["delong"]["significant"]
        assert "Its AUROC is significantly higher than that of plain" in text
        assert "Its AUROC is not significantly different from that of plain" in text
        assert "correction for 2 runs" in text

    def test_shows_no_path_and_no_patient(self, binary_trio, tmp_path):
        _, page = compared(binary_trio, tmp_path)
        assert str(binary_trio[0].parent) not in page
        patients = pl.read_parquet(binary_trio[0] / "predictions.parquet")["patient_id"]
        assert not any(patient in page for patient in patients.unique())

    def test_of_runs_that_cannot_be_paired_says_why(self, binary_trio, tmp_path):
        other = changed(binary_trio[1], tmp_path / "other", lambda f: f.head(-7))
        page = write_comparison([binary_trio[0], other], tmp_path / "out").read_text()
        assert Outline(page).wrong == []
        assert "No paired differences: " in page
        assert not (tmp_path / "out" / "comparison.json").exists()

    def test_without_replicates_has_no_intervals(self, binary_trio, tmp_path):
        found, page = compared(binary_trio[:2], tmp_path, replicates=0)
        assert found["differences"][0]["metrics"]["auroc"]["excludes_zero"] is None
        assert "No intervals were computed." in page


class TestForest:
    def entry(self, value, low, high):
        return {"value": value, "low": low, "high": high, "excludes_zero": low > 0 or high < 0}

    def test_has_a_row_per_run_and_metric(self):
        found = dict.fromkeys(forest.SPOKES, self.entry(0.1, 0.05, 0.2))
        drawn = forest.draw({"a": found, "b": found}, reference="c")
        lines = re.findall(r'<path d="([^"]*)"[^>]*stroke: (#\w+); stroke-width: 1.8', drawn.body)
        lines = [(path, colour) for path, colour in lines if colour in canvas.SERIES]
        rows = [(re.findall(r"-?[\d.]+", path), colour) for path, colour in lines][:12]
        assert [colour for _, colour in rows] == [
            c for c in canvas.SERIES[1:3] for _ in range(6)
        ]  # the reference has the first colour, in the hexagon
        assert len({ends[1] for ends, _ in rows}) == 12
        assert all(y == v and float(x) < float(u) for (x, y, u, v), _ in rows)
        assert "AUROC +0.100 (+0.050 to +0.200)" in drawn.description

    def test_leaves_an_undefined_metric_out_and_says_so(self):
        found = {"auroc": {"value": None, "low": None, "high": None, "excludes_zero": None}}
        drawn = forest.draw({"a": found}, reference="b")
        assert "Undefined: AUROC" in drawn.caption


class TestCommand:
    def test_prints_and_writes(self, binary_trio, tmp_path, capsys):
        out = tmp_path / "out"
        runs = list(map(str, binary_trio))
        assert main(["compare", *runs, "--out", str(out), "--replicates", "40"]) == 0
        said = capsys.readouterr().out
        found = json.loads((out / "comparison.json").read_text())
        for one in found["differences"]:
            assert f"{one['run']} minus plain" in said
            assert f"{one['metrics']['auroc']['value']:+.4f}" in said
            assert f"p = {one['delong']['p']:.4g}" in said
        assert said.count("yes") == sum(
            entry["excludes_zero"]
            for one in found["differences"]
            for entry in one["metrics"].values()
        )
        assert said.strip().splitlines()[-1] == str(out / "compare.html")
        assert {p.name for p in (out / "figures").iterdir()} == {"hexagon.svg", "forest.svg"}

    def test_the_same_runs_give_the_same_bytes_and_report_gives_them_too(
        self, binary_trio, tmp_path, capsys
    ):
        runs = list(map(str, binary_trio[:2]))
        for name, verb in (("a", "compare"), ("b", "report")):
            assert main([verb, *runs, "--out", str(tmp_path / name)]) == 0
        for file in ("compare.html", "comparison.json", "figures/forest.svg"):
            assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()

    @pytest.mark.parametrize(
        ("runs", "said"),
        [([], "at least 2 runs"), (["plain"], "at least 2 runs"), (["plain", "no"], "no")],
    )
    def test_wrong_calls_are_status_2(self, binary_trio, runs, said, tmp_path, capsys):
        folders = [str(binary_trio[0].parent / run) for run in runs]
        assert main(["compare", *folders, "--out", str(tmp_path / "out")]) == 2
        assert said in capsys.readouterr().err

    def test_a_full_folder_is_not_written_over(self, binary_trio, tmp_path):
        (tmp_path / "mine.txt").write_text("keep")
        assert main(["compare", *map(str, binary_trio), "--out", str(tmp_path)]) == 2
        assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
