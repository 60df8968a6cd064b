"""Targets say what a network has to say, from the labels alone."""

import numpy as np
import polars as pl
import pytest

from medgraft.errors import ArgumentError, TableError
from medgraft.index import Index, Target


def index(**labels):
    count = len(next(iter(labels.values())))
    names = [str(i) for i in range(count)]
    return Index(pl.DataFrame({"image_id": names, "path": names, **labels}), ".", tuple(labels))


def test_text_is_one_of_several_classes():
    table = index(label=["PNEUMONIA", "NORMAL", None, "PNEUMONIA"])
    target = Target.of(table)
    assert (target.kind, target.names, target.positive) == (
        "exclusive",
        ("NORMAL", "PNEUMONIA"),
        "PNEUMONIA",
    )
    matrix = target.matrix(table.frame)
    assert matrix.dtype == np.float32
    nan = np.nan
    np.testing.assert_array_equal(matrix, [[0, 1], [1, 0], [nan, nan], [0, 1]])


def test_whole_numbers_other_than_signs_are_class_names():
    target = Target.of(index(grade=[1, 5, 3, 1]))
    assert (target.kind, target.names, target.positive) == ("exclusive", ("1", "3", "5"), None)


def test_columns_of_signs_are_independent():
    table = index(a=[1, 0, -1, None], b=[0.0, 1.0, None, -1.0])
    target = Target.of(table)
    assert (target.kind, target.names, target.positive) == ("independent", ("a", "b"), None)
    np.testing.assert_array_equal(
        target.matrix(table.frame), [[1, 0], [0, 1], [-1, np.nan], [np.nan, -1]]
    )


def test_one_column_of_zero_and_one_is_one_output():
    table = index(idc=[1, 0, 1])
    target = Target.of(table)
    assert (target.names, target.positive) == (("idc",), "idc")
    assert target.matrix(table.frame).shape == (3, 1)


def test_the_positive_class_can_be_told():
    table = index(label=["adenoma", "cancer"])
    assert Target.of(table).positive == "cancer"
    assert Target.of(table, positive="adenoma").positive == "adenoma"
    with pytest.raises(ArgumentError, match="Did you mean 'cancer'"):
        Target.of(table, positive="cancr")
    with pytest.raises(ArgumentError, match="two exclusive classes"):
        Target.of(index(label=["a", "b", "c"]), positive="a")


@pytest.mark.parametrize("word", ["normal", "Normal", "no finding", "negative"])
def test_a_word_for_nothing_found_is_not_the_positive_class(word):
    assert Target.of(index(label=["cancer", word])).positive == "cancer"
    assert Target.of(index(label=["tumour", word])).positive == "tumour"


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"label": ["a", "a"]}, "at least two classes.*only 'a'"),
        ({"label": [None, None]}, "at least two classes"),
        ({"label": [1, 1]}, "at least two classes"),
        ({"a": [1, 0], "b": ["x", "y"]}, "'b' holds other values"),
    ],
)
def test_what_cannot_be_learned_is_refused(labels, words):
    with pytest.raises(TableError, match=words):
        Target.of(index(**labels))


def test_an_archive_without_labels_has_no_target(tmp_path):
    with pytest.raises(TableError, match="--label"):
        Target.of(Index(pl.DataFrame({"image_id": ["a"], "path": ["a"]}), tmp_path))


def test_a_class_that_was_not_there_is_refused():
    target = Target.of(index(label=["a", "b"]))
    with pytest.raises(TableError, match="'c'"):
        target.matrix(index(label=["c", "a"]).frame)


def test_a_frame_without_rows_has_an_empty_matrix():
    table = index(label=["a", "b"])
    assert Target.of(table).matrix(table.frame.clear()).shape == (0, 2)
    signs = index(a=[1, 0], b=[0, 1])
    assert Target.of(signs).matrix(signs.frame.clear()).shape == (0, 2)
