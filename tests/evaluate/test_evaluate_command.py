"""`medgraft evaluate`, as people call it, with tables good and bad."""

import json

import numpy as np
import polars as pl
import pytest

from medgraft.cli.__main__ import main
from medgraft.evaluate import auroc, choose_threshold


def rows(count=120, seed=0):
    rng = np.random.default_rng(seed)
    y = (rng.random(count) < 0.4).astype(int)
    p = np.clip(rng.normal(0.35 + 0.3 * y, 0.2), 0, 1).round(4)
    return {"patient_id": [f"P{n // 2}" for n in range(count)], "y": y.tolist(), "p": p.tolist()}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def judge(folder, capsys):
    """Write a table, judge it, and return exit code, output, errors."""

    def call(columns, *flags, name="t.csv", out="out"):
        frame = (
            columns if isinstance(columns, pl.DataFrame) else pl.DataFrame(columns, strict=False)
        )
        (frame.write_parquet if name.endswith("parquet") else frame.write_csv)(folder / name)
        code = main(["evaluate", name, *flags, "--out", out, "--replicates", "50"])
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


PLAIN = ("--label", "y", "--probability", "p", "--patient", "patient_id")


def saved(folder, name="out"):
    return json.loads((folder / name / "evaluation.json").read_text())


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_table_is_judged_printed_and_saved(folder, judge, name):
    code, out, _ = judge(rows(), *PLAIN, name=name)
    found = saved(folder)
    assert code == 0
    assert found["n_images"] == 120
    assert found["n_patients"] == 60
    assert found["threshold"] == 0.5
    expected = auroc(rows()["y"], rows()["p"])
    assert found["metrics"]["auroc"]["value"] == pytest.approx(expected)
    assert f"{expected:.3f}" in out
    assert "120 images of 60 patients" in out
    assert (folder / "out" / "report.html").is_file()


def test_the_table_kept_beside_the_numbers_gives_them_again(folder, judge):
    judge(rows(), *PLAIN)
    kept = pl.read_parquet(folder / "out" / "predictions.parquet")
    assert kept.columns == ["patient_id", "y_y", "p_y"]
    assert auroc(kept["y_y"], kept["p_y"]) == pytest.approx(
        saved(folder)["metrics"]["auroc"]["value"]
    )


def test_a_threshold_chosen_on_the_same_rows_is_said_to_be_optimistic(folder, judge):
    _, out, _ = judge(rows(), *PLAIN, "--threshold", "youden")
    assert "optimistic" in out
    assert "optimistic" in saved(folder)["notes"][0]
    assert saved(folder)["threshold"] == pytest.approx(choose_threshold(rows()["y"], rows()["p"]))


def test_without_patients_the_output_says_so(judge):
    _, out, _ = judge(rows(), *PLAIN[:4])
    assert "Patients are not known" in out


def many(count=90):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, count)
    p = rng.random((count, 3)) + np.eye(3)[truth]
    return truth, p / p.sum(axis=1, keepdims=True)


def test_classes_are_named_by_what_follows_the_common_beginning(folder, judge):
    truth, p = many()
    names = ["benign", "bone", "cyst"]
    table = {"dx": [names[t] for t in truth]} | {f"p_{n}": p[:, k] for k, n in enumerate(names)}
    code, out, _ = judge(table, "--label", "dx", "--probability", "p_benign,p_bone,p_cyst")
    assert code == 0
    assert saved(folder)["names"] == names
    assert saved(folder)["metrics"]["accuracy"]["value"] == (p.argmax(axis=1) == truth).mean()
    assert "decided by the highest probability" in out


def test_classes_can_be_named_and_numbers_are_names(folder, judge):
    truth, p = many()
    table = {"dx": truth} | {f"c{k}x": p[:, k] for k in range(3)}
    flags = ("--label", "dx", "--probability", "c0x", "c1x", "c2x", "--classes", "0", "1", "2")
    assert judge(table, *flags)[0] == 0
    assert saved(folder)["names"] == ["0", "1", "2"]


def test_equal_numbers_of_columns_are_independent_labels(folder, judge):
    table = rows() | {"y_b": [1, 0, -1, None] * 30, "p_b": [0.7, 0.2, 0.5, 0.5] * 30}
    table["y_a"], table["p_a"] = table.pop("y"), table.pop("p")
    code, out, _ = judge(table, "--label", "y_a,y_b", "--probability", "p_a,p_b")
    assert code == 0
    assert saved(folder)["names"] == ["a", "b"]
    assert saved(folder)["left_out"]["b"] == {"uncertain": 30, "blank": 30}
    assert "left out of b: 30 uncertain, 30 blank" in out


def test_text_of_two_classes_with_one_probability_needs_to_know_whose_it_is(folder, judge):
    table = rows()
    table["y"] = [["well", "ill"][y] for y in table["y"]]
    code, _, err = judge(table, *PLAIN)
    assert code == 2
    assert "--positive" in err
    assert judge(table, *PLAIN, "--positive", "ill")[0] == 0
    expected = auroc(rows()["y"], rows()["p"])
    assert saved(folder)["metrics"]["auroc"]["value"] == pytest.approx(expected)


def changed(column, at, value):
    table = {name: list(values) for name, values in rows().items()}
    for row in at:
        table[column][row] = value
    return table


@pytest.mark.parametrize(
    ("table", "flags", "message"),
    [
        (
            rows(),
            ("--label", "yy", "--probability", "p"),
            "no column of the table is called 'yy'. Did you mean 'y'?",
        ),
        (rows(), ("--label", "y"), "--probability is missing. Columns: patient_id, y, p."),
        (changed("y", [6], 2), PLAIN, "column 'y' must hold 1 and 0"),
        (changed("y", [6], 2), PLAIN, "got 2 in row 7"),
        (changed("p", [3, 9], float("nan")), PLAIN, "2 rows (4, 10) blank, NaN or infinite"),
        (changed("p", [3], None), PLAIN, "row 4 blank, NaN or infinite"),
        (changed("p", [3], 3.5), PLAIN, "Were logits saved?"),
        (rows() | {"p": ["high"] * 120}, PLAIN, "got 'high' in 120 rows (1, 2, 3, 4, 5, ...)"),
        (
            rows() | {"y": [1] * 120},
            PLAIN,
            "must have both classes, but of 120 rows 120 are positive",
        ),
        (pl.DataFrame(rows()).clear(), PLAIN, "must have at least one row"),
        (changed("patient_id", [0, 1], None), PLAIN, "2 rows (1, 2) blank"),
        (changed("patient_id", [5], "  "), PLAIN, "row 6 blank"),
        (rows(), (*PLAIN, "--threshold", "yuden"), "must be a number, youden"),
        (rows(), (*PLAIN, "--replicates", "-5"), "--replicates must not be negative, got -5"),
        (rows(), ("--label", "y,y", "--probability", "p"), "one label column, or as many"),
    ],
)
def test_careless_input_is_one_line_and_exit_2(folder, capsys, table, flags, message):
    pl.DataFrame(table, strict=False).write_csv(folder / "t.csv")
    assert main(["evaluate", "t.csv", *flags, "--out", "out"]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert not (folder / "out").exists()


def test_a_folder_that_holds_something_is_left_alone(folder, judge):
    (folder / "out").mkdir()
    (folder / "out" / "mine.txt").write_text("mine")
    code, _, err = judge(rows(), *PLAIN)
    assert code == 2
    assert "'out' exists" in err
    assert [path.name for path in (folder / "out").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("name", ["missing.csv", "t.xlsx", "broken.parquet"])
def test_what_is_no_table_is_refused(folder, capsys, name):
    if name != "missing.csv":
        (folder / name).write_bytes(b"not a table")
    assert main(["evaluate", name, *PLAIN, "--out", "out"]) == 2
    told = capsys.readouterr().err
    assert name in told
    assert told.count("\n") == 1


@pytest.fixture
def run(folder):
    """A run folder with predictions on two splits."""
    frames = []
    for split, seed in (("val", 1), ("test", 2)):
        table = rows(seed=seed)
        y, p = np.array(table["y"]), np.array(table["p"])
        frames.append(
            pl.DataFrame(
                {
                    "image_id": [f"{split}{n}" for n in range(120)],
                    "path": [f"{n}.png" for n in range(120)],
                    "patient_id": [f"{split}-{name}" for name in table["patient_id"]],
                    "split": split,
                    "y_well": 1 - y,
                    "y_ill": y,
                    "p_well": 1 - p,
                    "p_ill": p,
                }
            )
        )
    (folder / "run").mkdir()
    pl.concat(frames).write_parquet(folder / "run" / "predictions.parquet")
    (folder / "run" / "run.json").write_text("{}")
    return folder / "run"


def test_a_run_is_judged_at_the_threshold_of_its_validation_rows(folder, run, capsys):
    assert main(["evaluate", "run", "--replicates", "50", "--out", "again"]) == 0
    capsys.readouterr()
    found = saved(folder, "again")
    expected = choose_threshold(rows(seed=1)["y"], rows(seed=1)["p"])
    assert found["threshold"] == pytest.approx(expected)
    assert (found["threshold_rule"], found["threshold_split"]) == ("youden", "val")
    assert (found["kind"], found["positive"], found["split"]) == ("exclusive", "ill", "test")
    assert found["metrics"]["auroc"]["value"] == pytest.approx(
        auroc(rows(seed=2)["y"], rows(seed=2)["p"])
    )


def test_the_positive_class_that_a_run_recorded_is_kept(folder, run, capsys):
    (run / "evaluation.json").write_text(json.dumps({"kind": "exclusive", "positive": "well"}))
    assert main(["evaluate", "run", "--replicates", "0", "--out", "again"]) == 0
    capsys.readouterr()
    assert saved(folder, "again")["positive"] == "well"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ("--split", "tset"),
            "must have rows of the split 'tset', and has none. Splits: test, val",
        ),
        (("--label", "y"), "--label is for tables"),
        (("--positive", "sick"), "no class is called 'sick'"),
    ],
)
def test_careless_calls_on_a_run_are_refused(run, capsys, flags, message):
    assert main(["evaluate", "run", *flags]) == 2
    assert message in capsys.readouterr().err


def test_a_folder_that_is_no_run_is_refused(folder, capsys):
    (folder / "empty").mkdir()
    assert main(["evaluate", "empty"]) == 2
    assert "must be a run folder" in capsys.readouterr().err
