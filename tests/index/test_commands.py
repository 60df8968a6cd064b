"""The commands index, split and audit, from the line that is typed to the exit code."""

import polars as pl
import pytest

from medgraft.cli.__main__ import main
from medgraft.index import Index


@pytest.fixture
def run(capsys):
    def run(*words):
        code = main([str(word) for word in words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def index(classes, tmp_path, run):
    """Eight films of eight patients in two classes, indexed."""
    out = tmp_path / "films.parquet"
    pattern = r"_(?P<patient>\d+)\.png"
    assert run("index", classes, "--patient-from", pattern, "--out", out, "--workers", 0)[0] == 0
    return out


def test_a_day_in_three_lines(index, run):
    code, out, _ = run("split", index, "--test", 0.25, "--val", 0.25, "--seed", 0)
    assert code == 0
    assert "train       4  50.0%" in out
    assert set(Index.load(index).frame["split"]) == {"train", "val", "test"}
    code, out, err = run("audit", index, "--workers", 0)
    assert (code, err) == (0, "")
    assert index.with_name("films.audit.json").is_file()


def test_what_exists_is_not_replaced_without_force(index, classes, run):
    code, _, err = run("index", classes, "--out", index)
    assert code == 2
    assert err.startswith("error: --out must not exist yet")
    assert run("split", index)[0] == 0
    before = index.read_bytes()
    code, _, err = run("split", index, "--seed", 1)
    assert (code, err.count("\n")) == (2, 1)
    assert index.read_bytes() == before
    assert run("split", index, "--seed", 1, "--force")[0] == 0
    assert run("split", index, "--folds", 4)[0] == 0
    assert run("split", index, "--folds", 4)[0] == 2


def test_a_patient_in_two_parts_ends_with_3(index, run):
    run("split", index)
    table = Index.load(index)
    table.with_frame(table.frame.with_columns(pl.lit("P7").alias("patient_id"))).save(index)
    code, out, err = run("audit", index, "--workers", 0)
    assert code == 3
    assert err.startswith("refused: patients in more than one part of the split: 1")
    assert "P7" in out
    assert run("split", index, "--original")[0] == 2


def test_warnings_are_refused_only_with_strict(classes, tmp_path, run):
    out = tmp_path / "index.parquet"
    code, said, _ = run("index", classes, "--out", out, "--workers", 0)
    assert code == 0
    assert "splits and intervals are by image" in said
    assert run("audit", out, "--workers", 0)[0] == 0
    assert run("audit", out, "--workers", 0, "--strict")[0] == 3


def test_wrong_calls_end_with_2_and_one_line(tmp_path, run):
    (tmp_path / "empty").mkdir()
    for words in [
        ("index", tmp_path / "empty", "--out", tmp_path / "x.parquet"),
        ("index", tmp_path / "absent", "--out", tmp_path / "x.parquet"),
        ("index", tmp_path / "empty", "--out", tmp_path / "x.csv"),
        ("index", tmp_path, "--layout", "folder", "--out", tmp_path / "x.parquet"),
        ("split", tmp_path / "absent.parquet"),
        ("audit", tmp_path / "absent.parquet"),
        ("audit", tmp_path / "absent.parquet", "--distance", 65),
    ]:
        code, out, err = run(*words)
        assert (code, out, err.count("\n")) == (2, "", 1), words
        assert err.startswith("error: ")
    assert not (tmp_path / "x.parquet").exists()


def test_the_user_of_the_design_can_type_the_lines_as_they_stand(data, tmp_path, run):
    out = tmp_path / "wbc.parquet"
    code, said, _ = run(
        *("index", data / "seg-wbc", "--layout", "csv", "--table", "labels.csv", "--path", "file"),
        *("--mask", "mask", "--label", "name", "--out", out, "--workers", 0),
    )
    assert (code, "images    300" in said) == (0, True)
    assert Index.load(out).frame["mask_path"].null_count() == 0
    assert run("split", out)[0] == 0
    said = run("audit", out, "--workers", 0)[1]
    assert "images that stand more than once, byte by byte: 1" in said
