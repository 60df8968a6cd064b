"""Kappas against scikit-learn and against their definitions in loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from medgraft.evaluate.agreement import cohen_kappa, fleiss_kappa
from medgraft.ledger import Campaign, Class
from medgraft.ledger.agreement import agreement
from medgraft.ledger.records import Reading

CLASSES = tuple(Class(name) for name in "abc")


def readings(table, names="abc"):
    """From {reader: letters, one per image, '?' unsure, '.' nothing} to readings."""
    return [
        Reading(f"i{n}", reader, "unsure" if x == "?" else "answer", None if x == "?" else (x,), n)
        for reader, said in table.items()
        for n, x in enumerate(said)
        if x != "."
    ]


def fleiss_in_loops(votes):
    """Fleiss 1971, as the paper writes it."""
    subjects, raters = len(votes), sum(votes[0])
    shares = [sum(row[j] for row in votes) / (subjects * raters) for j in range(len(votes[0]))]
    extents = [(sum(count**2 for count in row) - raters) / (raters * (raters - 1)) for row in votes]
    mean, chance = sum(extents) / subjects, sum(p**2 for p in shares)
    return (mean - chance) / (1 - chance)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(2, 40), st.integers(2, 4))
def test_cohens_kappa_is_that_of_scikit_learn(seed, images, classes):
    first, second = np.random.default_rng(seed).integers(0, classes, size=(2, images))
    if len({*first, *second}) == 1:
        return  # undefined
    table = np.zeros((1, classes, classes))
    np.add.at(table[0], (first, second), 1)
    expected = cohen_kappa_score(first, second)
    assert cohen_kappa(table)[0] == pytest.approx(expected)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(2, 30), st.integers(2, 5), st.integers(2, 4))
def test_fleiss_kappa_is_its_definition(seed, images, raters, classes):
    votes = np.random.default_rng(seed).multinomial(raters, np.ones(classes) / classes, size=images)
    if (votes.sum(axis=0) == votes.sum()).any():
        return  # undefined
    found = fleiss_kappa(votes.astype(float), np.ones((1, images)))[0]
    assert found == pytest.approx(fleiss_in_loops(votes.tolist()))


def test_fleiss_published_example():
    """Fleiss 1971 as worked in the literature: ten subjects, fourteen raters, five classes, 0.210."""
    votes = np.array([
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ])  # fmt: skip
    assert fleiss_kappa(votes.astype(float), np.ones((1, 10)))[0] == pytest.approx(0.210, abs=5e-4)


def test_pairs_are_judged_on_what_both_answered():
    said = readings({"anna": "abcab?", "ben": "abca.a", "carl": "..cc.."})
    found = agreement(Campaign("x", CLASSES), said, replicates=50)
    pairs = {k.readers: k for k in found.pairs}
    assert {r: k.images for r, k in pairs.items()} == {
        ("anna", "ben"): 4, ("anna", "carl"): 2, ("ben", "carl"): 2,
    }  # fmt: skip
    assert pairs["anna", "ben"].value == 1
    assert pairs["anna", "carl"].value == pytest.approx(cohen_kappa_score(["c", "a"], ["c", "c"]))
    assert found.unsure == 1
    assert found.all == ()


def test_fleiss_is_of_images_that_all_wanted_readers_answered():
    said = readings({"anna": "aabbc", "ben": "aabbc", "carl": "aab.?"})
    found = agreement(Campaign("x", CLASSES, readers_per_image=3), said, replicates=50)
    (kappa,) = found.all
    assert (kappa.images, kappa.agreed, kappa.value) == (3, 3, 1)


def test_independent_classes_each_have_their_kappa():
    said = [
        Reading("i0", "anna", "answer", ("a", "b"), 1),
        Reading("i0", "ben", "answer", ("a",), 2),
        Reading("i1", "anna", "answer", (), 3),
        Reading("i1", "ben", "answer", (), 4),
        Reading("i2", "anna", "answer", ("b",), 5),
        Reading("i2", "ben", "answer", ("b",), 6),
    ]
    found = agreement(Campaign("x", CLASSES, kind="independent"), said, replicates=50)
    by = {k.label: k for k in found.pairs}
    assert by["a"].value == 1
    assert by["b"].value == pytest.approx(cohen_kappa_score([1, 0, 1], [0, 0, 1]))
    assert by["c"].value is None
    assert "all answers are of one class" in by["c"].reason


def test_the_interval_holds_the_value_and_is_wider_for_patients_with_many_images():
    rng = np.random.default_rng(0)
    truth = np.repeat(rng.integers(0, 3, 20), 5)  # a patient's five images are read alike
    wrong = np.repeat(rng.random(20) < 0.3, 5)
    other = np.where(wrong, (truth + 1) % 3, truth)
    said = readings({
        "anna": "".join("abc"[x] for x in truth), "ben": "".join("abc"[x] for x in other),
    })  # fmt: skip
    campaign = Campaign("x", CLASSES)
    patients = {f"i{n}": f"p{n // 5}" for n in range(100)}
    (of_images,) = agreement(campaign, said).pairs
    grouped = agreement(campaign, said, patients=patients)
    (of_patients,) = grouped.pairs
    assert grouped.unit == "patient"
    assert of_patients.value == of_images.value
    assert of_patients.low < of_patients.value < of_patients.high
    assert of_patients.high - of_patients.low > 1.3 * (of_images.high - of_images.low)


def test_the_interval_of_many_images_is_that_of_the_delta_method():
    """Fleiss, Cohen and Everitt 1969: the large-sample standard error of kappa."""
    rng = np.random.default_rng(3)
    first = rng.integers(0, 3, 600)
    second = np.where(rng.random(600) < 0.7, first, rng.integers(0, 3, 600))
    said = readings({
        "anna": "".join("abc"[x] for x in first), "ben": "".join("abc"[x] for x in second),
    })  # fmt: skip
    (kappa,) = agreement(Campaign("x", CLASSES), said, replicates=2000).pairs
    p = np.zeros((3, 3))
    np.add.at(p, (first, second), 1 / 600)
    row, column = p.sum(1), p.sum(0)
    po, pe = np.trace(p), (row * column).sum()
    k = (po - pe) / (1 - pe)
    a = sum(p[i, i] * (1 - (row[i] + column[i]) * (1 - k)) ** 2 for i in range(3))
    b = (1 - k) ** 2 * sum(
        p[i, j] * (column[i] + row[j]) ** 2 for i in range(3) for j in range(3) if i != j
    )
    error = np.sqrt((a + b - (k - pe * (1 - k)) ** 2) / 600) / (1 - pe)
    assert kappa.high - kappa.low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_no_answers_give_no_kappas():
    found = agreement(Campaign("x", CLASSES, readers_per_image=2), [])
    assert found.pairs == ()
    assert found.all[0].value is None
    assert "no image" in found.all[0].reason
