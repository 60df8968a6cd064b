"""A pool in a table: which rows belong together, and what is refused."""

import json

import numpy as np
import polars as pl
import pytest

from medgraft.active.table import Pool
from medgraft.cli.__main__ import main
from medgraft.errors import EvidenceError, TableError, UnknownNameError

ROWS = {
    "candidate": ["b", "a", "b", "b", "a", "c"],
    "p_no": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
    "p_yes": [0.9, 0.8, 0.7, 0.6, 0.5, 0.4],
}


def test_rows_of_a_candidate_may_lie_apart_and_be_of_any_number():
    pool = Pool.of(pl.DataFrame(ROWS))
    assert pool.names == ("b", "a", "c")
    assert pool.classes == ("no", "yes")
    assert pool.evidence.views.tolist() == [3, 2, 1]
    for place, values in enumerate([[0.1, 0.3, 0.4], [0.2, 0.5], [0.6]]):
        assert pool.evidence.probabilities[place, : len(values), 0].tolist() == values


def test_numbers_may_name_candidates():
    assert Pool.of(pl.DataFrame({**ROWS, "candidate": [7, 3, 7, 7, 3, 1]})).names == ("7", "3", "1")


def test_one_column_is_something_there_or_not():
    pool = Pool.of(pl.DataFrame(ROWS).drop("p_no"))
    assert pool.evidence.independent
    assert pool.classes == ("yes",)


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"candidate": None}, UnknownNameError, "no column of the table is called 'candidate'"),
        ({"p_no": None, "p_yes": None}, TableError, "must have columns p_<class>"),
        ({"p_no": ["x"] * 6}, TableError, "column 'p_no' must hold numbers, got String"),
        ({"p_no": [0.1, None, 0.3, 0.4, 0.5, 0.6]}, TableError, "row 2 .* is empty"),
        ({"candidate": ["b", None, "b", "b", "a", "c"]}, TableError, "'candidate'.* row 2 "),
        ({"p_no": [0.9] * 6}, EvidenceError, "must sum to 1"),
        ({"p_no": [-1.0] * 6}, EvidenceError, r"must be in \[0, 1\], got -1"),
    ],
)
def test_a_table_that_is_no_pool_is_refused(change, error, said):
    rows = {name: values for name, values in {**ROWS, **change}.items() if values is not None}
    with pytest.raises(error, match=said):
        Pool.of(pl.DataFrame(rows))


@pytest.fixture
def file(tmp_path):
    pl.DataFrame(ROWS).write_csv(tmp_path / "pool.csv")
    return str(tmp_path / "pool.csv")


class TestCommand:
    def test_prints_candidates_best_first(self, file, capsys):
        assert main(["active", "score", file, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["classes"] == ["no", "yes"]
        assert [one["candidate"] for one in found["candidates"]] == ["c", "a", "b"]
        mean = np.array([0.35, 0.65])
        assert found["candidates"][1]["score"] == pytest.approx(-(mean * np.log(mean)).sum())

    def test_prints_a_table_with_the_same_numbers(self, file, capsys):
        assert main(["active", "score", file, "--acquisition", "margin"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].split() == ["candidate", "views", "score"]
        assert lines[1].split() == ["c", "1", "0.8000"]

    def test_refuses_an_acquisition_of_sets(self, file, capsys):
        assert main(["active", "score", file, "--acquisition", "random"]) == 2
        assert "but random chooses a set. Scores: " in capsys.readouterr().err

    def test_any_column_may_name_the_candidates(self, tmp_path, capsys):
        file = str(tmp_path / "pool.parquet")
        pl.DataFrame(ROWS).rename({"candidate": "patient_id"}).write_parquet(file)
        assert main(["active", "score", file, "--candidate", "patient_id"]) == 0
        assert capsys.readouterr().out.splitlines()[1].split()[0] == "c"
        assert main(["active", "score", file]) == 2
        assert "no column of the table is called 'candidate'" in capsys.readouterr().err

    def test_meets_the_published_table(self, tmp_path, capsys):
        patterns = {
            "A": [0.4] * 3 + [0.5] * 6 + [0.6] * 2,
            "F": [0, 0, 0.1, 0.1, 0.1, 0.1, 0.2, 0.2, 0.3, 0.9, 1],
        }
        rows = [(name, p) for name, values in patterns.items() for p in values]
        file = tmp_path / "views.csv"
        pl.DataFrame(rows, schema=["candidate", "p_polyp"], orient="row").write_csv(file)
        call = ["active", "score", str(file), "--acquisition", "aift", "--as-published"]
        assert main([*call, "--json"]) == 0
        noisy, wavering = json.loads(capsys.readouterr().out)["candidates"]
        keys = ["entropy", "entropy_majority", "diversity", "diversity_majority", "both"]
        assert [f"{wavering[key]:.2f}" for key in keys] == ["7.52", "2.02", "4.38", "0.00", "11.90"]
        assert [f"{noisy[key]:.2f}" for key in keys] == [
            "3.24",
            "0.33",
            "1076.87",
            "13.54",
            "1080.11",
        ]
        assert f"{wavering['score']:.2f}" == f"{wavering['both_majority']:.2f}" == "2.02"
        assert f"{noisy['score']:.2f}" == f"{noisy['both_majority']:.2f}" == "13.86"
        assert main(call) == 0
        assert capsys.readouterr().out.splitlines()[1].split()[:3] == ["F", "11", "13.8637"]

    @pytest.mark.parametrize(
        ("acquisition", "said"),
        [
            ("entropy", "--as-published is for aift"),
            ("aift:reduction=mean", "means reduction=sum, but --acquisition says reduction=mean"),
        ],
    )
    def test_a_convention_that_does_not_fit_is_refused(self, file, capsys, acquisition, said):
        call = ["active", "score", file, "--acquisition", acquisition, "--as-published"]
        assert main(call) == 2
        assert said in capsys.readouterr().err
