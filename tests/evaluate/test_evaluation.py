"""What `evaluate` returns, for each kind of label, and what it refuses."""

import json

import numpy as np
import pytest
import sklearn.metrics as theirs

from medgraft.errors import ArgumentError, ShapeError, UnknownNameError
from medgraft.evaluate import evaluate, paired
from medgraft.evaluate.metrics import metrics

FAST = {"replicates": 40}
KEYS = {
    "split", "n_images", "n_patients", "replicates", "unit", "confidence", "seed", "kind", "names",
    "positive", "metrics", "classes", "confusion", "threshold", "threshold_rule",
    "threshold_split", "left_out", "notes",
}  # fmt: skip


def binary(rows=200, seed=0):
    rng = np.random.default_rng(seed)
    truth = (rng.random(rows) < 0.4).astype(float)
    return truth, np.clip(rng.normal(0.35 + 0.3 * truth, 0.2), 0, 1)


def classes(rows=200, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, rows)
    logit = rng.normal(size=(rows, 3)) + 1.5 * np.eye(3)[truth]
    probability = np.exp(logit)
    return truth, probability / probability.sum(axis=1, keepdims=True)


def one(truth, probability, **more):
    return evaluate(truth, probability, names=["y"], kind="independent", **{**FAST, **more})


def three(truth, probability, **more):
    return evaluate(truth, probability, names=["a", "b", "c"], kind="exclusive", **{**FAST, **more})


@pytest.fixture(params=["one", "two", "three", "labels"])
def found(request):
    truth, probability = binary()
    if request.param == "one":
        return one(truth, probability, split="test", patients=np.arange(200) // 2)
    if request.param == "two":
        return evaluate(truth, probability, names=["well", "ill"], kind="exclusive", **FAST)
    if request.param == "three":
        return three(*classes())
    truth = np.stack([truth, np.where(np.arange(200) % 5, truth, np.nan), -np.ones(200)], axis=1)
    truth[:2, 2] = 1, 1
    return evaluate(
        truth,
        np.stack([probability] * 3, axis=1),
        names=["a", "b", "c"],
        kind="independent",
        **FAST,
    )


def test_holds_the_keys_of_the_contract_and_every_metric(found):
    assert set(found) == KEYS
    assert list(found["metrics"]) == metrics.names()
    assert list(found["classes"]) == found["names"]
    assert all(list(table) == metrics.names() for table in found["classes"].values())


def test_is_json_without_nan(found):
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_what_is_null_has_a_reason(found):
    tables = [found["metrics"], *found["classes"].values()]
    for entry in (entry for table in tables for entry in table.values()):
        assert entry["value"] is not None or entry["reason"]
        assert entry["low"] is None or entry["low"] <= entry["high"]


def test_the_value_lies_near_its_interval(found):
    for name, entry in found["metrics"].items():
        if entry["value"] is not None and name != "ece":  # which is biased upwards
            assert entry["low"] - 0.02 <= entry["value"] <= entry["high"] + 0.02


def test_two_exclusive_classes_agree_with_the_same_rows_as_one_label():
    truth, probability = binary()
    two = evaluate(
        truth, probability, names=["well", "ill"], kind="exclusive", thresholds=0.4, **FAST
    )
    alone = one(truth, probability, thresholds=0.4)
    assert two["positive"] == "ill"
    assert two["metrics"] == alone["metrics"] == two["classes"]["ill"]
    assert two["confusion"] == alone["confusion"]["y"]
    assert two["threshold"] == alone["threshold"] == 0.4
    assert two["classes"]["well"]["recall"]["value"] == pytest.approx(
        alone["metrics"]["specificity"]["value"]
    )


def test_the_positive_class_can_be_told():
    truth, probability = binary()
    pair = np.stack([1 - probability, probability], axis=1)
    flipped = evaluate(
        truth, pair, names=["well", "ill"], kind="exclusive", positive="well", **FAST
    )
    assert flipped["positive"] == "well"
    expected = theirs.recall_score(truth, probability > 0.5, pos_label=0)
    assert flipped["metrics"]["recall"]["value"] == pytest.approx(expected)
    assert np.array(flipped["confusion"]).sum(axis=1).tolist() == [
        int((truth == 0).sum()),
        int(truth.sum()),
    ]


def test_one_hot_truth_equals_class_numbers():
    truth, probability = classes()
    assert three(np.eye(3)[truth], probability) == three(truth, probability)


def test_three_classes_agree_with_scikit_learn():
    truth, probability = classes()
    found = three(truth, probability)["metrics"]
    called = probability.argmax(axis=1)
    expected = {
        "accuracy": theirs.accuracy_score(truth, called),
        "auroc": theirs.roc_auc_score(truth, probability, multi_class="ovr"),
        "recall": theirs.recall_score(truth, called, average="macro"),
        "precision": theirs.precision_score(truth, called, average="macro"),
        "f1": theirs.f1_score(truth, called, average="macro"),
        "f2": theirs.fbeta_score(truth, called, beta=2, average="macro"),
    }
    assert {name: found[name]["value"] for name in expected} == pytest.approx(expected)


def test_the_confusion_of_three_classes_has_actual_rows_and_called_columns():
    truth, probability = classes()
    expected = theirs.confusion_matrix(truth, probability.argmax(axis=1)).tolist()
    found = three(truth, probability)
    assert found["confusion"] == expected
    assert found["threshold"] is None
    assert found["threshold_rule"] == "highest probability"


def test_uncertain_and_blank_rows_are_left_out_of_their_label_only():
    truth, probability = binary()
    second = truth.copy()
    second[:30], second[30:50] = -1, np.nan
    both = evaluate(np.stack([truth, second], axis=1), np.stack([probability] * 2, axis=1),
                    names=["a", "b"], kind="independent", replicates=0)  # fmt: skip
    rest = one(truth[50:], probability[50:], replicates=0)
    assert both["left_out"] == {
        "a": {"uncertain": 0, "blank": 0},
        "b": {"uncertain": 30, "blank": 20},
    }
    assert both["classes"]["b"] == rest["metrics"]
    assert both["classes"]["a"] == one(truth, probability, replicates=0)["metrics"]
    assert both["n_images"] == 200
    mean = np.mean([both["classes"][name]["auroc"]["value"] for name in "ab"])
    assert both["metrics"]["auroc"]["value"] == pytest.approx(mean)


def test_a_label_of_one_class_leaves_the_mean_by_name():
    truth, probability = binary()
    table = np.stack([truth, np.zeros(200)], axis=1)
    found = evaluate(
        table,
        np.stack([probability] * 2, axis=1),
        names=["a", "hernia"],
        kind="independent",
        **FAST,
    )
    assert found["classes"]["hernia"]["auroc"]["value"] is None
    assert "all negative" in found["classes"]["hernia"]["auroc"]["reason"]
    assert found["metrics"]["auroc"]["value"] == found["classes"]["a"]["auroc"]["value"]
    assert found["metrics"]["auroc"]["reason"] == "mean of 1 of 2 labels; undefined for hernia"


def test_one_class_only_gives_flagged_nulls():
    found = one([1, 1, 1], [0.2, 0.4, 0.9])
    assert found["metrics"]["auroc"] == {
        "value": None,
        "low": None,
        "high": None,
        "reason": "auroc needs both classes; the 3 rows are all positive",
    }
    assert found["metrics"]["recall"]["value"] == pytest.approx(1 / 3)


def test_a_threshold_calls_what_lies_at_it():
    found = one([0, 1], [0.3, 0.3], thresholds=0.3)
    assert found["confusion"]["y"] == [[0, 1], [0, 1]]
    assert found["threshold_rule"] == "given"
    assert one([0, 1], [0.3, 0.3])["threshold_rule"] == "0.5 (default)"


def test_thresholds_may_differ_between_labels():
    truth, probability = binary()
    pair = np.stack([probability] * 2, axis=1)
    found = evaluate(np.stack([truth] * 2, axis=1), pair, names=["a", "b"], kind="independent",
                     thresholds={"b": 0.9, "a": 0.1}, threshold_split="val", **FAST)  # fmt: skip
    assert found["threshold"] == {"a": 0.1, "b": 0.9}
    assert found["threshold_split"] == "val"
    assert found["classes"]["a"]["recall"]["value"] > found["classes"]["b"]["recall"]["value"]


def test_only_the_metrics_asked_for_are_computed():
    assert list(one(*binary(), metrics=["f2", "auroc"])["metrics"]) == ["f2", "auroc"]


def test_patients_are_counted_whatever_they_are_called():
    truth, probability = binary()
    by_number = one(truth, probability, patients=np.arange(200) // 3)
    by_name = one(truth, probability, patients=[f"P{n // 3}" for n in range(200)])
    assert by_number == by_name
    assert by_number["n_patients"] == 67
    assert one(truth, probability)["n_patients"] is None


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (
            {"truth": [0, 1, 2]},
            ArgumentError,
            r"-1 \(uncertain\) or NaN \(blank\), but 1 row \(2\) is \[2.0\]",
        ),
        ({"truth": [0, 1]}, ShapeError, "one row per image, got 2 and 3"),
        ({"truth": [], "probability": []}, ShapeError, "at least one row"),
        ({"truth": [np.nan] * 3}, ArgumentError, "blank or uncertain in all 3"),
        ({"truth": ["a", "b", "c"]}, ArgumentError, "truth must hold numbers"),
        ({"probability": [0.1, np.nan, 0.2]}, ArgumentError, r"finite, but 1 row \(1\) is NaN"),
        (
            {"probability": [0.1, 2.0, -3.0]},
            ArgumentError,
            r"got -3 to 2 \(2 of 3 rows outside\). Were logits",
        ),
        ({"probability": np.zeros((3, 2))}, ShapeError, r"shape \(N, 1\)"),
        ({"names": []}, ArgumentError, "at least one"),
        ({"names": ["a", "a"]}, ArgumentError, "distinct"),
        ({"kind": "multi"}, ArgumentError, "'exclusive' or 'independent', got 'multi'"),
        ({"positive": "z"}, UnknownNameError, "no class is called 'z'"),
        ({"metrics": ["aurocc"]}, UnknownNameError, "Did you mean 'auroc'"),
        ({"patients": ["a", "b"]}, ShapeError, "one patient per row"),
        ({"patients": ["a", None, ""]}, ArgumentError, r"2 rows \(1, 2\) are blank"),
        ({"patients": [1.0, np.nan, 2.0]}, ArgumentError, r"1 row \(1\) is blank"),
        ({"thresholds": {"z": 0.5}}, UnknownNameError, "'z'"),
        ({"thresholds": {}}, ArgumentError, r"\['y'\] have none"),
        ({"thresholds": np.nan}, ArgumentError, "finite"),
    ],
)
def test_wrong_input_is_refused(changes, error, message):
    given = {
        "truth": [0, 1, 1],
        "probability": [0.1, 0.6, 0.2],
        "names": ["y"],
        "kind": "independent",
    }
    given |= {"replicates": 10} | changes
    with pytest.raises(error, match=message):
        evaluate(given.pop("truth"), given.pop("probability"), **given)


@pytest.mark.parametrize(
    ("truth", "probability", "more", "message"),
    [
        ([0, 1, 3], np.eye(3), {}, r"exactly one of 3 classes.*1 row \(2\) is 3.0"),
        (np.ones((3, 3)), np.eye(3), {}, "exactly one of 3 classes"),
        (
            [0, 1, 2],
            np.full((3, 3), 0.9),
            {},
            r"sum to 1 in each row, but 3 rows \(0, 1, 2\) are 2.7",
        ),
        ([0, 1, 2], np.eye(3), {"thresholds": 0.5}, "take no threshold"),
        ([np.nan] * 3, np.eye(3), {}, "of 3 none is"),
    ],
)
def test_wrong_classes_are_refused(truth, probability, more, message):
    with pytest.raises(ArgumentError, match=message):
        three(truth, probability, **more)


def test_a_model_against_itself_differs_by_exactly_nothing():
    truth, probability = classes()
    found = paired(truth, probability, probability, names=["a", "b", "c"], kind="exclusive", **FAST)
    for table in (found["metrics"], *found["classes"].values()):
        for entry in table.values():
            assert (entry["value"], entry["low"], entry["high"]) == (0, 0, 0)
            assert entry["excludes_zero"] is False


def test_a_difference_is_second_minus_first_in_the_same_replicates():
    truth, probability = binary()
    worse = np.clip(probability + np.random.default_rng(1).normal(0, 0.4, 200), 0, 1)
    ask = {"names": ["y"], "kind": "independent", "replicates": 300}
    found = paired(truth, worse, probability, **ask)["metrics"]["auroc"]
    alone = [evaluate(truth, p, **ask)["metrics"]["auroc"] for p in (worse, probability)]
    assert found["value"] == pytest.approx(alone[1]["value"] - alone[0]["value"])
    assert found["low"] > 0
    assert found["excludes_zero"]
    widths = [entry["high"] - entry["low"] for entry in alone]
    assert found["high"] - found["low"] < sum(widths)


def test_a_difference_is_undefined_with_a_reason_where_a_model_is():
    found = paired([1, 1], [0.1, 0.2], [0.3, 0.4], names=["y"], kind="independent", **FAST)
    assert found["metrics"]["auroc"]["value"] is None
    assert found["metrics"]["auroc"]["excludes_zero"] is None
    assert "all positive" in found["metrics"]["auroc"]["reason"]
