"""What uncertain and blank labels teach: each policy's defining property."""

import json

import numpy as np
import polars as pl
import pytest
import torch
from torch.nn import functional as F

from medgraft.errors import ArgumentError, LeakageError, TableError, UnknownNameError
from medgraft.index import Index
from medgraft.index.target import Target
from medgraft.nets import create
from medgraft.nets.heads import ThreeWay, make_head
from medgraft.runs import RunFolder
from medgraft.train.batches import Batch, Placement
from medgraft.train.predict import load_predictor
from medgraft.train.supervised import Normalisation, Predictor, Supervised
from medgraft.train.train import train
from medgraft.train.uncertain import POLICIES, Uncertain, three_way_cross_entropy
from tests.train.conftest import make_spots, quick

NAN = np.nan
LABELS = ("Edema", "Mass")
TARGET = Target("independent", LABELS, LABELS)
FOUR = np.array([[1, -1], [-1, 0], [0, NAN], [NAN, -1]], dtype=np.float32)


def taught(*asked, blank="ignore"):
    return Uncertain.of(asked, blank, TARGET).taught(FOUR, None, TARGET)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (["ignore"], [[1, NAN], [NAN, 0], [0, NAN], [NAN, NAN]]),
        (["zeros"], [[1, 0], [0, 0], [0, NAN], [NAN, 0]]),
        (["ones"], [[1, 1], [1, 0], [0, NAN], [NAN, 1]]),
        (["prevalence"], [[1, 0], [0.5, 0], [0, NAN], [NAN, 0]]),
        (["multi_class"], [[1, -1], [-1, 0], [0, NAN], [NAN, -1]]),
        (["ones", "Mass=zeros"], [[1, 0], [1, 0], [0, NAN], [NAN, 0]]),
    ],
)
def test_targets_of_four_rows(asked, expected):
    np.testing.assert_array_equal(taught(*asked), np.array(expected, dtype=np.float32))


def test_blank_is_another_thing_than_uncertain():
    np.testing.assert_array_equal(
        taught("ignore", blank="zeros"),
        np.array([[1, NAN], [NAN, 0], [0, 0], [0, NAN]], dtype=np.float32),
    )


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        (["maybe"], UnknownNameError, "no policy for uncertain labels is called 'maybe'"),
        (["Edma=ones"], UnknownNameError, "Did you mean 'Edema'"),
        (["ones", "zeros"], ArgumentError, "every label once"),
        (["self_trained"], ArgumentError, "self_trained, and no other policy, names a run"),
        (["ones:runs/a"], ArgumentError, "and no other policy"),
    ],
)
def test_what_is_no_policy_is_refused(asked, error, said):
    with pytest.raises(error, match=said):
        Uncertain.of(asked, "ignore", TARGET)


def test_classes_have_no_uncertain_labels():
    with pytest.raises(ArgumentError, match="of which each image has one"):
        Uncertain.of(["ones"], "ignore", Target("exclusive", ("a", "b"), ("side",)))


class TestThreeWay:
    def test_answer_is_the_softmax_over_negative_and_positive_alone(self):
        head, raw = ThreeWay([0, 2], 3), torch.randn(5, 7, dtype=torch.float64)
        three = head.three(raw)
        for place, column in enumerate([0, 2]):
            pair = three[:, place][:, [0, 2]]  # without uncertain
            expected = F.softmax(pair, dim=1)[:, 1]
            torch.testing.assert_close(torch.sigmoid(head(raw)[:, column]), expected)
        torch.testing.assert_close(head(raw)[:, 1], raw[:, 1])

    def test_answer_does_not_depend_on_the_uncertain_logit(self):
        head, raw = ThreeWay([0], 2), torch.randn(4, 4)
        other = raw.clone()
        other[:, 3] += 7
        torch.testing.assert_close(head(raw), head(other))
        assert not torch.equal(head.three(raw), head.three(other))

    def test_loss_is_that_of_a_loop(self):
        raw = torch.randn(6, 2, 3, dtype=torch.float64)
        targets = torch.tensor([[0, 1], [-1, NAN], [1, -1], [NAN, NAN], [0, 0], [1, 1]])
        slow, count = 0.0, 0
        for row, wanted in zip(raw, targets, strict=True):
            for logits, value in zip(row, wanted.tolist(), strict=True):
                if not np.isnan(value):
                    slow -= float(F.log_softmax(logits, 0)[{0: 0, -1: 1, 1: 2}[int(value)]])
                    count += 1
        found, terms = three_way_cross_entropy(raw, targets)
        assert (float(found), terms) == (pytest.approx(slow), count)

    def test_blended_targets_are_refused(self):
        with pytest.raises(ArgumentError, match="mix images"):
            three_way_cross_entropy(torch.zeros(1, 1, 3), torch.tensor([[0.5]]))

    def test_head_has_two_more_rows_per_such_label(self):
        head = make_head("linear+three:0;2", 8, 3)
        assert sum(p.numel() for p in head.parameters()) == (8 + 1) * (3 + 4)
        network = create("mobilenetv3_small_100", in_channels=1, classes=3, after="block1",
                         head="linear+three:0;2").network  # fmt: skip
        assert network.classes == 3
        assert network.eval()(torch.rand(2, 1, 32, 32)).shape == (2, 3)
        with pytest.raises(ArgumentError, match="labels below 3"):
            make_head("linear+three:3", 8, 3)


def objective(head="linear", three_way=()):
    torch.manual_seed(0)
    network = create(
        "mobilenetv3_small_100", in_channels=1, classes=2, after="block1", head=head
    ).network.eval()
    predictor = Predictor(
        network, "independent", Normalisation((0.5,), (0.5,), ""), Placement(torch.device("cpu"))
    )
    return Supervised(predictor, weights=torch.ones(2), three_way=three_way)


def backward(one, targets):
    """Loss of four images, its terms, and the gradients of the rows of the last layer."""
    images = torch.rand(4, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    found = one.loss("network", Batch(images, torch.as_tensor(targets), 0, np.arange(4)))
    if found.count:
        (found.total / found.count).backward()
    fc = one.predictor.network.head.fc
    return found, fc.bias.grad


def test_ignored_entries_have_a_gradient_of_exactly_zero():
    one = objective()
    _, gradient = backward(one, np.array([[1, NAN], [NAN, NAN], [0, NAN], [NAN, NAN]], np.float32))
    assert gradient[1] == 0
    assert gradient[0] != 0


def test_a_batch_without_a_known_label_gives_zero_and_not_nan():
    for one in (objective(), objective("linear+three:0;1", (0, 1))):
        found, _ = backward(one, np.full((4, 2), NAN, np.float32))
        assert (float(found.total.detach()), found.count) == (0.0, 0.0)


def test_of_labels_learnt_in_both_ways_the_loss_is_the_sum_of_both():
    one = objective("linear+three:1", (1,))
    targets = np.array([[1, -1], [NAN, 0], [0, NAN], [NAN, 1]], np.float32)
    found, gradient = backward(one, targets)
    assert found.count == 5
    assert (gradient != 0).all()  # positive, negative and uncertain rows all learn
    plain = np.array(targets)
    plain[:, 1] = NAN
    other = objective("linear+three:1", (1,))
    binary, _ = backward(other, plain)
    assert float(found.total.detach()) > float(binary.total.detach())


def findings(folder, *, unsure=True):
    """The spots as two labels, every third training image uncertain or blank."""
    index = Index.load(make_spots(folder))
    right = (index.frame["side"] == "right").cast(pl.Int8).to_numpy().astype(float)
    training = (index.frame["split"] == "train").to_numpy()
    some = training & (np.arange(len(right)) % 3 == 0) & unsure
    edema = np.where(some, -1.0, right)
    mass = np.where(training & (np.arange(len(right)) % 5 == 0), NAN, 1 - right)
    columns = [
        pl.Series(name, values, nan_to_null=True)
        for name, values in zip(LABELS, (edema, mass), strict=True)
    ]
    frame = index.frame.drop("side").with_columns(columns)
    path = folder / "findings.parquet"
    Index(frame, index.root, labels=LABELS, layout="csv").save(path)
    return path


SMALL = {"backbone": "mobilenetv3_small_100", "after": "block1", "epochs": 1, "replicates": 0}


def test_every_policy_trains_on_a_set_in_the_shape_of_chexpert(tmp_path):
    index = findings(tmp_path)
    train(index, tmp_path / "ignore", quick(**SMALL), command=[])
    for policy in POLICIES[1:]:
        told = f"{policy}:{tmp_path / 'ignore'}" if policy == "self_trained" else policy
        asked = quick(**SMALL, uncertain=(f"Edema={told}",), blank="zeros")
        train(index, tmp_path / policy, asked, command=[])
        run = RunFolder(tmp_path / policy)
        record = json.loads(run.weights_record.read_text())
        assert record["head"] == ("linear+three:0" if policy == "multi_class" else "linear")
        assert json.loads(run.evaluation.read_text())["metrics"]["auroc"]["value"] is not None
        network = load_predictor(run, "cpu")[0].network
        assert network.eval()(torch.rand(2, 1, 32, 32)).shape == (2, 2)


def test_self_training_takes_the_probability_of_the_run_that_is_asked(tmp_path):
    path = findings(tmp_path)
    train(path, tmp_path / "ignore", quick(**SMALL), command=[])
    index = Index.load(path)
    part = index.part("train")
    asked = Uncertain.of([f"Edema=self_trained:{tmp_path / 'ignore'}"], "ignore", TARGET)
    asked.check_donors(index)
    found = asked.taught(TARGET.matrix(part.frame), part, TARGET)
    answers = pl.read_parquet(tmp_path / "ignore" / "predictions.parquet")
    by_image = dict(zip(answers["image_id"], answers["p_Edema"], strict=True))
    for image, truth, value in zip(
        part.frame["image_id"], TARGET.matrix(part.frame)[:, 0], found[:, 0], strict=True
    ):
        assert value == pytest.approx(by_image[image] if truth == -1 else truth)
    moved = index.with_frame(
        index.frame.with_columns(
            split=pl.when(pl.col("split") == "train").then(pl.lit("test")).otherwise("split")
        )
    )
    with pytest.raises(LeakageError):
        asked.check_donors(moved)
    fewer = answers.filter(pl.col("split") != "train")
    fewer.write_parquet(tmp_path / "ignore" / "predictions.parquet")
    with pytest.raises(TableError, match="an answer for every uncertain image"):
        asked.taught(TARGET.matrix(part.frame), part, TARGET)


def test_a_head_that_is_fitted_refuses_soft_targets(tmp_path):
    path = findings(tmp_path)
    with pytest.raises(ArgumentError, match="fits its head to labels of 1 and 0"):
        train(
            path,
            tmp_path / "run",
            quick(**{**SMALL, "uncertain": ("prevalence",), "strategy": "linear"}),
            command=[],
        )
