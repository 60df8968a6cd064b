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
