"""A split keeps patients whole, spreads labels, and depends on nothing but the seed."""

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medgraft.errors import ArgumentError, LeakageError, TableError
from medgraft.index.split import adopt, check_split, folds, leaked, split, use_fold
from medgraft.index.units import TIES, units

quick = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@st.composite
def archives(draw):
    """Columns of an index in which patients, groups and contents are shared at random."""
    count = draw(st.integers(12, 60))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))

    def ids(kinds, missing):
        names = [f"{k}" for k in rng.integers(0, kinds, count)]
        return [None if rng.random() < missing else name for name in names]

    patients = draw(st.integers(6, 60))
    return {
        "image_id": [f"i{k}" for k in rng.integers(0, draw(st.integers(count, 9 * count)), count)],
        "patient_id": ids(patients, 0.1),
        "group": ids(8 * count, 0.5),
        "label": ["a", "b", *rng.choice(["a", "b", "c"], count - 2).tolist()],
    }


def units_by_loop(frame):
    """Connected components, by merging sets until nothing changes."""
    sets = [{i} for i in range(frame.height)]
    for tie in TIES:
        values = frame[tie].to_list()
        for i in range(frame.height):
            for j in range(i):
                if values[i] is not None and values[i] == values[j]:
                    one = next(s for s in sets if i in s)
                    other = next(s for s in sets if j in s)
                    if one is not other:
                        one |= other
                        sets.remove(other)
    return {frozenset(s) for s in sets}


@quick
@given(archives())
def test_units_are_the_components_that_a_loop_finds(table, columns):
    frame = table(**columns).frame
    number = units(frame)
    found = {frozenset(np.flatnonzero(number == u).tolist()) for u in set(number.tolist())}
    assert found == units_by_loop(frame)
    assert set(number.tolist()) == set(range(len(found)))


@quick
@given(archives(), st.integers(0, 3))
def test_no_unit_is_in_two_parts_and_no_part_is_empty(table, columns, seed):
    index = table(**columns)
    if len(set(units(index.frame).tolist())) < 3:
        with pytest.raises(TableError, match="at least one unit for each"):
            split(index, seed=seed)
        return
    divided = split(index, seed=seed)
    check_split(divided)
    assert all(leaked(divided.frame, tie).is_empty() for tie in TIES)
    assert set(divided.frame["split"].unique()) == {"train", "val", "test"}
    assert divided.frame.drop("split").equals(index.frame.drop("split"))


@quick
@given(archives(), st.randoms())
def test_the_order_of_rows_does_not_matter(table, columns, random):
    index = table(**columns)
    if len(set(units(index.frame).tolist())) < 3:
        return
    order = list(range(len(index)))
    random.shuffle(order)
    shuffled = split(index.with_frame(index.frame[order])).frame
    whole = split(index).frame
    assert shuffled.sort("path").equals(whole.sort("path"))


def cohort(table, seed, patients=300):
    """Patients with one to nine films each; a common, a rare and a very rare class."""
    rng = np.random.default_rng(seed)
    films = rng.integers(1, 10, patients)
    kind = rng.choice(["a", "b", "c"], patients, p=[0.75, 0.2, 0.05])
    return table(
        patient_id=np.repeat([f"p{k}" for k in range(patients)], films).tolist(),
        label=np.repeat(kind, films).tolist(),
    )


@pytest.mark.parametrize("seed", range(5))
def test_shares_of_images_classes_and_patients_are_close(table, seed):
    frame = split(cohort(table, seed), test=0.2, val=0.1, seed=seed).frame
    for part, share in {"train": 0.7, "val": 0.1, "test": 0.2}.items():
        rows = frame.filter(pl.col("split") == part)
        assert abs(rows.height / frame.height - share) < 0.005
        assert abs(rows["patient_id"].n_unique() / 300 - share) < 0.05
        for name in "abc":
            have, all_of_it = ((f["label"] == name).sum() for f in (rows, frame))
            assert abs(have - share * all_of_it) <= 4  # less than half a patient with nine films


def test_labels_that_occur_together_are_spread_too(table):
    rng = np.random.default_rng(0)
    labels = {f"label_{k}": rng.random(2000) < p for k, p in enumerate((0.5, 0.1, 0.02))}
    patients = [f"{k // 3}" for k in range(2000)]
    columns = {name: value.astype(int).tolist() for name, value in labels.items()}
    frame = split(table(patient_id=patients, **columns)).frame
    for name in columns:
        for part, share in (("val", 0.1), ("test", 0.2)):
            rows = frame.filter(pl.col("split") == part)
            assert abs(rows[name].sum() - share * frame[name].sum()) <= 3


def test_the_same_seed_gives_the_same_split_and_another_seed_another(table):
    index = cohort(table, 0)
    one, again, other = (split(index, seed=s).frame["split"] for s in (0, 0, 1))
    assert one.equals(again)
    assert (one != other).mean() > 0.1


def test_identical_files_stay_together_whatever_their_patients(table):
    index = table(
        image_id=["x", "x", "a", "b", "c", "d"],
        patient_id=["p", "q", "q", "r", "s", "t"],
        label=["m", "n", "m", "n", "m", "n"],
    )
    for seed in range(10):
        parts = split(index, test=0.3, val=0, seed=seed).frame["split"].to_list()
        assert parts[0] == parts[1] == parts[2]


def test_folds_are_whole_even_and_can_be_used(table):
    index = folds(cohort(table, 0), count=5)
    sizes = index.frame["fold"].value_counts()
    assert sorted(sizes["fold"].to_list()) == [0, 1, 2, 3, 4]
    assert sizes["count"].max() - sizes["count"].min() <= 9
    assert index.frame.group_by("patient_id").agg(pl.col("fold").n_unique())["fold"].max() == 1
    used = use_fold(index, 4)
    check_split(used)
    assert set(used.frame.filter(pl.col("split") == "test")["fold"]) == {4}
    assert set(used.frame.filter(pl.col("split") == "val")["fold"]) == {0}


def test_an_archive_without_labels_is_split_by_count(table):
    frame = split(table(patient_id=[str(k // 2) for k in range(100)])).frame
    assert (frame["split"] == "test").sum() == 20


def test_a_patient_in_two_parts_is_named(table):
    columns = {"patient_id": ["P1", "P1", "P2"], "label": ["a", "b", "a"]}
    parts = ["train", "test", "val"]
    with pytest.raises(LeakageError, match=r"1 patient is in two.*test and train.*P1") as error:
        check_split(table(split=parts, **columns))
    assert error.value.offenders == ("P1",)
    with pytest.raises(LeakageError):
        adopt(table(orig_split=parts, **columns))
    check_split(table(split=["train", None, "val"], **columns))


def test_identical_content_in_two_parts_is_named_by_its_path(table):
    index = table(image_id=["x", "x"], path=["one.png", "two.png"], split=["train", "val"])
    with pytest.raises(LeakageError, match=r"two\.png"):
        check_split(index)


@pytest.mark.parametrize(
    ("test", "val", "words"),
    [
        (1.2, 0.1, r"--test must be a share of the images in \[0, 1\), got 1.2"),
        (-0.1, 0.1, "--test"),
        (0.5, 0.5, "sum to less than 1"),
        (0.0, 0.0, "no split"),
        (float("nan"), 0.1, "--test"),
    ],
)
def test_impossible_shares_are_refused(table, test, val, words):
    with pytest.raises(ArgumentError, match=words):
        split(table(label=["a", "b"] * 10), test=test, val=val)


def test_impossible_divisions_are_refused(table):
    with pytest.raises(TableError, match="2 patients or groups"):
        split(table(patient_id=["p", "q", "p", "q"], label=["a", "b", "a", "b"]))
    with pytest.raises(TableError, match="at least two classes"):
        split(table(label=["a"] * 9))
    with pytest.raises(ArgumentError, match="at least 2"):
        folds(table(label=["a", "b"]), count=1)
    with pytest.raises(TableError, match="--folds"):
        use_fold(table(label=["a", "b"]), 0)
    with pytest.raises(ArgumentError, match=r"\[0, 2\]"):
        use_fold(folds(table(label=["a", "b"] * 3), count=3), 3)
    with pytest.raises(TableError, match="and did not"):
        adopt(table(label=["a", "b"]))
